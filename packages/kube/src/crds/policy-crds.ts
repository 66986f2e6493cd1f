/** The `policy.linkerd.io` resources with Linkerd's field names, described in our words. */
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
  open,
  record,
  text,
  version,
} from './schema.ts';
import type { Schema } from './schema.ts';

const GROUP = 'policy.linkerd.io';

const targetRef = (required: readonly string[] = ['kind', 'name']): Schema =>
  record(
    {
      group: text({ maxLength: 253 }),
      kind: text({ minLength: 1, maxLength: 63 }),
      name: text({ minLength: 1, maxLength: 253 }),
      namespace: text(),
    },
    required,
  );

const network = record({ cidr: text({ description: 'CIDR of client addresses.' }), except: list(text()) }, ['cidr']);

const proxyProtocol = choice(['unknown', 'HTTP/1', 'HTTP/2', 'gRPC', 'opaque', 'TLS'], {
  default: 'unknown',
  description: 'What the port speaks; unknown means: detect it.',
});

const serverSpec = (fields: { readonly external: boolean; readonly accessPolicy: boolean }): Schema =>
  record(
    {
      podSelector: { ...labelSelector, description: 'Pods of this namespace that the Server describes.' },
      ...(fields.external ? { externalWorkloadSelector: labelSelector } : {}),
      port: intOrString({ description: 'Port number or container port name.' }),
      proxyProtocol,
      ...(fields.accessPolicy
        ? {
            accessPolicy: text({
              default: 'deny',
              description: 'What applies to clients that no authorization admits.',
            }),
          }
        : {}),
    },
    ['port'],
  );

const SERVER = definition(
  GROUP,
  'Server',
  'servers',
  [
    version('v1alpha1', { spec: serverSpec({ external: false, accessPolicy: false }) }, { served: false }),
    version('v1beta1', { spec: serverSpec({ external: false, accessPolicy: false }) }),
    version('v1beta2', { spec: serverSpec({ external: true, accessPolicy: false }) }),
    version(
      'v1beta3',
      { spec: serverSpec({ external: true, accessPolicy: true }) },
      {
        storage: true,
        columns: [
          ['Port', 'string', '.spec.port'],
          ['Protocol', 'string', '.spec.proxyProtocol'],
          ['Access Policy', 'string', '.spec.accessPolicy'],
        ],
      },
    ),
  ],
  { shortNames: ['srv'] },
);

const serverAuthorizationSpec = record(
  {
    server: record({ name: text(), selector: labelSelector }),
    client: record({
      networks: list(network),
      unauthenticated: flag({ description: 'Admit clients without mTLS.' }),
      meshTLS: record({
        unauthenticatedTLS: flag({ description: 'Admit mesh TLS without client identity.' }),
        identities: list(text(), { description: 'Client identities; `*` or `*.suffix` as wildcard.' }),
        serviceAccounts: list(record({ name: text(), namespace: text() }, ['name'])),
      }),
    }),
  },
  ['server', 'client'],
);

const SERVER_AUTHORIZATION = definition(
  GROUP,
  'ServerAuthorization',
  'serverauthorizations',
  [
    version('v1alpha1', { spec: serverAuthorizationSpec }, { served: false }),
    version(
      'v1beta1',
      { spec: serverAuthorizationSpec },
      { storage: true, columns: [['Server', 'string', '.spec.server.name']] },
    ),
  ],
  { shortNames: ['saz', 'serverauthz'] },
);

const AUTHORIZATION_POLICY = definition(
  GROUP,
  'AuthorizationPolicy',
  'authorizationpolicies',
  [
    version(
      'v1alpha1',
      {
        spec: record(
          {
            targetRef: targetRef(),
            requiredAuthenticationRefs: list(targetRef(), { description: 'All of these must hold.' }),
          },
          ['targetRef', 'requiredAuthenticationRefs'],
        ),
      },
      { storage: true },
    ),
  ],
  { shortNames: ['authzpolicy'] },
);

const MESH_TLS_AUTHENTICATION = definition(
  GROUP,
  'MeshTLSAuthentication',
  'meshtlsauthentications',
  [
    version(
      'v1alpha1',
      {
        spec: record({
          identities: list(text({ description: 'A client identity, `*`, or `*.suffix`.' }), { minItems: 1 }),
          identityRefs: list(targetRef(['kind']), { minItems: 1 }),
        }),
      },
      { storage: true },
    ),
  ],
  { shortNames: ['meshtlsauthn'] },
);

const NETWORK_AUTHENTICATION = definition(
  GROUP,
  'NetworkAuthentication',
  'networkauthentications',
  [
    version(
      'v1alpha1',
      { spec: record({ networks: list(network, { minItems: 1 }) }, ['networks']) },
      { storage: true },
    ),
  ],
  { shortNames: ['netauthn', 'networkauthn'] },
);

const rate = record({ requestsPerSecond: integer({ format: 'int64', minimum: 1 }) }, ['requestsPerSecond']);

