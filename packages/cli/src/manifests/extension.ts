/** What the objects of the multi-cluster extension share: labels, provenance, and the environment of its processes. */
import type { MulticlusterValues } from '../values/multicluster.ts';
import { fieldEnv, IDENTITY_PATHS } from './workload.ts';

export const EXTENSION_LABELS = { 'linkerd.io/extension': 'multicluster' } as const;

export function createdBy(values: Pick<MulticlusterValues, 'linkerdVersion'>): Readonly<Record<string, string>> {
  return { 'linkerd.io/created-by': `linkerd/cli ${values.linkerdVersion}` };
}

/** Environment that gateway and mirror share: who they are, whom they trust, where `identity` answers. */
export function extensionEnv(values: MulticlusterValues): readonly Readonly<Record<string, unknown>>[] {
  const cp = values.linkerdNamespace;
  return [
    fieldEnv('_pod_name', 'metadata.name'),
    fieldEnv('_pod_ns', 'metadata.namespace'),
    fieldEnv('_pod_sa', 'spec.serviceAccountName'),
    fieldEnv('_pod_ip', 'status.podIP'),
    { name: 'MESH_LOG_LEVEL', value: values.controllerLogLevel },
    { name: 'MESH_LOG_FORMAT', value: values.controllerLogFormat },
    { name: 'MESH_CONTROL_PLANE_NAMESPACE', value: cp },
    { name: 'MESH_CLUSTER_DOMAIN', value: values.clusterDomain },
    { name: 'MESH_TRUST_DOMAIN', value: values.identityTrustDomain },
    { name: 'MESH_TRUST_ANCHORS_FILE', value: IDENTITY_PATHS.trustRoots },
    { name: 'MESH_IDENTITY_TOKEN_FILE', value: IDENTITY_PATHS.token },
    { name: 'MESH_IDENTITY_ADDRESS', value: `linkerd-identity-headless.${cp}.svc.${values.clusterDomain}.:8080` },
    {
      name: 'MESH_IDENTITY_NAME',
      value: `linkerd-identity.${cp}.serviceaccount.identity.${cp}.${values.identityTrustDomain}`,
    },
  ];
}
