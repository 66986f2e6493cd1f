/** Discovery documents: groups, versions and resources, plain and aggregated (KEP-3352). */
import { groupVersion, type Resource, type ResourceTable } from '../resources.ts';

export function apiVersions(host: string): unknown {
  return {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: host }],
  };
}

export function apiGroupList(table: ResourceTable): unknown {
  return {
    kind: 'APIGroupList',
    apiVersion: 'v1',
    groups: namedGroups(table).map((group) => groupDocument(table, group)),
  };
}

export function apiGroup(table: ResourceTable, group: string): unknown {
  return { kind: 'APIGroup', apiVersion: 'v1', ...groupDocument(table, group) };
}

function namedGroups(table: ResourceTable): readonly string[] {
  return table.groups().filter((group) => group !== '');
}

function groupDocument(table: ResourceTable, group: string): Record<string, unknown> {
  const versions = table.versions(group).map((version) => ({ groupVersion: groupVersion(group, version), version }));
  return { name: group, versions, preferredVersion: versions[0] };
}

export function apiResourceList(table: ResourceTable, group: string, version: string): unknown {
  const resources: unknown[] = [];
  for (const resource of resourcesOf(table, group, version)) {
    resources.push({
      name: resource.plural,
      singularName: resource.singular,
      namespaced: resource.namespaced,
      kind: resource.kind,
      verbs: resource.verbs,
      ...(resource.shortNames.length === 0 ? {} : { shortNames: resource.shortNames }),
      ...(resource.categories.length === 0 ? {} : { categories: resource.categories }),
      storageVersionHash: Buffer.from(resource.bucket).toString('base64').slice(0, 11) + '=',
    });
    for (const sub of resource.subresources) {
      resources.push({
        name: `${resource.plural}/${sub.name}`,
        singularName: '',
        namespaced: resource.namespaced,
        ...(sub.group === undefined ? {} : { group: sub.group }),
        ...(sub.version === undefined ? {} : { version: sub.version }),
        kind: sub.kind,
        verbs: sub.verbs,
      });
    }
  }
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: groupVersion(group, version), resources };
}

function resourcesOf(table: ResourceTable, group: string, version: string): readonly Resource[] {
  return table
    .all()
    .filter((resource) => resource.group === group && resource.version === version)
    .sort((a, b) => (a.plural < b.plural ? -1 : 1));
}

/** `APIGroupDiscoveryList`: all that kubectl needs in one answer, for the core group or for all others. */
export function aggregatedDiscovery(
  table: ResourceTable,
  which: 'core' | 'named',
  documentVersion: 'v2' | 'v2beta1',
): unknown {
  const groups = which === 'core' ? [''] : namedGroups(table);
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${documentVersion}`,
    metadata: {},
    items: groups.map((group) => ({
      metadata: { ...(group === '' ? {} : { name: group }), creationTimestamp: null },
      versions: table.versions(group).map((version) => ({
        version,
        resources: resourcesOf(table, group, version).map(aggregatedResource),
        freshness: 'Current',
      })),
    })),
  };
}

function aggregatedResource(resource: Resource): unknown {
  return {
    resource: resource.plural,
    responseKind: { group: resource.group, version: resource.version, kind: resource.kind },
    scope: resource.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: resource.singular,
    verbs: resource.verbs,
    ...(resource.shortNames.length === 0 ? {} : { shortNames: resource.shortNames }),
    ...(resource.categories.length === 0 ? {} : { categories: resource.categories }),
    ...(resource.subresources.length === 0
      ? {}
      : {
          subresources: resource.subresources.map((sub) => ({
            subresource: sub.name,
            responseKind: {
              group: sub.group ?? resource.group,
              version: sub.version ?? resource.version,
              kind: sub.kind,
            },
            verbs: sub.verbs,
          })),
        }),
  };
}
