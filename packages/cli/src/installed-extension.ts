/** What an earlier `multicluster install` left in the cluster that a new one must respect. */
import { CUSTOM_RESOURCE_DEFINITIONS, DEPLOYMENTS } from '@mesh/kube';
import type { CustomResourceDefinition, KubeClient } from '@mesh/kube';
import { mcsCrdManifests } from './manifests/crds.ts';

const SCHEMA_REVISION = 'multicluster.x-k8s.io/crd-schema-revision';

/** The name that the cluster was given, or nothing. */
export async function installedClusterName(client: KubeClient, namespace: string): Promise<string> {
  const deployment = await client.get(DEPLOYMENTS, { namespace, name: 'linkerd-service-mirror' });
  const env = deployment?.spec.template.spec.containers.flatMap((container) => container.env ?? []) ?? [];
  return env.find(({ name }) => name === 'MESH_CLUSTER_NAME')?.value ?? '';
}

/** Names of definitions of the Multi-Cluster Services API that are newer here than ours, which then must not replace them. */
export async function newerMcsCrds(client: KubeClient): Promise<readonly string[]> {
  const ours = mcsCrdManifests() as unknown as readonly CustomResourceDefinition[];
  const found = await Promise.all(
    ours.map(async (own) => {
      const { name } = own.metadata;
      const there = await client.get(CUSTOM_RESOURCE_DEFINITIONS, { name });
      return there !== undefined && isNewer(there, own) ? [name] : [];
    }),
  );
  return found.flat();
}

/** A later revision of the schema, or a version of the API that ours does not serve. */
function isNewer(there: CustomResourceDefinition, own: CustomResourceDefinition): boolean {
  const revision = ({ metadata }: CustomResourceDefinition): number =>
    Number(metadata.annotations?.[SCHEMA_REVISION] ?? metadata.labels?.[SCHEMA_REVISION] ?? 0);
  const served = new Set(own.spec.versions.map(({ name }) => name));
  return revision(there) > revision(own) || there.spec.versions.some(({ name }) => !served.has(name));
}
