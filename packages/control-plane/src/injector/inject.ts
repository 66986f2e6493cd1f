/**
 * Makes a pod meshed: pure, the same for the webhook and for `mesh inject`. Loads neither gRPC nor a
 * Kubernetes client.
 */
import { createHash } from 'node:crypto';

import type { Namespace, Pod, Service } from '@mesh/kube';
import { parsePortSet, PortSet } from '@mesh/model';

import { OPAQUE_PORTS } from '../annotations.ts';
import { ownerOf, portsFrom } from '../workload.ts';
import { inboundPortsOf, initContainer, meshVolumes, proxyContainer } from './containers.ts';
import { jsonPatch } from './json-patch.ts';
import type { PatchOperation } from './json-patch.ts';
import { CONFIG_PREFIX, overrideValues } from './overrides.ts';
import type { InjectionValues } from './values.ts';

export const INJECT_ANNOTATION = 'linkerd.io/inject';

/** Why a pod stays as it is: Linkerd's codes. */
export type SkipReason =
  | 'injection_enable_annotation_absent'
  | 'injection_disable_annotation_present'
  | 'host_network_enabled'
  | 'sidecar_already_exists';

export interface InjectionContext {
  readonly values: InjectionValues;
  readonly controlPlaneNamespace: string;
  /** PEM bundle. */
  readonly trustAnchorsPem: string;
  readonly namespace: { readonly name: string; readonly annotations: Readonly<Record<string, string>> };
  /** Who made the change, for annotation linkerd.io/created-by. */
  readonly createdBy: string;
}

export type Injection =
  | { readonly kind: 'injected'; readonly pod: Pod; readonly warnings: readonly string[] }
  | { readonly kind: 'skipped'; readonly reason: SkipReason; readonly message: string };

export type PodPatch =
  | { readonly kind: 'patch'; readonly operations: readonly PatchOperation[]; readonly warnings: readonly string[] }
  | { readonly kind: 'skip'; readonly reason: SkipReason; readonly message: string };

/** The JSON Patch for a pod at admission, or why there is none. */
export function patchPod(pod: Pod, context: InjectionContext): PodPatch {
  const injection = injectPod(pod, context);
  if (injection.kind === 'skipped') return { kind: 'skip', reason: injection.reason, message: injection.message };
  return { kind: 'patch', operations: jsonPatch(pod, injection.pod), warnings: injection.warnings };
}

/** The pod (or pod template) with the sidecar in it. */
export function injectPod(pod: Pod, context: InjectionContext): Injection {
  const skip = skipReason(pod, context.namespace.annotations);
  if (skip !== undefined) return { kind: 'skipped', ...skip };
  const inherited = inheritedAnnotations(context.namespace.annotations, pod.metadata.annotations ?? {});
  const annotations = { ...inherited, ...pod.metadata.annotations };
  const { values, warnings } = overrideValues(context.values, annotations);
  const inboundPorts = inboundPortsOf(pod);
  const opaquePorts = annotations[OPAQUE_PORTS] ?? defaultOpaquePorts(values.proxy.opaquePorts, inboundPorts);
  const parts = {
    values,
    controlPlaneNamespace: context.controlPlaneNamespace,
    trustAnchorsPem: context.trustAnchorsPem,
    annotations,
    inboundPorts,
    opaquePorts: portsFrom(opaquePorts, pod).toString(),
    ingress: annotations[INJECT_ANNOTATION] === 'ingress',
  };
  return {
    kind: 'injected',
    warnings,
    pod: {
      ...pod,
      metadata: {
        ...pod.metadata,
        annotations: {
          ...annotations,
          'linkerd.io/created-by': context.createdBy,
          'linkerd.io/proxy-version': values.proxy.image.version,
          'linkerd.io/trust-root-sha256': createHash('sha256').update(context.trustAnchorsPem).digest('hex'),
          ...(opaquePorts === '' ? {} : { [OPAQUE_PORTS]: opaquePorts }),
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

/** The word that decides: the pod's, else its namespace's. */
export function injectMode(
  pod: Readonly<Record<string, string>> | undefined,
  namespace: Readonly<Record<string, string>>,
): string | undefined {
  return pod?.[INJECT_ANNOTATION] ?? namespace[INJECT_ANNOTATION];
}

function skipReason(
  pod: Pod,
  namespace: Readonly<Record<string, string>>,
): { readonly reason: SkipReason; readonly message: string } | undefined {
  const mode = injectMode(pod.metadata.annotations, namespace);
  if (mode === 'disabled') {
    return { reason: 'injection_disable_annotation_present', message: `annotation ${INJECT_ANNOTATION} is "disabled"` };
  }
  if (mode !== 'enabled' && mode !== 'ingress') {
    return {
      reason: 'injection_enable_annotation_absent',
      message: `neither the pod nor its namespace has annotation ${INJECT_ANNOTATION}: enabled`,
    };
  }
  if (pod.spec.hostNetwork === true) {
    return {
      reason: 'host_network_enabled',
      message: 'the pod uses the network of its node, where a sidecar would take the traffic of others',
    };
  }
  const names = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].map((container) => container.name);
  const own = names.find((name) => name === 'linkerd-proxy' || name === 'linkerd-init');
  return own === undefined
    ? undefined
    : { reason: 'sidecar_already_exists', message: `the pod already has container ${own}` };
}

function meshedSpec(pod: Pod, parts: Parameters<typeof proxyContainer>[0]): Pod['spec'] {
  const { containers, initContainers = [], volumes = [] } = pod.spec;
  const init = initContainer(parts);
  const proxy = proxyContainer(parts);
  const native = parts.values.proxy.nativeSidecar;
  return {
    ...pod.spec,
    // A native sidecar runs before the application's own init containers, so that they are meshed too. Otherwise the redirect comes
    // last: nothing would answer them before the sidecar has started.
    initContainers: native ? [init, proxy, ...initContainers] : [...initContainers, init],
    ...(native ? {} : { containers: [proxy, ...containers] }),
    volumes: [...volumes, ...meshVolumes().filter((volume) => !volumes.some((one) => one.name === volume.name))],
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
  return Object.fromEntries(
    Object.entries(namespace).filter(
      ([key]) =>
        (key.startsWith(CONFIG_PREFIX) || /^config\.(alpha|beta)\.linkerd\.io\//.test(key)) &&
        key !== 'config.linkerd.io/admission-webhooks' &&
        pod[key] === undefined,
    ),
  );
}

/** Of the cluster's default opaque ports, those that the pod declares. */
function defaultOpaquePorts(defaults: string, inboundPorts: readonly number[]): string {
  const ports = parsePortSet(defaults);
  if (!(ports instanceof PortSet)) return '';
  return inboundPorts.filter((port) => ports.has(port)).join(',');
}
