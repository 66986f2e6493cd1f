/** What says who made an object and whose it is, and the names of the control plane that every process needs. */
import type { Labels } from './object.ts';
import type { Expression, Text } from './template.ts';
import { orElse, shared, text } from './template.ts';
import { fieldEnv, IDENTITY_PATHS } from './workload.ts';

export const CREATED_BY: Labels = {
  'linkerd.io/created-by': orElse(shared('cliVersion'), text`linkerd/helm ${shared('linkerdVersion')}`),
};

/** The trust domain, which is the cluster domain unless someone says otherwise. */
export const TRUST_DOMAIN: Expression<string> = orElse(shared('identityTrustDomain'), shared('clusterDomain'));

/** The identity of a ServiceAccount of the control plane. */
export function controlPlaneIdentity(account: string, ns: Text): Text {
  return text`${account}.${ns}.serviceaccount.identity.${ns}.${TRUST_DOMAIN}`;
}

/** The address of a Service of the control plane; the dot at the end keeps search domains out. */
export function controlPlaneAddress(service: string, ns: Text, port: number): Text {
  return text`${service}.${ns}.svc.${shared('clusterDomain')}.:${port}`;
}

/** What every process reads: who it is and whom it trusts. */
export function commonEnv(ns: Text, logs: { readonly level: Text; readonly format: Text }): readonly unknown[] {
  return [
    fieldEnv('_pod_name', 'metadata.name'),
    fieldEnv('_pod_ns', 'metadata.namespace'),
    fieldEnv('_pod_sa', 'spec.serviceAccountName'),
    fieldEnv('_pod_ip', 'status.podIP'),
    { name: 'MESH_LOG_LEVEL', value: logs.level },
    { name: 'MESH_LOG_FORMAT', value: logs.format },
    { name: 'MESH_CONTROL_PLANE_NAMESPACE', value: ns },
    { name: 'MESH_CLUSTER_DOMAIN', value: shared('clusterDomain') },
    { name: 'MESH_TRUST_DOMAIN', value: TRUST_DOMAIN },
    { name: 'MESH_TRUST_ANCHORS_FILE', value: IDENTITY_PATHS.trustRoots },
    { name: 'MESH_IDENTITY_TOKEN_FILE', value: IDENTITY_PATHS.token },
  ];
}

/** Where a process other than `identity` gets its certificate. */
export function identityClientEnv(ns: Text): readonly unknown[] {
  return [
    { name: 'MESH_IDENTITY_ADDRESS', value: controlPlaneAddress('linkerd-identity-headless', ns, 8080) },
    { name: 'MESH_IDENTITY_NAME', value: controlPlaneIdentity('linkerd-identity', ns) },
  ];
}
