/**
 * What a peer exports, whichever way it is learnt: through its Services, as Linkerd does it (`label-exports.ts`), or through the view
 * that it writes for its peers (`view-exports.ts`).
 */
import type { ExportedEndpoints, ExportedMode, ExportedService, KubeClient, KubeError, Service } from '@mesh/kube';
import type { Clock, Logger } from '@mesh/runtime';

/** How an exported Service wants to appear here. */
export type ExportMode = ExportedMode;
/** Modes that become mirrors or federated Services. */
export const MIRROR_MODES = ['gateway', 'flat', 'federated'] as const satisfies readonly ExportMode[];
export const EXPORT_MODES: readonly ExportMode[] = [...MIRROR_MODES, 'mcs'];

/** Addresses behind an exported Service that share their target ports. */
export type RemoteEndpoints = Pick<ExportedEndpoints['spec'], 'addressType' | 'ports' | 'endpoints'>;

/** An exported Service as seen at the peer. */
export interface RemoteService {
  /** Only what mirrors are made of. `clusterIP` is there for headless ones alone. */
  readonly service: Service;
  /** At least one of its endpoints is ready. */
  readonly hasReady: boolean;
  /** False until its endpoints were looked at: then nothing is written yet. */
  readonly isKnown: boolean;
  /** Empty where nobody needs addresses: a mirror behind a gateway, unless its pods have names of their own. */
  readonly endpoints: readonly RemoteEndpoints[];
  /** What the ServiceExport there says; only with mode `mcs`. */
  readonly export?: ExportedService['spec']['export'];
}

export interface RemoteClusterDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface RemoteClusterHandlers {
  /** `key` is `namespace/name` at the peer. */
  readonly onService: (mode: ExportMode, key: string) => void;
  /** Reachability, credentials or sync may have changed. */
  readonly onStatus: () => void;
}

export interface RemoteCluster extends AsyncDisposable {
  /** Begins to follow the peer; connects in the background. */
  run(): void;
  /** True once everything selected was listed; false means: absence proves nothing. */
  readonly synced: boolean;
  /** Why the peer's API does not serve us now; `undefined` while it does. */
  readonly error: KubeError | undefined;
  /** True once the peer's API has answered. */
  readonly answered: boolean;
  /** Age of what we know, milliseconds; 0 while connected. */
  readonly stalenessMs: number;
  /** The exported Service, or `undefined` when the peer does not export it in this mode. Meaningful once synced. */
  get(mode: ExportMode, key: string): RemoteService | undefined;
  keys(mode: ExportMode): readonly string[];
  count(mode: ExportMode): number;
}

export function isHeadless(service: Service): boolean {
  return service.spec?.clusterIP === 'None';
}
