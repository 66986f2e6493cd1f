/** The Multi-Cluster Services API (`multicluster.x-k8s.io`): v1beta1 stored, v1alpha1 served with the same schema. */
import type { CustomResourceDefinition, CustomResourceVersion } from '../core-types.ts';
import { choice, conditions, definition, integer, list, mapOf, record, text, version } from './schema.ts';
import type { Schema } from './schema.ts';
import type { VersionOptions } from './schema.ts';

const GROUP = 'multicluster.x-k8s.io';

/** Not a mesh's to rename: installers compare these before they replace the definitions. */
const RELEASE = {
  'multicluster.x-k8s.io/release-version': 'v0.5.2',
  'multicluster.x-k8s.io/crd-schema-revision': '1',
};

const both = (
  properties: Readonly<Record<string, Schema>>,
  options: VersionOptions,
): readonly CustomResourceVersion[] => [
  version('v1beta1', properties, { ...options, storage: true }),
  version('v1alpha1', properties, options),
];

const SERVICE_EXPORT = define(
  'ServiceExport',
  'serviceexports',
  ['svcex', 'svcexport'],
  both(
    {
      spec: record({
        exportedLabels: mapOf(text(), { description: 'Labels that the imports get.' }),
        exportedAnnotations: mapOf(text(), { description: 'Annotations that the imports get.' }),
      }),
      status: record({ conditions }),
    },
    { status: true, columns: [['Age', 'date', '.metadata.creationTimestamp']] },
  ),
);

const SERVICE_IMPORT = define(
  'ServiceImport',
  'serviceimports',
  ['svcim', 'svcimport'],
  both(
    {
      spec: record(
        {
          type: choice(['ClusterSetIP', 'Headless']),
          ports: list(
            record(
              {
                name: text(),
                protocol: text({ default: 'TCP' }),
                appProtocol: text(),
                port: integer({ minimum: 1, maximum: 65_535 }),
              },
              ['port'],
            ),
            { 'x-kubernetes-list-type': 'atomic' },
          ),
          ips: list(text(), { maxItems: 2, description: 'Virtual addresses, in the order of ipFamilies.' }),
          ipFamilies: list(choice(['IPv4', 'IPv6']), { maxItems: 2 }),
          sessionAffinity: text(),
          sessionAffinityConfig: record({ clientIP: record({ timeoutSeconds: integer({ format: 'int32' }) }) }),
          internalTrafficPolicy: text(),
          trafficDistribution: text(),
        },
        ['type', 'ports'],
      ),
      status: record({
        clusters: list(record({ cluster: text() }, ['cluster']), {
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['cluster'],
        }),
        conditions,
      }),
    },
    {
      status: true,
      columns: [
        ['Type', 'string', '.spec.type'],
        ['IP', 'string', '.spec.ips'],
        ['Age', 'date', '.metadata.creationTimestamp'],
      ],
    },
  ),
);

function define(
  kind: string,
  plural: string,
  shortNames: readonly string[],
  versions: readonly CustomResourceVersion[],
): CustomResourceDefinition {
  const crd = definition(GROUP, kind, plural, versions, { shortNames });
  return { ...crd, metadata: { ...crd.metadata, labels: { ...crd.metadata.labels, ...RELEASE } } };
}

export const MCS_CRDS: readonly CustomResourceDefinition[] = [SERVICE_EXPORT, SERVICE_IMPORT];
