/** What is known of a Link as a whole, and the form in which it is said: the conditions before they have a time. */
import type { Condition, KubeError } from '@mesh/kube';
import type { ProbeFailure } from './gateway-prober.ts';

/** What the peer says of itself, and how well it keeps what it shows us. */
export interface ExporterReading {
  /** Why there is nothing to read; then the rest is what was read before, or absent. */
  readonly problem?: string;
  readonly version?: string;
  readonly clusterName?: string;
  /** RFC 3339 by the peer's clock: when it last confirmed its view. */
  readonly renewTime?: string;
  /** It confirms its view; undefined while that cannot be told yet. */
  readonly isRenewing?: boolean;
  /** How far its clock seems to be behind ours, milliseconds; negative: ahead. Absent while it cannot be told from a late renewal. */
  readonly clockBehindMs?: number;
}

export interface LinkFacts {
  readonly problems: readonly string[];
  readonly credentials:
    /** Without `token` the kubeconfig authenticates otherwise; without `expiresMs` the token does not expire. Unix ms. */
    | { readonly ok: true; readonly token: { readonly expiresMs: number | undefined } | undefined }
    /** `Pending`: nobody has looked yet. */
    | { readonly ok: false; readonly reason: string; readonly message: string };
  /** What came of the last attempt to renew them. */
  readonly renewal: { readonly atMs: number } | { readonly problem: string } | undefined;
  /** Absent: the Link names no Peer. */
  readonly exporter: ExporterReading | undefined;
  /** Services that the peer exports to us, by mode; absent without connection. */
  readonly exports: readonly (readonly [mode: string, count: number])[] | undefined;
  readonly hasGateway: boolean;
  /** Something is selected that would go through a gateway. */
  readonly wantsGateway: boolean;
  readonly isProbed: boolean;
  readonly addressProblems: readonly string[];
  readonly addressCount: number;
  readonly gatewayAddresses: readonly {
    readonly ip: string;
    readonly zone?: string | undefined;
    readonly alive: boolean | undefined;
    readonly failure: string | undefined;
  }[];
  readonly gatewayAlive: boolean | undefined;
  readonly probeFailure: { readonly failure: ProbeFailure; readonly detail: string } | undefined;
  readonly gatewayIdentity: string;
  readonly remote:
    | {
        readonly synced: boolean;
        readonly answered: boolean;
        readonly error: KubeError | undefined;
        readonly stalenessMs: number;
      }
    | undefined;
  readonly cluster: string;
}

/** How the mirrors of a Link fare. */
export interface MirrorSummary {
  readonly mirrored: number;
  readonly failed: number;
  /** The first failure, as `namespace/name: message`. */
  readonly firstFailure: string | undefined;
}

export type ConditionType =
  | 'Valid'
  | 'CredentialsValid'
  | 'Reachable'
  | 'GatewayAlive'
  | 'VersionSupported'
  | 'ExportsSeen'
  | 'ViewCurrent'
  | 'ServicesMirrored';

/** A condition before it has a transition time. */
export interface Finding {
  readonly type: ConditionType;
  readonly status: Condition['status'];
  readonly reason: string;
  readonly message: string;
}

export function finding(type: ConditionType, status: Condition['status'], reason: string, message: string): Finding {
  return { type, status, reason, message };
}

export function rfc3339(unixMs: number): string {
  return new Date(unixMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
