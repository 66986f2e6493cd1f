/**
 * Endpoints of other clusters that are reached directly, pod to pod. Watching those clusters is
 * work of its own; this is where it plugs in. Services behind gateways do not come here: their
 * endpoints are slices of this cluster.
 */
import type { Reads } from '../live/table.ts';
import type { EndpointEntry } from './service-endpoints.ts';

export interface RemoteClusters {
  /** Endpoints of `service` in `cluster`; undefined when the cluster is not known here. */
  endpoints(
    cluster: string,
    namespace: string,
    service: string,
    port: number,
    reads: Reads,
  ): readonly EndpointEntry[] | undefined;
}

/** This cluster alone. */
export const noRemoteClusters: RemoteClusters = { endpoints: () => undefined };
