/** The cluster as discovery and policy see it: tables of the objects that they read, with the lookups that they need. */
import { keyOf } from '@mesh/kube';
import type { EndpointSlice, KubeObject, Node, Pod, Service } from '@mesh/kube';

import { FEDERATION_IDENTITY, FEDERATION_PATH, FEDERATION_SERVICE_NAME } from '../annotations.ts';
import { LiveQueries } from './live-queries.ts';
import { Table } from './table.ts';

/** EndpointSlices name their Service in this label (KEP-752). */
const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

export class ClusterTables {
  readonly queries: LiveQueries;
  readonly services: Table<Service>;
  readonly slices: Table<EndpointSlice>;
  readonly pods: Table<Pod>;
  readonly nodes: Table<Node>;

  /** @param onError See {@link LiveQueries}. */
  constructor(onError: (key: string, error: unknown) => void) {
    this.queries = new LiveQueries(onError);
    const onChange = this.queries.changed;
    this.services = new Table({ name: 'services', key: keyOfObject, indexes: { clusterIp: clusterIpsOf }, onChange });
    this.slices = new Table({
      name: 'slices',
      key: keyOfObject,
      indexes: { service: serviceOfSlice, importedIp: importedIpsOf },
      onChange,
    });
    this.pods = new Table({ name: 'pods', key: keyOfObject, indexes: { ip: ipsOfPod, hostIp: hostIpOfPod }, onChange });
    this.nodes = new Table({ name: 'nodes', key: keyOfObject, onChange });
  }
}

/** What is kept of each pod: specs of thousands of them would otherwise fill the memory. Null counts as absent. */
export function trimPod(pod: Pod): Pod {
  const { metadata, spec, status } = pod;
  return {
    metadata: {
      name: metadata.name,
      ...present({
        namespace: metadata.namespace,
        uid: metadata.uid,
        resourceVersion: metadata.resourceVersion,
        labels: metadata.labels,
        annotations: onlyMeshAnnotations(metadata.annotations),
        ownerReferences: metadata.ownerReferences,
        deletionTimestamp: metadata.deletionTimestamp,
      }),
    },
    spec: {
      containers: (spec.containers ?? []).map(trimContainer),
      ...present({
        initContainers: spec.initContainers?.map(trimContainer),
        nodeName: spec.nodeName,
        hostNetwork: spec.hostNetwork,
        serviceAccountName: spec.serviceAccountName,
      }),
    },
    status: present({ phase: status?.phase, podIP: status?.podIP, podIPs: status?.podIPs, hostIP: status?.hostIP }),
  };
}

type Container = Pod['spec']['containers'][number];

function trimContainer(container: Container): Container {
  const { name, ports, env, livenessProbe, readinessProbe, startupProbe, restartPolicy } = container;
  const listenAddress = env?.filter((one) => one.name === 'LINKERD2_PROXY_INBOUND_LISTEN_ADDR');
  return {
    name,
    ...present({ ports, env: listenAddress, livenessProbe, readinessProbe, startupProbe, restartPolicy }),
  };
}

function onlyMeshAnnotations(
  annotations: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(annotations ?? {}).filter(([key]) => key.includes('linkerd.io/')));
}

/** The fields that are there. */
function present<T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}

function keyOfObject(object: KubeObject): string {
  return keyOf(object.metadata);
}

function clusterIpsOf(service: Service): readonly string[] {
  const { clusterIP, clusterIPs = [] } = service.spec ?? {};
  return [...new Set([clusterIP ?? '', ...clusterIPs])].filter((ip) => ip !== '' && ip !== 'None');
}

/** Slices for clients without a proxy lead past the mesh: nothing of them is told to proxies (ADR 0019). */
function serviceOfSlice({ metadata: { namespace, labels } }: EndpointSlice): readonly string[] {
  if (labels?.[FEDERATION_PATH] === 'bridge') return [];
  const name = labels?.[FEDERATION_SERVICE_NAME] ?? labels?.[SERVICE_NAME_LABEL];
  return name === undefined ? [] : [keyOf({ namespace, name })];
}

/** Meshed pods of other clusters: clients of headless Services dial them by their addresses. */
function importedIpsOf(slice: EndpointSlice): readonly string[] {
  if (slice.metadata.annotations?.[FEDERATION_IDENTITY] === undefined) return [];
  return [...new Set((slice.endpoints ?? []).flatMap((endpoint) => endpoint.addresses))];
}

/** Pods that share their node's addresses are found by port, not by address: see `hostIp`. */
function ipsOfPod(pod: Pod): readonly string[] {
  if (pod.spec.hostNetwork === true || isOver(pod)) return [];
  const ips = [pod.status?.podIP ?? '', ...(pod.status?.podIPs ?? []).map((one) => one.ip)];
  return [...new Set(ips)].filter((ip) => ip !== '');
}

function hostIpOfPod(pod: Pod): readonly string[] {
  const ip = pod.status?.hostIP;
  if (ip === undefined || isOver(pod)) return [];
  const exposed =
    pod.spec.hostNetwork === true ||
    pod.spec.containers.some((container) => container.ports?.some((port) => port.hostPort !== undefined));
  return exposed ? [ip] : [];
}

/** A finished pod's address may already belong to another. */
function isOver(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}
