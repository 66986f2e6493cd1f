/** Whose a pod is. What the mesh reads from a pod's own fields is in `@mesh/model`, since the service mirror reads it too. */
import type { Pod } from '@mesh/kube';

export {
  containerPort,
  controlPlaneOf,
  identityOf,
  opaquePortsOf,
  portsFrom,
  proxyInboundPort,
  serviceAccountOf,
  skippedInboundPorts,
} from '@mesh/model';

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
