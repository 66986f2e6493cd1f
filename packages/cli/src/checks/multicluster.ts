/**
 * The checks of `mesh multicluster check`. What only the cluster can see (remote API, credentials, gateways) is read from the conditions that the
 * mirror controller keeps on each Link, so the verdict does not depend on where this program runs.
 */
import { CUSTOM_RESOURCE_DEFINITIONS, DEPLOYMENTS, ENDPOINT_SLICES, LINKS, SECRETS, SERVICES } from '@mesh/kube';
import type { Deployment, Link } from '@mesh/kube';
import { gatewayStates } from '../gateways.ts';
import { linkCrdManifest } from '../manifests/crds.ts';
import { MESH_VERSION } from '../version.ts';
import { deniedTo } from './access.ts';
import type { Access } from './access.ts';
import { SkipCheck } from './check.ts';
import type { Check, CheckCategory } from './check.ts';
import { clustersetDnsChecks } from './clusterset-dns.ts';
import { federationChecks } from './federation.ts';
import { proxyChecks } from './proxies.ts';
import { nameOf } from './state.ts';
import type { CheckState } from './state.ts';
import { assertAvailable } from './workloads.ts';

export function multiclusterCategory(state: CheckState): CheckCategory {
  const client = async () => (await state.connection()).client;
  const links = async (): Promise<readonly Link[]> => {
    const { items } = await (await client()).list(LINKS);
    if (items.length === 0) throw new SkipCheck();
    return items;
  };
  return {
    name: 'linkerd-multicluster',
    checks: [
      {
        description: 'Link CRD exists',
        hint: 'l5d-multicluster-link-crd-exists',
        fatal: true,
        run: async () => {
          const name = linkCrdManifest().metadata.name ?? '';
          const crd = await (await client()).get(CUSTOM_RESOURCE_DEFINITIONS, { name });
          if (crd === undefined)
            throw new Error(
              `CustomResourceDefinition ${name} is missing; apply the output of mesh multicluster install`,
            );
        },
      },
      {
        description: 'Link resources are valid',
        hint: 'l5d-multicluster-links-are-valid',
        fatal: true,
        run: async () => checkLinks(await links()),
      },
      {
        description: 'Link and CLI versions match',
        hint: 'l5d-multicluster-links-version',
        warning: true,
        run: async () => {
          const other = (await links()).filter((link) => createdWith(link) !== `linkerd/cli ${MESH_VERSION}`);
          if (other.length > 0)
            throw new Error(
              lines(other, (link) => `made by ${createdWith(link) || 'an unknown version'}; link again to upgrade`),
            );
        },
      },
      {
        description: 'remote cluster access credentials are valid',
        hint: 'l5d-smc-target-clusters-access',
        retry: true,
        run: async () => {
          const all = await links();
          const kube = await client();
          for (const link of all) {
            const ref = { namespace: link.metadata.namespace ?? '', name: link.spec.clusterCredentialsSecret ?? '' };
            if ((await kube.get(SECRETS, ref)) === undefined)
              throw new Error(`Link ${link.metadata.name}: Secret ${ref.namespace}/${ref.name} is missing`);
          }
          failOn(all, /credential|reachable/i);
        },
      },
      {
        description: 'clusters share trust anchors',
        hint: 'l5d-multicluster-clusters-share-anchors',
        run: async () => failOn(await links(), /anchor|trust/i),
      },
      ...federationChecks(state, links),
      rightsCheck(state),
      {
        description: 'service mirror controller is running',
        hint: 'l5d-multicluster-service-mirror-running',
        retry: true,
        run: async () => {
          await links();
          assertAvailable(await mirrorDeployment(state));
        },
      },
      {
        description: 'extension is managing controllers',
        hint: 'l5d-multicluster-managed-controllers',
        warning: true,
        run: async () => {
          await links();
          const { items } = await (await client()).list(DEPLOYMENTS, { labelSelector: LEGACY_CONTROLLER });
          if (items.length > 0)
            throw new Error(
              items
                .map(
                  (item) =>
                    `deployment ${nameOf(item)} is a controller of its own for one Link; mesh multicluster unlink --only-controller prints its deletion`,
                )
                .join('\n'),
            );
        },
      },
      {
        description: 'all gateways are alive',
        hint: 'l5d-multicluster-gateways-endpoints',
        retry: true,
        run: async () => {
          await links();
          const down = (await gatewayStates(await client())).filter((gateway) => !gateway.alive);
          if (down.length > 0)
            throw new Error(
              `gateway of ${down.map((gateway) => gateway.clusterName).join(', ')} does not answer probes`,
            );
        },
      },
      mirrorsHaveEndpoints(state),
      {
        description: 'all mirror services are part of a Link',
        hint: 'l5d-multicluster-orphaned-services',
        warning: true,
        run: async () => {
          const known = new Set(
            (await (await client()).list(LINKS)).items.map((link) => link.spec.targetClusterName ?? link.metadata.name),
          );
          const orphans = (await mirrors(state)).filter(
            (service) => !known.has(service.metadata.labels?.['mirror.linkerd.io/cluster-name'] ?? ''),
          );
          if (orphans.length > 0)
            throw new Error(
              orphans
                .map(
                  (service) =>
                    `mirror service ${service.metadata.namespace}/${service.metadata.name} belongs to no Link`,
                )
                .join('\n'),
            );
        },
      },
      ...clustersetDnsChecks(state),
      ...proxyChecks(
        state,
        async () =>
          (await state.meshedPods(undefined)).filter(
            (pod) => pod.metadata.labels?.['linkerd.io/extension'] === 'multicluster',
          ),
        {
          healthy: ['multicluster extension proxies are healthy', 'l5d-multicluster-proxy-healthy'],
          upToDate: ['multicluster extension proxies are up-to-date', 'l5d-multicluster-proxy-cp-version'],
          cliVersion: ['multicluster extension proxies and cli versions match', 'l5d-multicluster-proxy-cli-version'],
        },
        true,
      ),
    ],
  };
}

