/** Finds what of ours is in a cluster, for the deletion manifests of `uninstall` and `unlink`. */
import { apiVersionOf, dynamicKind, isKubeError } from '@mesh/kube';
import type { KubeClient, ResourceKind } from '@mesh/kube';
import type { Manifest } from './manifests/object.ts';

/** Cluster-wide objects, rights in namespaces, and everything else in namespaces. */
type Scope = 'cluster' | 'namespaced' | 'workloads';

/** In the order in which they are safe to delete: what calls us first, then rights, then namespaces. */
const CLUSTER_KINDS: readonly ResourceKind[] = [
  dynamicKind(
    'admissionregistration.k8s.io/v1',
    'mutatingwebhookconfigurations',
    'MutatingWebhookConfiguration',
    false,
  ),
  dynamicKind(
    'admissionregistration.k8s.io/v1',
    'validatingwebhookconfigurations',
    'ValidatingWebhookConfiguration',
    false,
  ),
  dynamicKind('rbac.authorization.k8s.io/v1', 'clusterrolebindings', 'ClusterRoleBinding', false),
  dynamicKind('rbac.authorization.k8s.io/v1', 'clusterroles', 'ClusterRole', false),
  dynamicKind('v1', 'namespaces', 'Namespace', false),
];

const NAMESPACED_KINDS: readonly ResourceKind[] = [
  dynamicKind('rbac.authorization.k8s.io/v1', 'rolebindings', 'RoleBinding', true),
  dynamicKind('rbac.authorization.k8s.io/v1', 'roles', 'Role', true),
];

const WORKLOAD_KINDS: readonly ResourceKind[] = [
  dynamicKind('policy/v1', 'poddisruptionbudgets', 'PodDisruptionBudget', true),
  dynamicKind('apps/v1', 'deployments', 'Deployment', true),
  dynamicKind('v1', 'services', 'Service', true),
  dynamicKind('v1', 'configmaps', 'ConfigMap', true),
  dynamicKind('v1', 'secrets', 'Secret', true),
  dynamicKind('v1', 'serviceaccounts', 'ServiceAccount', true),
];

/** References (no spec) to every object with these labels, in deletion order. Kinds that the user may not list are left out. */
export async function findLabelled(
  client: KubeClient,
  labelSelector: string,
  scopes: readonly Scope[],
): Promise<readonly Manifest[]> {
  const kinds = [
    ...(scopes.includes('namespaced') ? NAMESPACED_KINDS : []),
    ...(scopes.includes('workloads') ? WORKLOAD_KINDS : []),
    ...(scopes.includes('cluster') ? CLUSTER_KINDS : []),
  ];
  const lists = await Promise.all(kinds.map((kind) => listKind(client, kind, labelSelector)));
  return lists.flat();
}

async function listKind(client: KubeClient, kind: ResourceKind, labelSelector: string): Promise<readonly Manifest[]> {
  try {
    const { items } = await client.list(kind, { labelSelector });
    return items
      .map((item) => reference({ apiVersion: apiVersionOf(kind), kind: kind.kind, metadata: { ...item.metadata } }))
      .sort((a, b) => keyOf(a).localeCompare(keyOf(b)));
  } catch (error) {
    if (isKubeError(error, 'not_found', 'forbidden')) return [];
    throw error;
  }
}

/** Those of the objects that are there, so that deleting them succeeds; who may not look is believed to know. */
export async function present(
  client: KubeClient,
  objects: readonly (readonly [kind: ResourceKind, object: Manifest])[],
): Promise<readonly Manifest[]> {
  const there = await Promise.all(
    objects.map(async ([kind, { metadata }]) => {
      try {
        return (await client.get(kind, { namespace: metadata.namespace, name: metadata.name ?? '' })) !== undefined;
      } catch (error) {
        if (isKubeError(error, 'forbidden')) return true;
        throw error;
      }
    }),
  );
  return objects.filter((_, index) => there[index] === true).map(([, object]) => object);
}

/** The object's name and nothing else: all that `kubectl delete -f -` reads. */
export function reference(object: Manifest): Manifest {
  const { name, namespace } = object.metadata;
  return {
    apiVersion: object.apiVersion,
    kind: object.kind,
    metadata: { ...(name === undefined ? {} : { name }), ...(namespace === undefined ? {} : { namespace }) },
  };
}

/** Equal for two references to one object, whatever version of its API they name. */
export function referenceKey(object: Manifest): string {
  return `${object.kind}/${keyOf(object)}`;
}

function keyOf(object: Manifest): string {
  return `${object.metadata.namespace ?? ''}/${object.metadata.name ?? ''}`;
}
