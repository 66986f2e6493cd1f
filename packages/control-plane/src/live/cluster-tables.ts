/** The cluster as discovery and policy see it: tables of the objects that they read, with the lookups that they need. */
import { keyOf } from '@mesh/kube';
import type { EndpointSlice, KubeObject, Node, Pod, Service } from '@mesh/kube';

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
    this.slices = new Table({ name: 'slices', key: keyOfObject, indexes: { service: serviceOfSlice }, onChange });
    this.pods = new Table({ name: 'pods', key: keyOfObject, indexes: { ip: ipsOfPod, hostIp: hostIpOfPod }, onChange });
    this.nodes = new Table({ name: 'nodes', key: keyOfObject, onChange });
  }
}

/** What is kept of each object: specs of thousands of pods would otherwise fill the memory. */
export function trimPod(pod: Pod): Pod {
  const { name, namespace, uid, resourceVersion, labels, annotations, ownerReferences, deletionTimestamp } =
    pod.metadata;
  return {
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations: onlyMeshAnnotations(annotations) }),
      ...(ownerReferences === undefined ? {} : { ownerReferences }),
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    },
    spec: {
      containers: (pod.spec.containers ?? []).map(trimContainer),
      ...(pod.spec.initContainers === undefined ? {} : { initContainers: pod.spec.initContainers.map(trimContainer) }),
      ...(pod.spec.nodeName === undefined ? {} : { nodeName: pod.spec.nodeName }),
      ...(pod.spec.hostNetwork === undefined ? {} : { hostNetwork: pod.spec.hostNetwork }),
      ...(pod.spec.serviceAccountName === undefined ? {} : { serviceAccountName: pod.spec.serviceAccountName }),
    },
    ...(pod.status === undefined
      ? {}
      : {
          status: {
            ...(pod.status.phase === undefined ? {} : { phase: pod.status.phase }),
            ...(pod.status.podIP === undefined ? {} : { podIP: pod.status.podIP }),
            ...(pod.status.podIPs === undefined ? {} : { podIPs: pod.status.podIPs }),
            ...(pod.status.hostIP === undefined ? {} : { hostIP: pod.status.hostIP }),
          },
        }),
  };
}

function trimContainer(container: Pod['spec']['containers'][number]): Pod['spec']['containers'][number] {
  const { name, ports, livenessProbe, readinessProbe, startupProbe, restartPolicy } = container;
  const env = container.env?.filter((one) => one.name === 'LINKERD2_PROXY_INBOUND_LISTEN_ADDR');
  return {
    name,
    ...(ports === undefined ? {} : { ports }),
    ...(env === undefined || env.length === 0 ? {} : { env }),
    ...(livenessProbe === undefined ? {} : { livenessProbe }),
    ...(readinessProbe === undefined ? {} : { readinessProbe }),
    ...(startupProbe === undefined ? {} : { startupProbe }),
    ...(restartPolicy === undefined ? {} : { restartPolicy }),
  };
}

function onlyMeshAnnotations(annotations: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => key.includes('linkerd.io/')));
}

function keyOfObject(object: KubeObject): string {
  return keyOf(object.metadata);
}

function clusterIpsOf(service: Service): readonly string[] {
  const { clusterIP, clusterIPs = [] } = service.spec ?? {};
  return [...new Set([clusterIP ?? '', ...clusterIPs])].filter((ip) => ip !== '' && ip !== 'None');
}

function serviceOfSlice(slice: EndpointSlice): readonly string[] {
  const name = slice.metadata.labels?.[SERVICE_NAME_LABEL];
  return name === undefined ? [] : [keyOf({ namespace: slice.metadata.namespace, name })];
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
