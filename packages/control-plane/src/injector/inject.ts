/**
 * Makes a pod meshed: pure, the same for the webhook and for `mesh inject`. Loads neither gRPC nor a
 * Kubernetes client.
 */
import { createHash } from 'node:crypto';

import type { Namespace, Pod, Service } from '@mesh/kube';
import { parsePortSet, PortSet } from '@mesh/model';

import { OPAQUE_PORTS } from '../annotations.ts';
import { ownerOf, portsFrom } from '../workload.ts';
import { debugContainer, inboundPortsOf, initContainer, meshVolumes, proxyContainer } from './containers.ts';
import type { ContainerContext } from './containers.ts';
import { INJECT_ANNOTATION, skipOf } from './decision.ts';
import type { Skip } from './decision.ts';
import { jsonPatch } from './json-patch.ts';
import type { PatchOperation } from './json-patch.ts';
import { configName, overrideValues } from './overrides.ts';
import type { InjectionValues } from './values.ts';

/** Which container `kubectl logs` and `kubectl exec` mean when none is named. */
const DEFAULT_CONTAINER = 'kubectl.kubernetes.io/default-container';

export interface InjectionContext {
  readonly values: InjectionValues;
  readonly controlPlaneNamespace: string;
  /** PEM bundle. */
  readonly trustAnchorsPem: string;
  readonly namespace: { readonly name: string; readonly annotations: Readonly<Record<string, string>> };
  /** Who made the change, for annotation linkerd.io/created-by. */
  readonly createdBy: string;
}

interface Skipped extends Skip {
  readonly kind: 'skipped';
}

/** An annotation that protects the pod cannot be used: it must not start without that protection. */
interface Refused {
  readonly kind: 'refused';
  readonly message: string;
}

export type Injection =
  | { readonly kind: 'injected'; readonly pod: Pod; readonly warnings: readonly string[] }
  | Skipped
  | Refused;

export type PodPatch =
  | { readonly kind: 'patch'; readonly operations: readonly PatchOperation[]; readonly warnings: readonly string[] }
  | Skipped
  | Refused;

/** The JSON Patch for a pod at admission, or why there is none. */
export function patchPod(pod: Pod, context: InjectionContext): PodPatch {
  const injection = injectPod(pod, context);
  if (injection.kind !== 'injected') return injection;
  return { kind: 'patch', operations: jsonPatch(pod, injection.pod), warnings: injection.warnings };
}

/** The pod (or pod template) with the sidecar in it. */
export function injectPod(pod: Pod, context: InjectionContext): Injection {
  const skip = skipOf(pod, context.namespace.annotations);
  if (skip !== undefined) return { kind: 'skipped', ...skip };
  const inherited = inheritedAnnotations(context.namespace.annotations, pod.metadata.annotations ?? {});
  const annotations = { ...inherited, ...pod.metadata.annotations };
  const { config, warnings, refusal } = overrideValues(context.values, annotations, pod);
  if (refusal !== undefined) return { kind: 'refused', message: refusal };
  const inboundPorts = withListedPorts(inboundPortsOf(pod), config.values.proxy.podInboundPorts);
  const opaquePorts = annotations[OPAQUE_PORTS] ?? defaultOpaquePorts(config.values.proxy.opaquePorts, inboundPorts);
  const mode = annotations[INJECT_ANNOTATION] ?? context.namespace.annotations[INJECT_ANNOTATION];
  const parts: ContainerContext = {
    config,
    controlPlaneNamespace: context.controlPlaneNamespace,
    trustAnchorsPem: context.trustAnchorsPem,
    annotations,
    inboundPorts,
    opaquePorts: portsFrom(opaquePorts, pod).toString(),
    ingress: mode === 'ingress',
  };
  const { nativeSidecar, await: waits, image } = config.values.proxy;
  const first = pod.spec.containers[0]?.name ?? '';
  // The sidecar would come first, and be taken for the one that people mean.
  const named =
    nativeSidecar || !waits || annotations[DEFAULT_CONTAINER] !== undefined ? {} : { [DEFAULT_CONTAINER]: first };
  return {
    kind: 'injected',
    warnings: [...warnings, ...udpWarnings(pod)],
    pod: {
      ...pod,
      metadata: {
        ...pod.metadata,
        annotations: {
          ...annotations,
          'linkerd.io/created-by': context.createdBy,
          'linkerd.io/proxy-version': image.version,
          'linkerd.io/trust-root-sha256': createHash('sha256').update(context.trustAnchorsPem).digest('hex'),
          ...(opaquePorts === '' ? {} : { [OPAQUE_PORTS]: opaquePorts }),
          ...named,
        },
        labels: { ...pod.metadata.labels, ...meshLabels(pod, context) },
      },
      spec: meshedSpec(pod, parts),
    },
  };
}