const HTTP_LOCAL_RATE_LIMIT_POLICY = definition(
  GROUP,
  'HTTPLocalRateLimitPolicy',
  'httplocalratelimitpolicies',
  [
    version(
      'v1alpha1',
      {
        spec: record(
          {
            targetRef: targetRef(),
            total: { ...rate, description: 'Budget of all clients together.' },
            identity: { ...rate, description: 'Budget of each client identity.' },
            overrides: list(
              record({ requestsPerSecond: integer({ format: 'int64', minimum: 1 }), clientRefs: list(targetRef()) }, [
                'requestsPerSecond',
                'clientRefs',
              ]),
            ),
          },
          ['targetRef'],
        ),
        status: record({ conditions, targetRef: targetRef() }),
      },
      { storage: true, status: true },
    ),
  ],
  { shortNames: ['ratelimit'] },
);

const EGRESS_NETWORK = definition(GROUP, 'EgressNetwork', 'egressnetworks', [
  version(
    'v1alpha1',
    {
      spec: record({ networks: list(network), trafficPolicy: choice(['Allow', 'Deny']) }, ['trafficPolicy']),
      status: record({ conditions }),
    },
    { storage: true, status: true },
  ),
]);

const parentRef = record(
  {
    group: text({ default: 'policy.linkerd.io' }),
    kind: text({ default: 'Server' }),
    namespace: text(),
    name: text({ minLength: 1, maxLength: 253 }),
    sectionName: text(),
    port: integer({ format: 'int32', minimum: 1, maximum: 65535 }),
  },
  ['name'],
);

const valueMatch = (types: readonly string[], fallback: string): Schema =>
  record({ type: choice(types, { default: fallback }), name: text(), value: text() });

const routeSpec = record({
  parentRefs: list(parentRef, { maxItems: 32 }),
  hostnames: list(text({ maxLength: 253 }), { maxItems: 16 }),
  rules: list(
    record({
      matches: list(
        record({
          path: valueMatch(['Exact', 'PathPrefix', 'RegularExpression'], 'PathPrefix'),
          headers: list(valueMatch(['Exact', 'RegularExpression'], 'Exact')),
          queryParams: list(valueMatch(['Exact', 'RegularExpression'], 'Exact')),
          method: text(),
        }),
        { maxItems: 8 },
      ),
      filters: list(open()),
      backendRefs: list(open()),
      timeouts: record({ request: text(), backendRequest: text() }),
    }),
    { maxItems: 16 },
  ),
});

const routeStatus = record({
  parents: list(record({ parentRef: open(), controllerName: text(), conditions }, ['parentRef', 'controllerName'])),
});

const HTTP_ROUTE = definition(GROUP, 'HTTPRoute', 'httproutes', [
  version('v1alpha1', { spec: routeSpec, status: routeStatus }, { status: true, served: false }),
  version('v1beta1', { spec: routeSpec, status: routeStatus }, { status: true }),
  version('v1beta2', { spec: routeSpec, status: routeStatus }, { status: true }),
  version('v1beta3', { spec: routeSpec, status: routeStatus }, { status: true, storage: true }),
]);

const profileSpec = record({
  dstOverrides: list(record({ authority: text(), weight: intOrString() }, ['authority', 'weight'])),
  opaquePorts: list(text()),
  retryBudget: record({ retryRatio: { type: 'number' }, minRetriesPerSecond: integer(), ttl: text() }, [
    'retryRatio',
    'minRetriesPerSecond',
    'ttl',
  ]),
  routes: list(
    record(
      {
        name: text(),
        condition: open(),
        isRetryable: flag(),
        timeout: text(),
        responseClasses: list(record({ condition: open(), isFailure: flag() }, ['condition'])),
      },
      ['name', 'condition'],
    ),
  ),
});

const SERVICE_PROFILE = definition(
  'linkerd.io',
  'ServiceProfile',
  'serviceprofiles',
  [version('v1alpha1', { spec: profileSpec }), version('v1alpha2', { spec: profileSpec }, { storage: true })],
  { shortNames: ['sp'] },
);

const workloadSpec = record(
  {
    meshTLS: record({ identity: text({ minLength: 1 }), serverName: text({ minLength: 1 }) }, [
      'identity',
      'serverName',
    ]),
    ports: list(
      record({ name: text(), port: integer({ minimum: 1, maximum: 65535 }), protocol: text({ default: 'TCP' }) }, [
        'port',
      ]),
    ),
    workloadIPs: list(record({ ip: text() }, ['ip'])),
  },
  ['meshTLS'],
);

const EXTERNAL_WORKLOAD = definition('workload.linkerd.io', 'ExternalWorkload', 'externalworkloads', [
  version('v1alpha1', { spec: workloadSpec, status: record({ conditions }) }, { status: true, served: false }),
  version(
    'v1beta1',
    { spec: workloadSpec, status: record({ conditions }) },
    {
      status: true,
      storage: true,
      columns: [['Identity', 'string', '.spec.meshTLS.identity']],
    },
  ),
]);

/** What `mesh install --crds` installs. */
export const MESH_CRDS: readonly CustomResourceDefinition[] = [
  SERVER,
  SERVER_AUTHORIZATION,
  AUTHORIZATION_POLICY,
  MESH_TLS_AUTHENTICATION,
  NETWORK_AUTHENTICATION,
  HTTP_LOCAL_RATE_LIMIT_POLICY,
  EGRESS_NETWORK,
  HTTP_ROUTE,
  SERVICE_PROFILE,
  EXTERNAL_WORKLOAD,
];
