/** Linkerd's policy and profile resources, as far as the mesh reads them. */
import type { IntOrString } from './core-types.ts';
import type { Condition, KubeObject, LabelSelector } from './object.ts';

export interface LocalTargetRef {
  readonly group?: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

export interface Server extends KubeObject {
  readonly spec: {
    readonly podSelector?: LabelSelector;
    readonly externalWorkloadSelector?: LabelSelector;
    readonly port: IntOrString;
    readonly proxyProtocol?: 'unknown' | 'HTTP/1' | 'HTTP/2' | 'gRPC' | 'opaque' | 'TLS';
    readonly accessPolicy?: string;
  };
}

export interface ServerAuthorization extends KubeObject {
  readonly spec: {
    readonly server: { readonly name?: string; readonly selector?: LabelSelector };
    readonly client: {
      readonly networks?: readonly NetworkMatch[];
      readonly unauthenticated?: boolean;
      readonly meshTLS?: {
        readonly unauthenticatedTLS?: boolean;
        readonly identities?: readonly string[];
        readonly serviceAccounts?: readonly { readonly name: string; readonly namespace?: string }[];
      };
    };
  };
}

export interface AuthorizationPolicy extends KubeObject {
  readonly spec: {
    readonly targetRef: LocalTargetRef;
    readonly requiredAuthenticationRefs: readonly LocalTargetRef[];
  };
}

export interface MeshTlsAuthentication extends KubeObject {
  readonly spec: { readonly identities?: readonly string[]; readonly identityRefs?: readonly LocalTargetRef[] };
}

export interface NetworkMatch {
  readonly cidr: string;
  readonly except?: readonly string[];
}

export interface NetworkAuthentication extends KubeObject {
  readonly spec: { readonly networks: readonly NetworkMatch[] };
}

export interface HttpLocalRateLimitPolicy extends KubeObject {
  readonly spec: {
    readonly targetRef: LocalTargetRef;
    readonly total?: { readonly requestsPerSecond: number };
    readonly identity?: { readonly requestsPerSecond: number };
    readonly overrides?: readonly {
      readonly requestsPerSecond: number;
      readonly clientRefs: readonly LocalTargetRef[];
    }[];
  };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

export interface EgressNetwork extends KubeObject {
  readonly spec: { readonly networks?: readonly NetworkMatch[]; readonly trafficPolicy: 'Allow' | 'Deny' };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

/** The policy group's copy of the Gateway API's HTTPRoute; rules are read by the policy role, which validates them. */
export interface PolicyHttpRoute extends KubeObject {
  readonly spec: {
    readonly parentRefs?: readonly (LocalTargetRef & { readonly port?: number; readonly sectionName?: string })[];
    readonly hostnames?: readonly string[];
    readonly rules?: readonly Readonly<Record<string, unknown>>[];
  };
  readonly status?: Readonly<Record<string, unknown>>;
}

export interface ServiceProfile extends KubeObject {
  readonly spec?: {
    readonly routes?: readonly Readonly<Record<string, unknown>>[];
    readonly retryBudget?: { readonly retryRatio: number; readonly minRetriesPerSecond: number; readonly ttl: string };
    readonly dstOverrides?: readonly { readonly authority: string; readonly weight: IntOrString }[];
    readonly opaquePorts?: readonly string[];
  };
}

export interface ExternalWorkload extends KubeObject {
  readonly spec: {
    readonly meshTLS: { readonly identity: string; readonly serverName: string };
    readonly ports?: readonly { readonly name?: string; readonly port: number; readonly protocol?: string }[];
    readonly workloadIPs?: readonly { readonly ip: string }[];
  };
  readonly status?: { readonly conditions?: readonly Condition[] };
}
