/**
 * What the mesh knows about a pod from its own fields: is it meshed, as whom, and how are its ports treated. Discovery, policy and the
 * view that peers read ask the same functions.
 */
import { formatWorkloadIdentity } from './identity-name.ts';
import { parseSocketAddress } from './ip.ts';
import { parsePortSet, PortSet } from './port-set.ts';

type Entries = Readonly<Record<string, string>>;

/** As much of a container as matters here; Kubernetes' own type has it all. */
export interface WorkloadContainer {
  readonly name: string;
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
}

/** As much of a pod. */
export interface WorkloadPod {
  readonly metadata: { readonly namespace?: string; readonly labels?: Entries; readonly annotations?: Entries };
  readonly spec: {
    readonly serviceAccountName?: string;
    readonly containers: readonly WorkloadContainer[];
    readonly initContainers?: readonly WorkloadContainer[];
  };
}

/** Label of meshed pods: the namespace of their control plane. */
export const CONTROL_PLANE_NS_LABEL = 'linkerd.io/control-plane-ns';
/** Annotation: ports whose protocol must not be looked at. */
export const OPAQUE_PORTS = 'config.linkerd.io/opaque-ports';
/** Annotation: ports whose traffic does not pass the sidecar. */
export const SKIP_INBOUND_PORTS = 'config.linkerd.io/skip-inbound-ports';

/** The sidecar's container. */
export const PROXY_CONTAINER = 'linkerd-proxy';
/** Variable of that container: where it takes connections of other proxies. */
export const INBOUND_LISTEN_VARIABLE = 'LINKERD2_PROXY_INBOUND_LISTEN_ADDR';
/** Where a sidecar listens when its pod does not say. */
export const DEFAULT_INBOUND_PORT = 4143;

/** The namespace of the control plane that the pod's proxy belongs to; "" when it has none. */
export function controlPlaneOf(pod: WorkloadPod): string {
  return pod.metadata.labels?.[CONTROL_PLANE_NS_LABEL] ?? '';
}

/** Kubernetes' own default. */
export function serviceAccountOf(pod: WorkloadPod): string {
  const name = pod.spec.serviceAccountName ?? '';
  return name === '' ? 'default' : name;
}

export function identityOf(pod: WorkloadPod, trustDomain: string): string {
  return formatWorkloadIdentity({
    serviceAccount: serviceAccountOf(pod),
    namespace: pod.metadata.namespace ?? '',
    controlPlaneNamespace: controlPlaneOf(pod),
    trustDomain,
  });
}

/** The port at which the pod's sidecar takes connections of other proxies. */
export function proxyInboundPort(pod: WorkloadPod): number {
  const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
  const proxy = containers.find((container) => container.name === PROXY_CONTAINER);
  const address = proxy?.env?.find((one) => one.name === INBOUND_LISTEN_VARIABLE)?.value;
  const port = address === undefined ? undefined : parseSocketAddress(address)?.port;
  return port === undefined || port === 0 ? DEFAULT_INBOUND_PORT : port;
}

/** Ports whose protocol must not be looked at. */
export function opaquePortsOf(pod: WorkloadPod, defaults: PortSet): PortSet {
  const text = pod.metadata.annotations?.[OPAQUE_PORTS];
  return text === undefined ? defaults : portsFrom(text, pod);
}

/** Ports whose traffic does not pass the sidecar. */
export function skippedInboundPorts(pod: WorkloadPod): PortSet {
  return portsFrom(pod.metadata.annotations?.[SKIP_INBOUND_PORTS] ?? '', pod);
}

/**
 * Reads a port list that may also name container ports. Items that are neither are ignored: the
 * injector has warned about them, and one typing error must not take the others out of force.
 */
export function portsFrom(text: string, pod?: WorkloadPod): PortSet {
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
export function containerPort(pod: WorkloadPod, name: string): number | undefined {
  for (const container of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]) {
    const port = container.ports?.find((one) => one.name === name);
    if (port !== undefined) return port.containerPort;
  }
  return undefined;
}
