/**
 * One name of the cluster set: unites what this cluster and its peers export under it, and makes import, address and slices so. Then says
 * on this cluster's own ServiceExport what became of it. Reads caches, holds nothing.
 */
import { isKubeError, keyOf, SERVICE_IMPORTS } from '@mesh/kube';
import type { EndpointSlice, OwnerReference, Service, ServiceExport, ServiceImport } from '@mesh/kube';
import type { Cidr } from '@mesh/model';
import type { Clock } from '@mesh/runtime';
import type { LinkRegistry } from '../link-registry.ts';
import type { LocalCluster } from '../local-cluster.ts';
import { pathOf } from '../member-path.ts';
import type { BridgePorts } from './bridge-ports.ts';
import type { ClusterId } from './cluster-id.ts';
import { clustersetAddresses } from './clusterset-address.ts';
import { constituentOf, exportFacts, normalPorts, refusalOf } from './constituent.ts';
import type { Constituent, Refusal } from './constituent.ts';
import {
  derivedPortName,
  desiredDerived,
  desiredImport,
  importStatus,
  isOurDerived,
  isOurImport,
  lentBy,
  NOTHING_LENT,
} from './desired-import.ts';
import type { ImportRef, Lent } from './desired-import.ts';
import { exportConditions } from './export-status.ts';
import type { GatewayPods } from './gateway-pods.ts';
import {
  bridgeSlices,
  flatSlices,
  isCarried,
  keptSlices,
  meshSlices,
  ownSlices,
  pathOfSlice,
} from './import-slices.ts';
import type { PeerSource, SliceContext } from './import-slices.ts';
import type { ImportStore, ImportWork } from './import-store.ts';
import type { LocalExports } from './local-exports.ts';
import { derivedName, LABEL_SOURCE_CLUSTER } from './names.ts';
import { peerView } from './peer-exports.ts';
import type { PeerExport, PeerView } from './peer-exports.ts';
import { exposedPorts, unite } from './union.ts';
import type { Union } from './union.ts';

export interface ImportReconcilerDeps {
  readonly local: LocalCluster;
  readonly links: LinkRegistry;
  readonly exports: LocalExports;
  readonly store: ImportStore;
  readonly clusterId: ClusterId;
  readonly gatewayPods: Pick<GatewayPods, 'list'>;
  readonly bridgePorts: BridgePorts;
  readonly clock: Clock;
  /** Where imports have the same address in every cluster; absent: anywhere. */
  readonly network: Cidr | undefined;
}

/** This cluster's own part. */
interface Own {
  readonly cluster: string | undefined;
  readonly live: ServiceExport | undefined;
  readonly refusal: Refusal | undefined;
  readonly constituent: Constituent | undefined;
}

/** What became of the import here. */
interface Result {
  /** Why it could not be made, with what to do. */
  readonly problem: string | undefined;
}

const NO_CLUSTER_ID =
  'this cluster has no name in the cluster set: set the value clusterName of the multi-cluster extension, or create the ClusterProperty cluster.clusterset.k8s.io';

export class ImportReconciler {
  readonly #deps: ImportReconcilerDeps;

  constructor(deps: ImportReconcilerDeps) {
    this.#deps = deps;
  }

  /** @param ref Of the Service that is exported, and of its import. */
  async reconcile(ref: ImportRef, work: ImportWork): Promise<void> {
    const { local, store, clusterId } = this.#deps;
    const namespace = local.namespaces.get(ref.namespace);
    // Imports are where the namespace is; what it takes with it need not be deleted twice.
    if (namespace === undefined || namespace.metadata.deletionTimestamp !== undefined) return;
    const key = keyOf(ref);
    const own = this.#own(key);
    const peers = peerView(key, clusterId.value, this.#deps);
    const live = store.imports.get(key);
    const unheard = this.#takingPart(peers, ref, live);
    const constituents = [
      ...(own.constituent === undefined ? [] : [own.constituent]),
      ...peers.exports.map(({ plan, remote }) =>
        constituentOf(plan.cluster, remote.service, remote.export ?? { creationTimestamp: '' }),
      ),
    ];
    const isForeign = live !== undefined && !isOurImport(live);
    const union = unite({ constituents, unheard, live: isForeign ? undefined : live });
    const result =
      union === undefined || isForeign
        ? await this.#remove(ref, isForeign, work)
        : await this.#realize(ref, union, { own, peers, unheard, live }, work);
    await this.#report(own, union, unheard.length > 0, result, work);
  }

  #own(key: string): Own {
    const { local, exports, clusterId } = this.#deps;
    const cluster = clusterId.value;
    const found = exports.get(key);
    const live = found?.metadata.deletionTimestamp === undefined ? found : undefined;
    const service = local.services.get(key);
    if (live === undefined) return { cluster, live, refusal: undefined, constituent: undefined };
    const refusal = refusalOf(service, key);
    const isPart = refusal === undefined && service !== undefined && cluster !== undefined;
    return {
      cluster,
      live,
      refusal,
      constituent: isPart ? constituentOf(cluster, service, exportFacts(live)) : undefined,
    };
  }

