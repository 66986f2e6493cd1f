/** One Service of one Link: its mirror, whichever its mode, and the mirrors of its single pods. */
import { keyOf, parseKey } from '@mesh/kube';
import type { ReconcileResult, Service } from '@mesh/kube';
import { desiredFlat, desiredMirror } from './desired.ts';
import type { Desired, Outcome } from './desired.ts';
import { endpointMirrorNames } from './desired-headless.ts';
import type { EndpointMirror } from './desired-headless.ts';
import { remoteName } from './gateway-slices.ts';
import type { LinkPlan } from './link-plan.ts';
import type { LinkWorker } from './link-worker.ts';
import type { Work } from './mirror-writer.ts';
import { ANNOTATION_REMOTE_NAME, LABEL_CLUSTER, mirrorName } from './names.ts';
import { isMirrorOf } from './ownership.ts';
import { wasReady } from './reconcile-deps.ts';
import type { ReconcileDeps } from './reconcile-deps.ts';
import type { RemoteService } from './remote-cluster.ts';
import { mirrorKey } from './work-keys.ts';

export class MirrorReconciler {
  readonly #deps: ReconcileDeps;

  constructor(deps: ReconcileDeps) {
    this.#deps = deps;
  }

  async reconcile(link: string, serviceKey: string, work: Work): Promise<ReconcileResult> {
    const { links, status, claims, writer } = this.#deps;
    const worker = links.get(link);
    const plan = worker?.plan;
    if (worker === undefined || plan === undefined) return this.#orphan(link, serviceKey, work);
    const { namespace = '', name } = parseKey(serviceKey);
    const localKey = keyOf({ namespace, name: mirrorName(name, plan.cluster) });
    const isUnlinked = links.isDeleting(link);
    const gateway = isUnlinked ? undefined : worker.remote('gateway', serviceKey);
    const flat = isUnlinked ? undefined : worker.remote('flat', serviceKey);
    const remote = flat ?? gateway;
    const owner = links.byCluster(plan.cluster);
    if (!isUnlinked && owner !== worker && owner !== undefined) {
      // Two Links to one cluster would overwrite each other's mirrors for ever: the first by name has them.
      status.report(
        'mirror',
        link,
        serviceKey,
        remote === undefined ? undefined : duplicateOf(owner.key, plan.cluster),
      );
      return undefined;
    }
    // Unknown is not absent: while the peer was not heard in full, nothing that it may export is taken away.
    if (!isUnlinked && !worker.synced) {
      await this.#removeOthers(link, serviceKey, this.#ofCluster(link, serviceKey, plan.cluster), work);
      return undefined;
    }
    claims.set(localKey, mirrorKey(link, serviceKey), remote !== undefined);
    if (remote === undefined) {
      status.report('mirror', link, serviceKey, undefined);
      await this.#removeOthers(link, serviceKey, new Set(), work);
      // Also what carries no note of its Link, such as a mirror that Linkerd made.
      await writer.remove(localKey, plan.cluster, work);
      return undefined;
    }
    // The first verdict on the gateway enqueues all mirrors again.
    if (!remote.isKnown || (flat === undefined && !worker.settled)) return undefined;
    const desired = (): Desired =>
      flat === undefined ? this.#behindGateway(worker, plan, remote, localKey) : this.#flat(plan, remote, localKey);
    status.report('mirror', link, serviceKey, await this.#realize(link, serviceKey, localKey, plan, desired, work));
    return undefined;
  }

  #behindGateway(worker: LinkWorker, plan: LinkPlan, remote: RemoteService, localKey: string): Desired {
    const { local, writer } = this.#deps;
    const slices = writer.slicesOf(localKey);
    return desiredMirror(
      plan,
      remote,
      worker.addresses((ip) => wasReady(slices, ip)),
      {
        live: local.services.get(localKey),
        slices,
        endpointMirror: (hostname) => this.#endpointMirror(plan, remote.service, hostname),
      },
    );
  }