/** Per-link controllers of Linkerd up to 2.17 mirror the same Services again. */
const LEGACY_CONTROLLER = 'mirror.linkerd.io/cluster-name,component in (linkerd-service-mirror, service-mirror)';

async function mirrorDeployment(state: CheckState): Promise<Deployment> {
  const { items } = await (
    await state.client()
  ).list(DEPLOYMENTS, { labelSelector: 'component=linkerd-service-mirror,!mirror.linkerd.io/cluster-name' });
  const [deployment] = items;
  if (deployment === undefined)
    throw new Error('Deployment linkerd-service-mirror is missing; apply the output of mesh multicluster install');
  return deployment;
}

/** What the mirror controller must be allowed, to keep mirrors and Links. */
export function mirrorRights(namespace: string): readonly Access[] {
  const on = (group: string, resource: string, verbs: readonly string[], more: Partial<Access> = {}) =>
    verbs.map((verb) => ({ group, resource, verb, ...more }));
  return [
    ...on('', 'services', ['list', 'watch', 'create', 'delete']),
    ...on('discovery.k8s.io', 'endpointslices', ['list', 'watch', 'create', 'delete']),
    ...on('', 'namespaces', ['list', 'watch']),
    ...on('', 'pods', ['list', 'watch']),
    ...on('', 'secrets', ['list', 'watch', 'patch'], { namespace }),
    ...on('federation.mesh.dev', 'exportpolicies', ['list', 'watch']),
    ...on('federation.mesh.dev', 'exportedservices', ['list', 'watch', 'create', 'update', 'delete']),
    ...on('federation.mesh.dev', 'exportedendpoints', ['list', 'watch', 'create', 'update', 'delete']),
    ...on('federation.mesh.dev', 'peers', ['list', 'watch'], { namespace }),
    ...on('federation.mesh.dev', 'peers', ['patch'], { namespace, subresource: 'status' }),
    ...on('multicluster.x-k8s.io', 'serviceexports', ['list', 'watch']),
    ...on('multicluster.x-k8s.io', 'serviceimports', ['list', 'watch', 'create', 'update', 'delete']),
    ...on('multicluster.linkerd.io', 'links', ['list', 'watch'], { namespace }),
    ...on('multicluster.linkerd.io', 'links', ['patch'], { namespace, subresource: 'status' }),
    ...on('coordination.k8s.io', 'leases', ['get', 'create', 'update'], { namespace }),
  ];
}