/** Services take over the opaque ports of their namespace when they have none of their own. */
export function patchService(service: Service, namespace: Pick<Namespace, 'metadata'>): readonly PatchOperation[] {
  const inherited = namespace.metadata.annotations?.[OPAQUE_PORTS];
  const { annotations } = service.metadata;
  if (inherited === undefined || annotations?.[OPAQUE_PORTS] !== undefined) return [];
  const after = {
    ...service,
    metadata: { ...service.metadata, annotations: { ...annotations, [OPAQUE_PORTS]: inherited } },
  };
  return jsonPatch(service, after);
}

function meshedSpec(pod: Pod, parts: ContainerContext): Pod['spec'] {
  const { containers, initContainers = [], volumes = [] } = pod.spec;
  const init = initContainer(parts);
  const proxy = proxyContainer(parts);
  const { nativeSidecar, await: waits } = parts.config.values.proxy;
  const debug = parts.config.debugSidecar && containers.every((one) => one.name !== 'linkerd-debug');
  const ordinary = nativeSidecar ? containers : waits ? [proxy, ...containers] : [...containers, proxy];
  return {
    ...pod.spec,
    // A native sidecar runs before the application's own init containers, so that they are meshed too. Otherwise the redirect comes
    // last: nothing would answer them before the sidecar has started.
    initContainers: nativeSidecar ? [init, proxy, ...initContainers] : [...initContainers, init],
    containers: debug ? [...ordinary, debugContainer(parts.config)] : ordinary,
    volumes: [
      ...volumes,
      ...meshVolumes(parts.config).filter((volume) => !volumes.some((one) => one.name === volume.name)),
    ],
  };
}

function meshLabels(pod: Pod, context: InjectionContext): Readonly<Record<string, string>> {
  const owner = ownerOf(pod);
  const kind = owner?.label === 'k8s_job' ? 'job' : owner?.label;
  return {
    'linkerd.io/control-plane-ns': context.controlPlaneNamespace,
    'linkerd.io/workload-ns': context.namespace.name,
    // Label values hold 63 characters; names of workloads may be longer.
    ...(owner === undefined || owner.name.length > 63 ? {} : { [`linkerd.io/proxy-${kind}`]: owner.name }),
  };
}

/** A namespace's configuration counts for its pods unless they say otherwise. */
function inheritedAnnotations(
  namespace: Readonly<Record<string, string>>,
  pod: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const own = new Set(Object.keys(pod).map((key) => configName(key) ?? key));
  return Object.fromEntries(
    Object.entries(namespace).filter(([key]) => {
      const name = configName(key);
      if (name === undefined) return key.startsWith('resource.opentelemetry.io/') && !own.has(key);
      return name !== 'admission-webhooks' && !own.has(name);
    }),
  );
}

function withListedPorts(ports: readonly number[], list: string): readonly number[] {
  const listed = parsePortSet(list);
  if (!(listed instanceof PortSet)) return ports;
  return [...new Set([...ports, ...listed.ports()])].toSorted((a, b) => a - b);
}

/** Of the cluster's default opaque ports, those that the pod declares. */
function defaultOpaquePorts(defaults: string, inboundPorts: readonly number[]): string {
  const ports = parsePortSet(defaults);
  if (!(ports instanceof PortSet)) return '';
  return inboundPorts.filter((port) => ports.has(port)).join(',');
}

/** A pod that speaks only UDP gains nothing but an identity. */
function udpWarnings(pod: Pod): readonly string[] {
  const ports = pod.spec.containers.flatMap((container) => container.ports ?? []);
  if (ports.length === 0 || ports.some((port) => port.protocol !== 'UDP')) return [];
  return [
    `the pod declares only UDP ports (${ports.map((port) => port.containerPort).join(', ')}), and UDP goes around the sidecar: only TCP is meshed`,
  ];
}
