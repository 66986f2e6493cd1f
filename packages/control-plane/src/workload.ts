/** What the mesh knows about a pod from its own fields: is it meshed, as whom, and how are its ports treated. */
import type { Pod } from '@mesh/kube';
import { formatWorkloadIdentity, parsePortSet, parseSocketAddress, PortSet } from '@mesh/model';

import { CONTROL_PLANE_NS_LABEL, OPAQUE_PORTS, SKIP_INBOUND_PORTS } from './annotations.ts';

/** Where a sidecar listens when its pod does not say. */
export const DEFAULT_INBOUND_PORT = 4143;

/** The namespace of the control plane that the pod's proxy belongs to; "" when it has none. */
export function controlPlaneOf(pod: Pod): string {
  return pod.metadata.labels?.[CONTROL_PLANE_NS_LABEL] ?? '';
}

/** Kubernetes' own default. */
export function serviceAccountOf(pod: Pod): string {
  const name = pod.spec.serviceAccountName ?? '';
  return name === '' ? 'default' : name;
}

export function identityOf(pod: Pod, trustDomain: string): string {
  return formatWorkloadIdentity({
    serviceAccount: serviceAccountOf(pod),
    namespace: pod.metadata.namespace ?? '',
    controlPlaneNamespace: controlPlaneOf(pod),
    trustDomain,
  });
}

/** The port at which the pod's sidecar takes connections of other proxies. */
export function proxyInboundPort(pod: Pod): number {
  const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
  const proxy = containers.find((container) => container.name === 'linkerd-proxy');
  const address = proxy?.env?.find((one) => one.name === 'LINKERD2_PROXY_INBOUND_LISTEN_ADDR')?.value;
  const port = address === undefined ? undefined : parseSocketAddress(address)?.port;
  return port === undefined || port === 0 ? DEFAULT_INBOUND_PORT : port;
}

/** Ports whose protocol must not be looked at. */
export function opaquePortsOf(pod: Pod, defaults: PortSet): PortSet {
  const text = pod.metadata.annotations?.[OPAQUE_PORTS];
  return text === undefined ? defaults : portsFrom(text, pod);
}

/** Ports whose traffic does not pass the sidecar. */
export function skippedInboundPorts(pod: Pod): PortSet {
  return portsFrom(pod.metadata.annotations?.[SKIP_INBOUND_PORTS] ?? '', pod);
}

/**
 * Reads a port list that may also name container ports. Items that are neither are ignored: the
 * injector has warned about them, and one typing error must not take the others out of force.
 */
export function portsFrom(text: string, pod?: Pod): PortSet {
  const ranges: (readonly [number, number])[] = [];
  for (const item of text.split(',')) {
    const parsed = parsePortSet(item);
    if (parsed instanceof PortSet) ranges.push(...parsed.ranges);
    else if (pod !== undefined) {
      const port = containerPort(pod, item.trim());
      if (port !== undefined) ranges.push([port, port]);
    }
  }
  return new PortSet(ranges);
}

/** The number of a container port by its name. */
export function containerPort(pod: Pod, name: string): number | undefined {
  for (const container of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]) {
    const port = container.ports?.find((one) => one.name === name);
    if (port !== undefined) return port.containerPort;
  }
  return undefined;
}

/** The workload that owns the pod, by the label names of Linkerd's metrics: `deployment`, `statefulset`, `k8s_job`, … */
export function ownerOf(pod: Pod): { readonly label: string; readonly name: string } | undefined {
  for (const [key, name] of Object.entries(pod.metadata.labels ?? {})) {
    // The injector wrote it after looking the owner up.
    if (key.startsWith('linkerd.io/proxy-')) return { label: ownerLabel(key.slice('linkerd.io/proxy-'.length)), name };
  }
  const owner =
    pod.metadata.ownerReferences?.find((one) => one.controller === true) ?? pod.metadata.ownerReferences?.[0];
  if (owner === undefined) return undefined;
  const hash = pod.metadata.labels?.['pod-template-hash'];
  // A Deployment names its ReplicaSets `<deployment>-<pod-template-hash>`.
  if (owner.kind === 'ReplicaSet' && hash !== undefined && owner.name.endsWith(`-${hash}`)) {
    return { label: 'deployment', name: owner.name.slice(0, -hash.length - 1) };
  }
  return { label: ownerLabel(owner.kind.toLowerCase()), name: owner.name };
}

/** Prometheus reserves `job`. */
function ownerLabel(kind: string): string {
  return kind === 'job' ? 'k8s_job' : kind;
}