function rightsCheck(state: CheckState): Check {
  return {
    description: 'service mirror controller has required permissions',
    hint: 'l5d-multicluster-source-rbac-correct',
    run: async () => {
      const client = await state.client();
      if ((await client.list(LINKS)).items.length === 0) throw new SkipCheck();
      const deployment = await mirrorDeployment(state);
      const namespace = deployment.metadata.namespace ?? '';
      const name = deployment.spec.template.spec.serviceAccountName ?? 'default';
      const denied = await deniedTo(client, { namespace, name }, mirrorRights(namespace));
      if (denied.length > 0) throw new Error(`service account ${namespace}/${name} may not ${denied.join(', ')}`);
    },
  };
}

function mirrorsHaveEndpoints(state: CheckState): Check {
  return {
    description: 'all mirror services have endpoints',
    hint: 'l5d-multicluster-services-endpoints',
    retry: true,
    run: async () => {
      const services = await mirrors(state);
      if (services.length === 0) throw new SkipCheck();
      const { client } = await state.connection();
      const { items } = await client.list(ENDPOINT_SLICES, { labelSelector: 'kubernetes.io/service-name' });
      const withEndpoints = new Set(
        items
          .filter((slice) => slice.endpoints.length > 0)
          .map((slice) => `${slice.metadata.namespace}/${slice.metadata.labels?.['kubernetes.io/service-name'] ?? ''}`),
      );
      const empty = services.filter(
        (service) => !withEndpoints.has(`${service.metadata.namespace}/${service.metadata.name}`),
      );
      if (empty.length > 0)
        throw new Error(
          empty
            .map(
              (service) =>
                `service ${service.metadata.namespace}/${service.metadata.name} mirrored from ${service.metadata.labels?.['mirror.linkerd.io/cluster-name'] ?? ''} has no endpoints`,
            )
            .join('\n'),
        );
    },
  };
}

/** Gateway mirrors; federated services have no single cluster. */
async function mirrors(state: CheckState) {
  const { client } = await state.connection();
  const { items } = await client.list(SERVICES, {
    labelSelector: 'mirror.linkerd.io/mirrored-service=true,mirror.linkerd.io/cluster-name',
  });
  return items;
}

function checkLinks(links: readonly Link[]): void {
  const problems = links.flatMap((link) => {
    const missing = (['targetClusterName', 'targetClusterDomain', 'clusterCredentialsSecret'] as const).filter(
      (field) => (link.spec[field] ?? '') === '',
    );
    const wrongName =
      (link.spec.targetClusterName ?? link.metadata.name) === link.metadata.name
        ? []
        : [`spec.targetClusterName is ${link.spec.targetClusterName}, but must equal the name`];
    return [...missing.map((field) => `spec.${field} is empty`), ...wrongName].map(
      (problem) => `Link ${link.metadata.name}: ${problem}`,
    );
  });
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

/** Fails on conditions of these types that are not True, in the controller's own words. */
function failOn(links: readonly Link[], type: RegExp): void {
  const bad = links.flatMap((link) =>
    (link.status?.conditions ?? [])
      .filter((condition) => condition.status === 'False' && (type.test(condition.type) || type.test(condition.reason)))
      .map((condition) => `Link ${link.metadata.name}: ${condition.message}`),
  );
  if (bad.length > 0) throw new Error(bad.join('\n'));
}

function createdWith(link: Link): string {
  return link.metadata.annotations?.['linkerd.io/created-by'] ?? '';
}

function lines(links: readonly Link[], text: (link: Link) => string): string {
  return links.map((link) => `Link ${link.metadata.name}: ${text(link)}`).join('\n');
}
