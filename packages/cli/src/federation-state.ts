/** What a cluster shows of its federation: Links with their conditions, Peers, what is exported to whom, what is imported from where. Read only. */
import {
  ENDPOINT_SLICES,
  EXPORTED_SERVICES,
  isKubeError,
  LINKS,
  PEERS,
  SERVICE_EXPORTS,
  SERVICE_IMPORTS,
  SERVICES,
} from '@mesh/kube';
import type {
  Condition,
  EndpointSlice,
  ExportedService,
  KubeClient,
  KubeObject,
  Link,
  Peer,
  ResourceKind,
  Service,
  ServiceExport,
  ServiceImport,
} from '@mesh/kube';
import { installedClusterName } from './installed-extension.ts';

export interface LinkState {
  readonly name: string;
  readonly cluster: string;
  /** What this cluster is called there; absent: it links as anybody. */
  readonly peer?: string;
  readonly conditions: readonly ConditionState[];
  readonly mirrored: number;
  /** Services that should be here and are not. */
  readonly failures: readonly { readonly service: string; readonly reason: string; readonly message: string }[];
}

export interface ConditionState {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly since: string;
}

export interface PeerState {
  readonly name: string;
  readonly cluster?: string;
  readonly version?: string;
  /** RFC 3339: when its mirror last said so. */
  readonly seen?: string;
  /** Services that it may see. */
  readonly exports?: number;
  readonly conditions: readonly ConditionState[];
}

export interface ExportState {
  readonly service: string;
  readonly modes: readonly string[];
  readonly ready: boolean;
  /** Names of peers; `*`: all. */
  readonly to: readonly string[];
  /** Of its ServiceExport, when it has one. */
  readonly conditions: readonly ConditionState[];
}

export interface ImportState {
  /** Its name here. */
  readonly service: string;
  readonly kind: 'mirror' | 'federated' | 'import';
  readonly from: readonly string[];
  readonly readyEndpoints: number;
  readonly conditions: readonly ConditionState[];
}

export interface FederationState {
  /** Empty: it was not given one. */
  readonly cluster: string;
  readonly links: readonly LinkState[];
  readonly peers: readonly PeerState[];
  readonly exports: readonly ExportState[];
  readonly imports: readonly ImportState[];
}

/** One cluster's state, or why it could not be read. */
export type ClusterStatus = { readonly context: string } & (FederationState | { readonly error: string });

export const LABEL_MIRRORED = 'mirror.linkerd.io/mirrored-service';
export const LABEL_CLUSTER = 'mirror.linkerd.io/cluster-name';
export const LABEL_SERVICE_NAME = 'kubernetes.io/service-name';
const LABEL_MESH_SERVICE_NAME = 'federation.mesh.dev/service-name';
const LABEL_IMPORT = 'multicluster.kubernetes.io/service-name';
const LABEL_SOURCE_CLUSTER = 'multicluster.kubernetes.io/source-cluster';
/** The suffix of federated Services, which carry no cluster's name. */
const ANNOTATION_MEMBERS = 'multicluster.linkerd.io/remote-discovery';

/** @param namespace Of the extension. */
export async function federationState(client: KubeClient, namespace: string): Promise<FederationState> {
  const [cluster, links, peers, views, serviceExports, services, slices, imports] = await Promise.all([
    installedClusterName(client, namespace),
    listOrNone(client, LINKS),
    listOrNone(client, PEERS),
    listOrNone(client, EXPORTED_SERVICES),
    listOrNone(client, SERVICE_EXPORTS),
    listOrNone(client, SERVICES, `${LABEL_MIRRORED}=true`),
    listOrNone(client, ENDPOINT_SLICES, 'endpointslice.kubernetes.io/managed-by=service-mirror.mesh.dev'),
    listOrNone(client, SERVICE_IMPORTS),
  ]);
  return {
    cluster,
    links: links.map(linkState).sort(byKey(({ name }) => name)),
    peers: peers.map(peerState).sort(byKey(({ name }) => name)),
    exports: exportStates(views, serviceExports, namespace).sort(byKey(({ service }) => service)),
    imports: [
      ...services.map((service) => mirrorState(service, slices)),
      ...imports.map((each) => importState(each, slices)),
    ].sort(byKey(({ service }) => service)),
  };
}

function linkState({ metadata, spec, status }: Link): LinkState {
  const items = [...(status?.mirrorServices ?? []), ...(status?.federatedServices ?? [])];
  const bad = items.filter(({ conditions }) => conditions[0]?.status !== 'True');
  const peer = metadata.annotations?.['federation.mesh.dev/peer'];
  return {
    name: metadata.name,
    cluster: spec.targetClusterName ?? metadata.name,
    ...(peer === undefined ? {} : { peer }),
    conditions: conditionStates(status?.conditions),
    mirrored: items.length - bad.length,
    failures: bad.map(({ remoteRef, conditions }) => ({
      service: `${remoteRef.namespace}/${remoteRef.name}`,
      reason: conditions[0]?.reason ?? '',
      message: conditions[0]?.message ?? '',
    })),
  };
}

