/** The `federation.mesh.dev` resources: who may link here, what is shown to whom, and the view that peers read. */
import type { CustomResourceDefinition } from '../core-types.ts';
import {
  choice,
  conditions,
  definition,
  flag,
  integer,
  intOrString,
  labelSelector,
  list,
  mapOf,
  record,
  text,
  version,
} from './schema.ts';
import type { Schema } from './schema.ts';

const GROUP = 'federation.mesh.dev';

const clusterFacts = (more: Readonly<Record<string, Schema>> = {}): Schema =>
  record({
    clusterName: text({ description: "The cluster's own name for itself." }),
    version: text({ description: 'Version of its mesh.' }),
    trustDomain: text({ description: 'Domain of its workload identities.' }),
    clusterDomain: text({ description: 'DNS domain of its Services.' }),
    controlPlaneNamespace: text({ description: 'Namespace of its control plane.' }),
    issuers: list(
      record(
        {
          keyId: text({ pattern: '^[0-9a-f]+$', description: 'Subject key identifier, hexadecimal.' }),
          notAfter: text({ format: 'date-time' }),
        },
        ['keyId'],
      ),
      { description: 'Authorities that sign its workload certificates.' },
    ),
    renewTime: text({ format: 'date-time', description: 'When all of this was last confirmed.' }),
    ...more,
  });

const PEER = definition(GROUP, 'Peer', 'peers', [
  version(
    'v1alpha1',
    {
      spec: record({
        trustDomain: text({
          description: 'Trust domain of the peer; without it, any that the trust anchors vouch for.',
        }),
      }),
      status: record({
        peer: clusterFacts(),
        exporter: clusterFacts({ exports: integer({ description: 'Services that the peer may see.' }) }),
        conditions,
      }),
    },
    {
      storage: true,
      status: true,
      columns: [
        ['Cluster', 'string', '.status.peer.clusterName'],
        ['Version', 'string', '.status.peer.version'],
        ['Exports', 'integer', '.status.exporter.exports'],
        ['Seen', 'date', '.status.peer.renewTime'],
      ],
    },
  ),
]);

const EXPORT_POLICY = definition(GROUP, 'ExportPolicy', 'exportpolicies', [
  version(
    'v1alpha1',
    {
      spec: record(
        {
          serviceSelector: {
            ...labelSelector,
            description: 'Services of this namespace that the policy is for; all when absent.',
          },
          clusters: list(text({ minLength: 1, maxLength: 253 }), {
            description: 'Peers that may see and reach them; "*" is every peer, an empty list none.',
          }),
          ports: list(intOrString(), { description: 'Service ports, by number or name; all when empty.' }),
        },
        ['clusters'],
      ),
    },
    { storage: true },
  ),
]);

const serviceRef = record({ namespace: text({ minLength: 1 }), name: text({ minLength: 1 }) }, ['namespace', 'name']);
const port = integer({ minimum: 1, maximum: 65_535 });

const EXPORTED_SERVICE = definition(GROUP, 'ExportedService', 'exportedservices', [
  version(
    'v1alpha1',
    {
      spec: record(
        {
          service: serviceRef,
          modes: list(choice(['gateway', 'flat', 'federated', 'mcs'])),
          labels: mapOf(text()),
          annotations: mapOf(text()),
          headless: flag(),
          ports: list(
            record(
              {
                name: text(),
                protocol: text({ default: 'TCP' }),
                appProtocol: text(),
                port,
                targetPort: intOrString(),
              },
              ['port'],
            ),
          ),
          sessionAffinity: text(),
          sessionAffinityConfig: record({ clientIP: record({ timeoutSeconds: integer() }) }),
          internalTrafficPolicy: text(),
          trafficDistribution: text(),
          ipFamilies: list(text()),
          ready: flag({ description: 'At least one endpoint is ready.' }),
          export: record(
            {
              creationTimestamp: text({ format: 'date-time' }),
              labels: mapOf(text()),
              annotations: mapOf(text()),
            },
            ['creationTimestamp'],
          ),
        },
        ['service', 'modes', 'ports', 'ready'],
      ),
    },
    {
      storage: true,
      columns: [
        ['Modes', 'string', '.spec.modes'],
        ['Ready', 'boolean', '.spec.ready'],
      ],
    },
  ),
]);

const EXPORTED_ENDPOINTS = definition(GROUP, 'ExportedEndpoints', 'exportedendpoints', [
  version(
    'v1alpha1',
    {
      spec: record(
        {
          service: serviceRef,
          addressType: choice(['IPv4', 'IPv6']),
          ports: list(
            record({ name: text(), port, protocol: text(), appProtocol: text() }, ['name', 'port', 'protocol']),
          ),
          endpoints: list(
            record(
              {
                addresses: list(text()),
                hostname: text(),
                ready: flag(),
                zone: text(),
                nodeName: text(),
                identity: text({ description: 'Mesh identity; absent when the pod is not meshed.' }),
                inboundPort: port,
                opaquePorts: text(),
                podName: text(),
              },
              ['addresses', 'ready'],
            ),
            { maxItems: 1000 },
          ),
        },
        ['service', 'addressType', 'ports', 'endpoints'],
      ),
    },
    { storage: true },
  ),
]);

export const FEDERATION_CRDS: readonly CustomResourceDefinition[] = [
  PEER,
  EXPORT_POLICY,
  EXPORTED_SERVICE,
  EXPORTED_ENDPOINTS,
];