  /** Of the clusters that cannot be heard, those whose part in the import is known. */
  #takingPart(peers: PeerView, ref: ImportRef, live: ServiceImport | undefined): readonly string[] {
    const present = new Set([
      ...(live?.status?.clusters ?? []).map(({ cluster }) => cluster),
      ...this.#deps.store.slicesOf(ref).map((slice) => sourceOf(slice)),
    ]);
    return [...peers.unheard.keys()].filter((cluster) => present.has(cluster));
  }

  async #remove(ref: ImportRef, isForeign: boolean, work: ImportWork): Promise<Result> {
    const { store, bridgePorts } = this.#deps;
    await store.deleteSlices(store.slicesOf(ref), work);
    await store.deleteDerived(ref, work);
    const live = store.imports.get(keyOf(ref));
    if (live !== undefined && isOurImport(live)) await store.deleteImport(live, work);
    bridgePorts.release(targetOf(ref));
    const problem = `ServiceImport ${keyOf(ref)} exists here and is not the mesh's: delete it, and the mesh makes its own`;
    return { problem: isForeign ? problem : undefined };
  }

  async #realize(
    ref: ImportRef,
    union: Union,
    facts: SliceFacts & { readonly live: ServiceImport | undefined },
    work: ImportWork,
  ): Promise<Result> {
    const { store, clock } = this.#deps;
    const before = union.isHeadless ? undefined : store.derived(ref);
    const isTaken = before !== undefined && !isOurDerived(before, ref.name);
    const lentBefore = before === undefined || isTaken ? undefined : lentBy(before);
    let object = await store.writeImport(desiredImport(ref, union, lentBefore), facts.live, work);
    const owner = ownerOf(object);
    let lent: Lent = NOTHING_LENT;
    let problem = isTaken
      ? `Service ${targetOf(ref)} exists here and is not the mesh's: delete it, and the import gets its address`
      : undefined;
    if (union.isHeadless) await store.deleteDerived(ref, work);
    else if (!isTaken) {
      const derived = await this.#derive(ref, owner, union, before, work);
      if ('problem' in derived) problem = derived.problem;
      lent = 'problem' in derived ? lentBy(before) : lentBy(derived.service);
      object = await store.writeImport(desiredImport(ref, union, lent), object, work);
    }
    const slices = problem === undefined ? this.#slices(ref, owner, union, facts) : [];
    const hadBridges = new Set(store.slicesOf(ref).filter(isBridge).map(sourceOf));
    await store.writeSlices(ref, slices, owner, work);
    for (const slice of slices) if (isBridge(slice)) hadBridges.delete(sourceOf(slice));
    for (const cluster of hadBridges) this.#deps.bridgePorts.release(targetOf(ref), cluster);
    const { clusters, isHeadless, ipFamilies } = union;
    await store.writeImportStatus(
      object,
      importStatus(object, { clusters, isHeadless, ipFamilies, lent, problem }, clock.now()),
      work,
    );
    return { problem };
  }

  /** What a newer peer exports may be more than this cluster's API knows. */
  async #derive(
    ref: ImportRef,
    owner: OwnerReference,
    union: Union,
    live: Service | undefined,
    work: ImportWork,
  ): Promise<{ readonly service: Service } | { readonly problem: string }> {
    const { store, network } = this.#deps;
    const desired = desiredDerived(ref, owner, union);
    for (const clusterIP of live === undefined ? clustersetAddresses(ref, network) : []) {
      try {
        return { service: await store.writeDerived(withAddress(desired, clusterIP), live, work) };
      } catch (error) {
        // Taken, or in no network of this cluster's Services.
        if (!isKubeError(error, 'invalid')) throw error;
      }
    }
    try {
      return { service: await store.writeDerived(desired, live, work) };
    } catch (error) {
      if (!isKubeError(error, 'invalid')) throw error;
      return { problem: `this cluster does not take a Service like the exported ones: ${error.message}` };
    }
  }

  #slices(ref: ImportRef, owner: OwnerReference, union: Union, facts: SliceFacts): readonly EndpointSlice[] {
    const { store, exports, gatewayPods } = this.#deps;
    const context: SliceContext = { ref, owner, ...union };
    const live = store.slicesOf(ref);
    const liveOf = (cluster: string): readonly EndpointSlice[] => live.filter((slice) => sourceOf(slice) === cluster);
    const { own, peers } = facts;
    const slices: EndpointSlice[] = [];
    if (own.constituent !== undefined && own.cluster !== undefined) {
      const exposed = exposedPorts(union, own.constituent.ports);
      slices.push(...ownSlices(context, own.cluster, exposed, exports.slicesOf(keyOf(ref))));
    }
    for (const peer of peers.exports) {
      const ofPeer = liveOf(peer.plan.cluster);
      slices.push(...this.#peerSlices(context, peer, ofPeer));
    }
    for (const cluster of facts.unheard) {
      const worker = peers.unheard.get(cluster);
      const ofPeer = liveOf(cluster);
      const addresses = worker?.settled === true ? worker.addresses((ip) => isReady(ofPeer, ip)) : undefined;
      slices.push(...keptSlices({ live: ofPeer, addresses, pods: gatewayPods.list() }));
    }
    return slices;
  }

  #peerSlices(
    context: SliceContext,
    { plan, remote, worker }: PeerExport,
    live: readonly EndpointSlice[],
  ): readonly EndpointSlice[] {
    const exposed = exposedPorts({ ports: context.ports }, normalPorts(remote.service.spec?.ports ?? []));
    const source: PeerSource = { plan, remote, exposed, live };
    if (context.isHeadless) return flatSlices(context, source);
    const path = pathOf(plan, remote.service);
    if (path === undefined) return [];
    if (path === 'flat') return flatSlices(context, source);
    // The first verdict on the gateway has everything looked at again.
    if (!worker.settled) return live;
    const addresses = worker.addresses((ip) => isReady(live, ip));
    const isReachable = remote.hasReady && addresses.some(({ alive }) => alive);
    return [
      ...meshSlices(context, source, addresses),
      ...bridgeSlices(context, {
        cluster: plan.cluster,
        ports: this.#bridged(context, source),
        pods: isReachable ? this.#deps.gatewayPods.list() : [],
      }),
    ];
  }

  #bridged(context: SliceContext, { plan, exposed, live }: PeerSource): Parameters<typeof bridgeSlices>[1]['ports'] {
    const carried = exposed.filter(isCarried);
    const owners = carried.map((port) => ({
      target: targetOf(context.ref),
      cluster: plan.cluster,
      portName: derivedPortName(port, context.ports),
    }));
    const assigned = this.#deps.bridgePorts.assign(owners, live);
    return carried.flatMap((port, index) => {
      const bridgePort = assigned[index];
      return bridgePort === undefined ? [] : [{ port, bridgePort }];
    });
  }

  async #report(
    own: Own,
    union: Union | undefined,
    isPartial: boolean,
    { problem }: Result,
    work: ImportWork,
  ): Promise<void> {
    const { store, clock } = this.#deps;
    if (own.live === undefined) return;
    const input = {
      refusal: own.refusal,
      problem: own.cluster === undefined ? NO_CLUSTER_ID : problem,
      conflicts: own.constituent === undefined ? [] : (union?.conflicts ?? []),
      isPartial,
    };
    await store.writeExportStatus(own.live, exportConditions(own.live, input, clock.now()), work);
  }
}

