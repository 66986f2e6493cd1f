/** What the peers export of one Service, who of them cannot be heard, and who is gone: unknown is not absent. */
import type { LinkRegistry } from '../link-registry.ts';
import type { LinkWorker } from '../link-worker.ts';
import type { LocalCluster } from '../local-cluster.ts';
import type { LinkPlan } from '../link-plan.ts';
import type { RemoteService } from '../remote-cluster.ts';

export interface PeerExport {
  readonly plan: LinkPlan;
  readonly worker: LinkWorker;
  readonly remote: RemoteService;
}

export interface PeerView {
  /** One per cluster that exports the Service. */
  readonly exports: readonly PeerExport[];
  /** Clusters of which nothing is known now: what they had stays. */
  readonly unheard: ReadonlyMap<string, LinkWorker | undefined>;
}

/** @param own This cluster's name: a Link to a cluster of the same name is an error of configuration and says nothing. */
export function peerView(
  key: string,
  own: string | undefined,
  { local, links }: { readonly local: LocalCluster; readonly links: LinkRegistry },
): PeerView {
  const exports: PeerExport[] = [];
  const unheard = new Map<string, LinkWorker | undefined>();
  const speakers = speakersOf(links);
  for (const [cluster, worker] of speakers) {
    const { plan } = worker;
    if (plan === undefined || links.isDeleting(worker.key) || cluster === own) continue;
    if (!worker.synced) {
      unheard.set(plan.cluster, worker);
      continue;
    }
    const remote = worker.remote('mcs', key);
    if (remote === undefined) continue;
    if (remote.isKnown) exports.push({ plan, worker, remote });
    else unheard.set(plan.cluster, worker);
  }
  // Links that are not followed yet, or cannot be: a mistake in one takes nothing away.
  for (const { metadata, spec } of local.links.list()) {
    const cluster = spec.targetClusterName ?? '';
    const isKnown = speakers.has(cluster) || cluster === own || cluster === '';
    if (!isKnown && metadata.deletionTimestamp === undefined) unheard.set(cluster, undefined);
  }
  return { exports, unheard };
}

/** Of two Links to one cluster the first by name speaks for it, as with mirrors. */
function speakersOf(links: LinkRegistry): ReadonlyMap<string, LinkWorker> {
  const speakers = new Map<string, LinkWorker>();
  for (const worker of links.all()) {
    const cluster = worker.plan?.cluster;
    if (cluster === undefined) continue;
    const known = speakers.get(cluster);
    if (known === undefined || worker.key < known.key) speakers.set(cluster, worker);
  }
  return speakers;
}