  #flat(plan: LinkPlan, remote: RemoteService, localKey: string): Desired {
    return desiredFlat(plan, remote, { slices: this.#deps.writer.slicesOf(localKey) });
  }

  /** @param compute The desired state, from what exists at the moment. */
  async #realize(
    link: string,
    serviceKey: string,
    localKey: string,
    plan: LinkPlan,
    compute: () => Desired,
    work: Work,
  ): Promise<Outcome> {
    const { writer } = this.#deps;
    const first = compute();
    if (first.service === undefined) {
      await this.#removeOthers(link, serviceKey, new Set(), work);
      await writer.remove(localKey, plan.cluster, work);
      return first.outcome;
    }
    const obstacle = await writer.obstacle(first.service.metadata, plan.cluster, work);
    if (obstacle !== undefined) return obstacle;
    const parts = first.parts ?? [];
    let outcome = first.outcome;
    for (const part of parts) {
      const own = await writer.realize(part, plan.cluster, work);
      if (own.reason !== 'Mirrored') outcome = own;
    }
    // Addresses of single pods are known only now.
    const { service = first.service, slices } = parts.length === 0 ? first : compute();
    const own = await writer.realize({ service, slices }, plan.cluster, work);
    const wanted = new Set([localKey, ...parts.map((part) => keyOf(part.service.metadata))]);
    for (const key of wanted) this.#deps.claims.set(key, mirrorKey(link, serviceKey), true);
    await this.#removeOthers(link, serviceKey, wanted, work);
    return own.reason === 'Mirrored' ? outcome : own;
  }

  /** Linkerd's name for the mirror of a pod, unless a pod of another Service has it. */
  #endpointMirror(plan: LinkPlan, service: Service, hostname: string): EndpointMirror {
    const { local } = this.#deps;
    const { name: serviceName, namespace = '' } = service.metadata;
    const names = endpointMirrorNames(hostname, serviceName, plan.cluster);
    const own = remoteName(plan, service.metadata, hostname);
    const isOwn = (one: Service | undefined): boolean =>
      one !== undefined && isMirrorOf(one, plan.cluster) && one.metadata.annotations?.[ANNOTATION_REMOTE_NAME] === own;
    const [plain, other] = [names.name, names.otherwise].map((name) => local.services.get(keyOf({ namespace, name })));
    // Whichever name it has it keeps.
    const isOther = isOwn(other) || (plain !== undefined && !isOwn(plain));
    return { name: isOther ? names.otherwise : names.name, clusterIp: (isOther ? other : plain)?.spec?.clusterIP };
  }

  /** A mirror whose Link is gone although it was never asked to clean up. */
  async #orphan(link: string, serviceKey: string, work: Work): Promise<ReconcileResult> {
    const { local, links } = this.#deps;
    // The Link may exist and merely be unusable: then its mirrors stay.
    if (links.get(link) !== undefined || local.links.get(link) !== undefined || !local.links.synced) return undefined;
    await this.#removeOthers(link, serviceKey, new Set(), work);
    return undefined;
  }

  /** Takes away everything that this Service has here but for what is wanted: other names of the Link's cluster, pods that are gone. */
  async #removeOthers(link: string, serviceKey: string, wanted: ReadonlySet<string>, work: Work): Promise<void> {
    const { local, writer, claims } = this.#deps;
    for (const service of local.mirrorsFrom(link, serviceKey)) {
      const key = keyOf(service.metadata);
      if (wanted.has(key)) continue;
      claims.set(key, mirrorKey(link, serviceKey), false);
      await writer.remove(key, service.metadata.labels?.[LABEL_CLUSTER] ?? '', work);
    }
  }

  #ofCluster(link: string, serviceKey: string, cluster: string): ReadonlySet<string> {
    const mirrors = this.#deps.local.mirrorsFrom(link, serviceKey);
    return new Set(mirrors.filter((one) => isMirrorOf(one, cluster)).map((one) => keyOf(one.metadata)));
  }
}

function duplicateOf(owner: string, cluster: string): Outcome {
  return {
    reason: 'NameConflict',
    message: `Link ${owner} is for cluster ${cluster} too, and has its mirrors: delete one of the two Links`,
  };
}