function peerState({ metadata, status }: Peer): PeerState {
  const { clusterName, version, renewTime } = status?.peer ?? {};
  const exports = status?.exporter?.exports;
  return {
    name: metadata.name,
    ...(clusterName === undefined ? {} : { cluster: clusterName }),
    ...(version === undefined ? {} : { version }),
    ...(renewTime === undefined ? {} : { seen: renewTime }),
    ...(exports === undefined ? {} : { exports }),
    conditions: conditionStates(status?.conditions),
  };
}

const VIEW = /^mesh-peer-(.+)$/;

function exportStates(
  views: readonly ExportedService[],
  serviceExports: readonly ServiceExport[],
  shared: string,
): ExportState[] {
  const states = new Map<string, ExportState>();
  for (const { metadata, spec } of views) {
    const service = `${spec.service.namespace}/${spec.service.name}`;
    const to = metadata.namespace === shared ? '*' : (VIEW.exec(metadata.namespace ?? '')?.[1] ?? '');
    if (to === '') continue;
    const before = states.get(service);
    const exported = serviceExports.find(
      (each) => `${each.metadata.namespace ?? ''}/${each.metadata.name}` === service,
    );
    states.set(service, {
      service,
      modes: [...new Set([...(before?.modes ?? []), ...spec.modes])],
      ready: spec.ready,
      to: [...(before?.to ?? []), to].sort(compare),
      conditions: conditionStates(exported?.status?.conditions),
    });
  }
  return [...states.values()];
}

function mirrorState(service: Service, slices: readonly EndpointSlice[]): ImportState {
  const { namespace = '', name, labels = {}, annotations = {} } = service.metadata;
  const own = slices.filter((slice) => serviceOf(slice) === `${namespace}/${name}`);
  const cluster = labels[LABEL_CLUSTER];
  const members = (annotations[ANNOTATION_MEMBERS] ?? '')
    .split(',')
    .map((member) => member.split('@')[1] ?? '')
    .filter((member) => member !== '');
  const told = own.map(({ metadata }) => metadata.labels?.[LABEL_CLUSTER] ?? '').filter((each) => each !== '');
  return {
    service: `${namespace}/${name}`,
    kind: cluster === undefined ? 'federated' : 'mirror',
    from: cluster === undefined ? [...new Set([...members, ...told])].sort(compare) : [cluster],
    readyEndpoints: readyIn(own),
    conditions: [],
  };
}

function importState({ metadata, status }: ServiceImport, slices: readonly EndpointSlice[]): ImportState {
  const own = slices.filter(
    (slice) =>
      slice.metadata.namespace === metadata.namespace &&
      slice.metadata.labels?.[LABEL_IMPORT] === metadata.name &&
      slice.metadata.labels?.['federation.mesh.dev/path'] !== 'bridge',
  );
  const clusters = (status?.clusters ?? []).map(({ cluster }) => cluster);
  const told = own.map((slice) => slice.metadata.labels?.[LABEL_SOURCE_CLUSTER] ?? '').filter((each) => each !== '');
  return {
    service: `${metadata.namespace ?? ''}/${metadata.name}`,
    kind: 'import',
    from: clusters.length > 0 ? clusters : [...new Set(told)].sort(compare),
    readyEndpoints: readyIn(own),
    conditions: conditionStates(status?.conditions),
  };
}

/** The Service that a slice belongs to, whoever reads it. */
export function serviceOf({ metadata }: EndpointSlice): string {
  const name = metadata.labels?.[LABEL_SERVICE_NAME] ?? metadata.labels?.[LABEL_MESH_SERVICE_NAME] ?? '';
  return `${metadata.namespace ?? ''}/${name}`;
}

/** Addresses that serve, each once. */
export function readyIn(slices: readonly EndpointSlice[]): number {
  const ready = slices.flatMap(({ endpoints }) => endpoints.filter(({ conditions }) => conditions?.ready !== false));
  return new Set(ready.flatMap(({ addresses }) => addresses)).size;
}

function conditionStates(conditions: readonly Condition[] = []): readonly ConditionState[] {
  return conditions.map(({ type, status, reason, message, lastTransitionTime }) => ({
    type,
    status,
    reason: reason ?? '',
    message: message ?? '',
    since: lastTransitionTime ?? '',
  }));
}

/** What a cluster does not know it has none of. */
async function listOrNone<T extends KubeObject>(
  client: KubeClient,
  kind: ResourceKind<T>,
  labelSelector?: string,
): Promise<readonly T[]> {
  try {
    return (await client.list(kind, labelSelector === undefined ? {} : { labelSelector })).items;
  } catch (error) {
    if (isKubeError(error, 'not_found')) return [];
    throw error;
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function byKey<T>(keyOf: (item: T) => string): (a: T, b: T) => number {
  return (a, b) => compare(keyOf(a), keyOf(b));
}
