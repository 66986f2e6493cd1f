/** Whether a pod gets a sidecar, and if not, why not. Reason codes are Linkerd's. */
import type { Container, Pod } from '@mesh/kube';

import { OWN_CONTAINERS } from './containers.ts';

export const INJECT_ANNOTATION = 'linkerd.io/inject';

export type SkipReason =
  | 'injection_enable_annotation_absent'
  | 'injection_disable_annotation_present'
  | 'invalid_inject_annotation_at_ns'
  | 'invalid_inject_annotation_at_workload'
  | 'host_network_enabled'
  | 'sidecar_already_exists';

/** Where the annotation stands that decided; empty when there is none. */
export type AnnotationAt = 'namespace' | 'workload' | '';

export interface Skip {
  readonly reason: SkipReason;
  /** One sentence for the pod's owner. */
  readonly message: string;
  /**
   * `silent` where nobody asked for a sidecar or one is there, `normal` where somebody said no, `warning` where
   * somebody wants one and does not get it.
   */
  readonly tone: 'silent' | 'normal' | 'warning';
}

/** Containers of other meshes: two redirects in one pod would fight. */
const FOREIGN_SIDECARS: ReadonlySet<string> = new Set([
  'consul-connect-inject-init',
  'istio-init',
  'istio-proxy',
  'istio-validation',
  'kuma-init',
  'kuma-sidecar',
]);

export function annotationAt(pod: Pod, namespace: Readonly<Record<string, string>>): AnnotationAt {
  if (pod.metadata.annotations?.[INJECT_ANNOTATION] !== undefined) return 'workload';
  return namespace[INJECT_ANNOTATION] === undefined ? '' : 'namespace';
}

/** The word that decides: the pod's, else its namespace's. */
export function injectMode(
  pod: Readonly<Record<string, string>> | undefined,
  namespace: Readonly<Record<string, string>>,
): string | undefined {
  return pod?.[INJECT_ANNOTATION] ?? namespace[INJECT_ANNOTATION];
}

/** Undefined when the pod is to be injected. */
export function skipOf(pod: Pod, namespace: Readonly<Record<string, string>>): Skip | undefined {
  const mode = injectMode(pod.metadata.annotations, namespace);
  if (mode === undefined) {
    return {
      reason: 'injection_enable_annotation_absent',
      message: `neither the pod nor its namespace has annotation ${INJECT_ANNOTATION}: enabled`,
      tone: 'silent',
    };
  }
  if (mode === 'disabled') {
    return {
      reason: 'injection_disable_annotation_present',
      message: `annotation ${INJECT_ANNOTATION} is "disabled"`,
      tone: 'normal',
    };
  }
  if (mode !== 'enabled' && mode !== 'ingress') return invalidMode(mode, annotationAt(pod, namespace));
  if (pod.spec.hostNetwork === true) {
    return {
      reason: 'host_network_enabled',
      message:
        'the pod uses the network of its node (hostNetwork: true), where a sidecar would take the traffic of others: remove hostNetwork, or say linkerd.io/inject: disabled',
      tone: 'warning',
    };
  }
  return existingSidecar(pod);
}

function invalidMode(mode: string, at: AnnotationAt): Skip {
  const shown = JSON.stringify(mode.slice(0, 80));
  const where = at === 'workload' ? 'the pod' : 'the namespace';
  return {
    reason: at === 'workload' ? 'invalid_inject_annotation_at_workload' : 'invalid_inject_annotation_at_ns',
    message: `annotation ${INJECT_ANNOTATION} of ${where} is ${shown}, which means nothing, so the pod has no sidecar: give enabled, ingress or disabled`,
    tone: 'warning',
  };
}

function existingSidecar(pod: Pod): Skip | undefined {
  const containers: readonly Container[] = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  const own = containers.find(({ name }) => name !== 'linkerd-debug' && OWN_CONTAINERS.has(name));
  if (own !== undefined) {
    return { reason: 'sidecar_already_exists', message: `the pod already has container ${own.name}`, tone: 'silent' };
  }
  const foreign = containers.find(({ name }) => FOREIGN_SIDECARS.has(name));
  if (foreign === undefined) return undefined;
  return {
    reason: 'sidecar_already_exists',
    message: `the pod has container ${foreign.name} of another mesh, and only one can redirect its traffic: turn injection off in one of the two`,
    tone: 'warning',
  };
}