interface SliceFacts {
  readonly own: Own;
  readonly peers: PeerView;
  readonly unheard: readonly string[];
}

function withAddress(service: Service, clusterIP: string): Service {
  return { ...service, spec: { ...service.spec, clusterIP } };
}

function targetOf(ref: ImportRef): string {
  return keyOf({ namespace: ref.namespace, name: derivedName(ref) });
}

function sourceOf(slice: EndpointSlice): string {
  return slice.metadata.labels?.[LABEL_SOURCE_CLUSTER] ?? '';
}

function isBridge(slice: EndpointSlice): boolean {
  return pathOfSlice(slice) === 'bridge';
}

/** What a gateway address without verdict counts as: what the slices say. */
function isReady(slices: readonly EndpointSlice[], ip: string): boolean {
  const endpoint = slices.flatMap(({ endpoints }) => endpoints ?? []).find(({ addresses }) => addresses.includes(ip));
  return endpoint?.conditions?.ready !== false;
}

function ownerOf({ metadata: { name, uid = '' } }: ServiceImport): OwnerReference {
  return {
    apiVersion: 'multicluster.x-k8s.io/v1beta1',
    kind: SERVICE_IMPORTS.kind,
    name,
    uid,
    controller: true,
    blockOwnerDeletion: false,
  };
}
