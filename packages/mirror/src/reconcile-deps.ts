/** What the reconciles of the controller's keys share. */
import type { Priority } from '@mesh/kube';
import type { EndpointSlice } from '@mesh/kube';
import type { Clock, Logger } from '@mesh/runtime';
import type { Claims } from './claims.ts';
import type { LinkRegistry } from './link-registry.ts';
import type { LinkStatusWriter } from './link-status-writer.ts';
import type { LocalCluster } from './local-cluster.ts';
import type { MirrorMetrics } from './metrics.ts';
import type { MirrorWriter } from './mirror-writer.ts';
import type { WorkKeys } from './work-keys.ts';

export interface ReconcileDeps {
  readonly local: LocalCluster;
  readonly links: LinkRegistry;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MirrorMetrics;
  readonly keys: WorkKeys;
  readonly writer: MirrorWriter;
  readonly status: LinkStatusWriter;
  readonly claims: Claims;
  readonly enqueue: (key: string, priority?: Priority) => void;
}

/** What an address counts as while it has no verdict: what its endpoint says now, ready when there is none. */
export function wasReady(slices: readonly EndpointSlice[], ip: string): boolean {
  return slices.every((slice) => {
    const endpoint = slice.endpoints?.find(({ addresses }) => addresses.includes(ip));
    return endpoint?.conditions?.ready !== false;
  });
}
