/** One federated Service: who its members are now, and what is known of those that cannot be heard. */
import { keyOf, parseKey } from '@mesh/kube';
import type { ReconcileResult, Service } from '@mesh/kube';
import { MIRRORED } from './desired.ts';
import type { Outcome } from './desired.ts';
import { desiredFederated } from './desired-federated.ts';
import type { DesiredFederated, LocalMember, Member } from './desired-federated.ts';
import { pathOf } from './member-path.ts';
import type { LinkWorker } from './link-worker.ts';
import type { Work } from './mirror-writer.ts';
import { ANNOTATION_REMOTE_MEMBERS, federatedName, LABEL_CLUSTER, LABEL_FEDERATED } from './names.ts';
import { isFederated } from './ownership.ts';
import { wasReady } from './reconcile-deps.ts';
import type { ReconcileDeps } from './reconcile-deps.ts';
import { isHeadless } from './remote-cluster.ts';
import { federatedKey } from './work-keys.ts';

interface Membership {
  readonly members: readonly Member[];
  /** Clusters that may be members and cannot be heard. */
  readonly unheard: ReadonlySet<string>;
}

export class FederatedReconciler {
  readonly #deps: ReconcileDeps;

  constructor(deps: ReconcileDeps) {
    this.#deps = deps;
  }

  async reconcile(serviceKey: string, work: Work): Promise<ReconcileResult> {
    const { local, claims, writer } = this.#deps;
    const { namespace = '', name } = parseKey(serviceKey);
    const localKey = keyOf({ namespace, name: federatedName(name) });
    const membership = this.#members(serviceKey, localKey);
    if (membership === undefined) return undefined;
    const { members, unheard } = membership;
    const localMember = this.#localMember(serviceKey);
    const slices = writer.slicesOf(localKey);
    const desired = desiredFederated({ namespace, name, local: localMember, members, live: slices });
    claims.set(localKey, federatedKey(serviceKey), desired.service !== undefined);
    const live = local.services.get(localKey);
    if (desired.service === undefined) {
      // Members that cannot be heard now may still be members.
      const mayStay = unheard.size > 0 && live !== undefined;
      if (!mayStay) await writer.remove(localKey, undefined, work);
      this.#report(serviceKey, desired);
      return undefined;
    }
    const isKept = unheard.size > 0 && live !== undefined && isFederated(live);
    const outcome = await writer.realize(
      {
        service: isKept ? keepUnheard(desired.service, live, unheard, localMember?.service) : desired.service,
        slices: [
          ...desired.slices,
          ...slices.filter((slice) => unheard.has(slice.metadata.labels?.[LABEL_CLUSTER] ?? '')),
        ],
      },
      undefined,
      work,
    );
    this.#report(serviceKey, desired, outcome);
    return undefined;
  }

  /** `undefined`: something is not known yet, and will enqueue the key again. */
  #members(serviceKey: string, localKey: string): Membership | undefined {
    const { links, status } = this.#deps;
    const members: Member[] = [];
    const unheard = new Set<string>();
    for (const worker of links.all()) {
      const { plan } = worker;
      if (plan === undefined || links.isDeleting(worker.key)) {
        status.report('federated', worker.key, serviceKey, undefined);
        continue;
      }
      if (links.byCluster(plan.cluster) !== worker) continue;
      if (!worker.synced) {
        unheard.add(plan.cluster);
        continue;
      }
      const remote = worker.remote('federated', serviceKey);
      if (remote === undefined) {
        status.report('federated', worker.key, serviceKey, undefined);
        continue;
      }
      // The first verdict on the gateway enqueues all mirrors again; it is waited for a moment at most.
      if (!worker.settled && pathOf(plan, remote.service) === 'gateway') return undefined;
      if (!remote.isKnown) {
        // One peer whose pods cannot be read must not hold up the others.
        unheard.add(plan.cluster);
        continue;
      }
      members.push({ plan, remote, addresses: this.#addresses(worker, localKey, plan.cluster) });
    }
    return { members, unheard };
  }

  #addresses(worker: LinkWorker, localKey: string, cluster: string): Member['addresses'] {
    const slices = this.#deps.writer
      .slicesOf(localKey)
      .filter((slice) => slice.metadata.labels?.[LABEL_CLUSTER] === cluster);
    return worker.addresses((ip) => wasReady(slices, ip));
  }

  #localMember(serviceKey: string): LocalMember | undefined {
    const { local } = this.#deps;
    const service = local.services.get(serviceKey);
    if (service?.metadata.labels?.[LABEL_FEDERATED] !== 'member' || isFederated(service)) return undefined;
    if (service.metadata.deletionTimestamp !== undefined) return undefined;
    // Addresses count only where DNS answers with them.
    const slices = isHeadless(service) ? local.memberSlices.byIndex('service', serviceKey) : [];
    return { service, slices };
  }

  /** @param written What became of the Service as a whole; absent: it need not exist. */
  #report(serviceKey: string, desired: DesiredFederated, written: Outcome = MIRRORED): void {
    for (const [link, own] of desired.outcomes) {
      const outcome = written.reason === 'Mirrored' ? own : written;
      this.#deps.status.report('federated', link, serviceKey, outcome);
    }
  }
}

/** While a member cannot be heard, what it may have decided stays: the whole metadata, unless a local member decides, and its own entry. */
function keepUnheard(
  desired: Service,
  live: Service,
  unheard: ReadonlySet<string>,
  local: Service | undefined,
): Service {
  if (local === undefined) return live;
  const entries = (live.metadata.annotations?.[ANNOTATION_REMOTE_MEMBERS] ?? '')
    .split(',')
    .filter((entry) => unheard.has(entry.split('@')[1] ?? ''));
  if (entries.length === 0) return desired;
  const heard = desired.metadata.annotations?.[ANNOTATION_REMOTE_MEMBERS];
  const members = [...(heard === undefined ? [] : [heard]), ...entries].join(',');
  const annotations = { ...desired.metadata.annotations, [ANNOTATION_REMOTE_MEMBERS]: members };
  return { ...desired, metadata: { ...desired.metadata, annotations } };
}
