/**
 * Sequences of writes by several managers to one object, and what a real API server made of each step
 * (`golden/apply.json`): values, field ownership, conflicts.
 */

export interface ApplyStep {
  readonly verb: 'create' | 'update' | 'apply' | 'merge' | 'json' | 'strategic';
  readonly manager: string;
  readonly body: unknown;
  readonly force?: boolean;
  readonly subresource?: string;
}

export interface ApplyCase {
  readonly name: string;
  readonly kind: string;
  /** Collection path in namespace `t`. */
  readonly path: string;
  readonly object: string;
  readonly steps: readonly ApplyStep[];
}

const apply = (manager: string, body: unknown, force?: boolean, subresource?: string): ApplyStep => ({
  verb: 'apply',
  manager,
  body,
  ...(force === undefined ? {} : { force }),
  ...(subresource === undefined ? {} : { subresource }),
});
const create = (manager: string, body: unknown): ApplyStep => ({ verb: 'create', manager, body });
const merge = (manager: string, body: unknown, subresource?: string): ApplyStep => ({
  verb: 'merge',
  manager,
  body,
  ...(subresource === undefined ? {} : { subresource }),
});
const json = (manager: string, body: unknown): ApplyStep => ({ verb: 'json', manager, body });
const strategic = (manager: string, body: unknown): ApplyStep => ({ verb: 'strategic', manager, body });

const configMap = (
  name: string,
  rest: Record<string, unknown>,
  metadata: Record<string, unknown> = {},
): Record<string, unknown> => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...metadata }, ...rest });
const configMaps = (name: string, steps: readonly ApplyStep[]): ApplyCase => ({
  name: `config map: ${name}`,
  kind: 'ConfigMap',
  path: '/api/v1/namespaces/t/configmaps',
  object: 'm',
  steps,
});

const CONFIG_MAPS: readonly ApplyCase[] = [
  configMaps('apply creates', [apply('a', configMap('m', { data: { x: '1', y: '2' } }, { labels: { l: '1' } }))]),
  configMaps('apply again changes nothing', [
    apply('a', configMap('m', { data: { x: '1' } })),
    apply('a', configMap('m', { data: { x: '1' } })),
  ]),
  configMaps('a field no longer applied goes', [
    apply('a', configMap('m', { data: { x: '1', y: '2' } })),
    apply('a', configMap('m', { data: { y: '3' } })),
    apply('a', configMap('m', {})),
  ]),
  configMaps('two appliers share an equal value', [
    apply('a', configMap('m', { data: { x: '1' } })),
    apply('b', configMap('m', { data: { x: '1', z: '9' } })),
    apply('a', configMap('m', { data: {} })),
    apply('b', configMap('m', { data: { z: '9' } })),
  ]),
  configMaps('conflict, then force', [
    apply('a', configMap('m', { data: { x: '1', y: '1' } })),
    apply('b', configMap('m', { data: { x: '2', y: '2' } })),
    apply('b', configMap('m', { data: { x: '2', y: '2' } }), true),
  ]),
  configMaps('conflict with two managers', [
    apply('a', configMap('m', { data: { x: '1' } })),
    apply('b', configMap('m', { data: { y: '1' } })),
    apply('c', configMap('m', { data: { x: '2', y: '2' } })),
  ]),
  configMaps('an update takes ownership, an apply conflicts with it', [
    apply('a', configMap('m', { data: { x: '1', y: '1' } })),
    merge('u', { data: { x: '2' } }),
    apply('a', configMap('m', { data: { x: '3', y: '1' } })),
    apply('a', configMap('m', { data: { x: '2', y: '1' } })),
    apply('a', configMap('m', { data: { y: '1' } })),
  ]),
  configMaps('an update removes fields from all owners', [
    apply('a', configMap('m', { data: { x: '1', y: '1' } })),
    json('u', [{ op: 'remove', path: '/data/x' }]),
    merge('u', { data: null }),
  ]),
  configMaps('create and updates', [
    create(
      'c',
      configMap(
        'm',
        { data: { x: '1' } },
        { labels: { l: '1' }, annotations: { n: '1' }, finalizers: ['example.com/f'] },
      ),
    ),
    merge('u', { metadata: { labels: { k: '2' }, finalizers: null } }),
    merge('c', { data: { x: '2' } }),
  ]),
  configMaps('apply over an object that was created otherwise', [
    create('c', configMap('m', { data: { x: '1' } })),
    apply('a', configMap('m', { data: { x: '1', y: '1' } })),
    apply('a', configMap('m', { data: { y: '1' } })),
  ]),
  configMaps('finalizers are a set and owners a map', [
    apply(
      'a',
      configMap(
        'm',
        {},
        {
          finalizers: ['e.x/a', 'e.x/b'],
          ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'o', uid: '1' }],
        },
      ),
    ),
    apply(
      'b',
      configMap(
        'm',
        {},
        {
          finalizers: ['e.x/c', 'e.x/a'],
          ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'p', uid: '2' }],
        },
      ),
    ),
    apply('a', configMap('m', {}, { finalizers: ['e.x/b'] })),
    merge('u', { metadata: { finalizers: null } }),
  ]),
  configMaps('bad configurations', [
    apply('a', configMap('m', { data: { x: '1' } })),
    apply('a', configMap('m', { data: { x: 5 } })),
    apply('a', configMap('m', { foo: { x: 5 } })),
    apply('a', configMap('m', { data: 'x' })),
    apply('a', configMap('m', {}, { finalizers: ['e.x/a', 'e.x/a'] })),
    apply('a', configMap('m', {}, { ownerReferences: [{ apiVersion: 'v1', kind: 'X', name: 'o' }] })),
    apply('a', configMap('m', {}, { managedFields: [{ manager: 'x' }] })),
    apply('a', { ...configMap('m', {}), apiVersion: 'v2' }),
    apply('a', { ...configMap('m', {}), kind: 'Secret' }),
    apply('a', configMap('other', {})),
    apply('a', { metadata: { name: 'm' } }),
    apply('a', []),
    apply('', configMap('m', { data: { x: '1' } })),
    apply('a'.repeat(129), configMap('m', { data: { x: '1' } })),
  ]),
  configMaps('null values', [
    apply('a', configMap('m', { data: { x: '1', y: null } })),
    apply('a', configMap('m', { data: null })),
  ]),
  configMaps('managedFields can be reset', [
    apply('a', configMap('m', { data: { x: '1' } })),
    merge('u', { metadata: { managedFields: [{}] } }),
    apply('b', configMap('m', { data: { x: '2' } })),
    apply('b', configMap('m', { data: { x: '2' } })),
  ]),
];

const container = (name: string, rest: Record<string, unknown> = {}): Record<string, unknown> => ({
  name,
  image: `${name}:1`,
  ...rest,
});
const deployment = (spec: Record<string, unknown>): Record<string, unknown> => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'd' },
  spec,
});
const template = (containers: readonly unknown[], rest: Record<string, unknown> = {}): Record<string, unknown> => ({
  metadata: { labels: { app: 'x' } },
  spec: { containers, ...rest },
});
const selector = { matchLabels: { app: 'x' } };
const deployments = (name: string, steps: readonly ApplyStep[]): ApplyCase => ({
  name: `deployment: ${name}`,
  kind: 'Deployment',
  path: '/apis/apps/v1/namespaces/t/deployments',
  object: 'd',
  steps,
});

const DEPLOYMENTS: readonly ApplyCase[] = [
  deployments('create records the fields of the client and of defaults', [
    create(
      'c',
      deployment({
        selector,
        template: template([container('a', { ports: [{ containerPort: 80 }], env: [{ name: 'E', value: '1' }] })]),
      }),
    ),
  ]),
  deployments('apply records the fields of the client', [
    apply(
      'a',
      deployment({
        selector,
        template: template([
          container('a', {
            ports: [{ containerPort: 80 }],
            env: [{ name: 'E', value: '1' }],
            resources: { limits: { cpu: '1' } },
          }),
        ]),
      }),
    ),
  ]),
  deployments('containers merge by name, ports by number and protocol', [
    apply(
      'a',
      deployment({
        selector,
        replicas: 2,
        template: template([container('a', { ports: [{ containerPort: 80 }] }), container('b')]),
      }),
    ),
    apply(
      'b',
      deployment({
        selector,
        template: template([
          { name: 'side', image: 's:1' },
          { name: 'a', ports: [{ containerPort: 80, protocol: 'UDP' }] },
        ]),
      }),
    ),
    apply('a', deployment({ selector, template: template([container('b')]) })),
    apply('b', deployment({ selector, template: template([{ name: 'side', image: 's:2' }]) })),
  ]),
  deployments('scaling by another manager', [
    apply('a', deployment({ selector, replicas: 2, template: template([container('a')]) })),
    merge('scaler', { spec: { replicas: 5 } }),
    apply('a', deployment({ selector, replicas: 2, template: template([container('a')]) })),
    apply('a', deployment({ selector, template: template([container('a')]) })),
    apply('a', deployment({ selector, replicas: 3, template: template([container('a')]) }), true),
  ]),
  deployments('status by a controller', [
    apply('a', deployment({ selector, template: template([container('a')]) })),
    merge(
      'controller',
      {
        status: {
          observedGeneration: 1,
          replicas: 1,
          conditions: [
            {
              type: 'Available',
              status: 'True',
              lastTransitionTime: '2024-01-01T00:00:00Z',
              lastUpdateTime: '2024-01-01T00:00:00Z',
            },
          ],
        },
      },
      'status',
    ),
    apply(
      's',
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'd' },
        status: { replicas: 2 },
        spec: { replicas: 9 },
      },
      true,
      'status',
    ),
    apply('a', { ...deployment({ selector, template: template([container('a')]) }), status: { replicas: 7 } }),
  ]),
  deployments('a strategic patch is an update', [
    create('c', deployment({ selector, template: template([container('a')]) })),
    strategic('k', {
      spec: {
        template: {
          metadata: { annotations: { restarted: 'now' } },
          spec: {
            containers: [
              { name: 'a', image: 'a:2' },
              { name: 'new', image: 'n:1' },
            ],
          },
        },
      },
    }),
    strategic('k', { spec: { template: { spec: { containers: [{ name: 'new', $patch: 'delete' }] } } } }),
  ]),
  deployments('volumes and atomic lists', [
    apply(
      'a',
      deployment({
        selector,
        template: template([container('a', { command: ['x', 'y'], volumeMounts: [{ name: 'v', mountPath: '/v' }] })], {
          volumes: [{ name: 'v', emptyDir: {} }],
          tolerations: [{ operator: 'Exists' }],
          nodeSelector: { a: 'b' },
        }),
      }),
    ),
    apply('b', deployment({ selector, template: template([{ name: 'a', command: ['x', 'z'] }]) })),
    apply(
      'b',
      deployment({ selector, template: template([{ name: 'a', command: ['x', 'y'] }], { nodeSelector: { c: 'd' } }) }),
      true,
    ),
  ]),
  deployments('bad lists', [
    apply('a', deployment({ selector, template: template([container('a'), container('a')]) })),
    apply('a', deployment({ selector, template: template([{ image: 'x' }]) })),
    apply('a', deployment({ selector, template: template([container('a', { ports: [{ protocol: 'TCP' }] })]) })),
    apply('a', deployment({ selector, replicas: 'x', template: template([{ name: 'a', tty: 'x' }]) })),
  ]),
];

const service = (spec: Record<string, unknown>): Record<string, unknown> => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 's' },
  spec,
});
const SERVICES: readonly ApplyCase[] = [
  {
    name: 'service: ports by number and protocol',
    kind: 'Service',
    path: '/api/v1/namespaces/t/services',
    object: 's',
    steps: [
      apply(
        'a',
        service({
          ports: [
            { name: 'a', port: 80 },
            { name: 'b', port: 81, protocol: 'UDP' },
          ],
          selector: { app: 'x' },
          clusterIP: 'None',
        }),
      ),
      apply('b', service({ ports: [{ name: 'c', port: 82 }] })),
      apply(
        'a',
        service({ ports: [{ name: 'a', port: 80, targetPort: 8080 }], selector: { app: 'y' }, clusterIP: 'None' }),
      ),
    ],
  },
];

const widget = (spec: unknown, status?: unknown): Record<string, unknown> => ({
  apiVersion: 'example.com/v1',
  kind: 'Widget',
  metadata: { name: 'w' },
  spec,
  ...(status === undefined ? {} : { status }),
});
const widgets = (name: string, steps: readonly ApplyStep[]): ApplyCase => ({
  name: `custom resource: ${name}`,
  kind: 'Widget',
  path: '/apis/example.com/v1/namespaces/t/widgets',
  object: 'w',
  steps,
});
const WIDGETS: readonly ApplyCase[] = [
  widgets('create records everything', [
    create(
      'c',
      widget({
        size: 3,
        tags: ['a', 'b'],
        parts: [{ name: 'p', port: 1 }],
        free: { any: { thing: [1] } },
        labels: { k: 'v' },
      }),
    ),
  ]),
  widgets('lists by key, sets, atomics, free form', [
    apply(
      'a',
      widget({
        size: 3,
        tags: ['a', 'b'],
        parts: [{ name: 'p', port: 1, note: 'x' }],
        whole: { a: 1, b: 2 },
        free: { any: { thing: [1] }, x: 1 },
        labels: { k: 'v' },
        list: [1, 2],
      }),
    ),
    apply(
      'b',
      widget({
        tags: ['c', 'b'],
        parts: [
          { name: 'q', port: 2 },
          { name: 'p', port: 1, other: 'y' },
        ],
        labels: { l: 'w' },
      }),
    ),
    apply('b', widget({ whole: { a: 9 }, list: [1, 3] })),
    apply('b', widget({ whole: { a: 9 }, free: { y: 2 } }), true),
    apply('a', widget({ parts: [{ name: 'p', port: 1 }], free: { x: 1 } })),
  ]),
  widgets('defaults, pruning and status', [
    apply('a', widget({ parts: [{ name: 'p' }] }, { ready: true })),
    apply(
      's',
      {
        apiVersion: 'example.com/v1',
        kind: 'Widget',
        metadata: { name: 'w', labels: { no: 'no' } },
        spec: { size: 9 },
        status: { ready: true, conditions: [{ type: 'A', status: 'True' }] },
      },
      false,
      'status',
    ),
    merge('u', { status: { ready: false } }, 'status'),
    apply(
      's',
      {
        apiVersion: 'example.com/v1',
        kind: 'Widget',
        metadata: { name: 'w' },
        status: { ready: true, conditions: [{ type: 'A', status: 'False' }] },
      },
      false,
      'status',
    ),
  ]),
  widgets('bad configurations', [
    apply('a', widget({ size: 'x' })),
    apply(
      'a',
      widget({
        parts: [
          { name: 'p', port: 1 },
          { name: 'p', port: 1 },
        ],
      }),
    ),
    apply('a', widget({ parts: [{ port: 1 }] })),
    apply('a', widget({ tags: ['a', 'a'] })),
    apply('a', widget({ unknown: 1 })),
    apply('a', widget({ size: -1 })),
  ]),
  widgets('emptied structures', [
    apply('a', widget({ size: 3, labels: { k: 'v' }, nested: { inner: { leaf: 'x' } } })),
    apply('a', widget({ size: 3, labels: {}, nested: { inner: {} } })),
    apply('a', widget({ size: 3, nested: {} })),
    apply('a', widget({})),
  ]),
];

export const APPLY_CASES: readonly ApplyCase[] = [...CONFIG_MAPS, ...DEPLOYMENTS, ...SERVICES, ...WIDGETS];

/** The custom resource that the cases use. */
export const WIDGET_DEFINITION = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'widgets', kind: 'Widget' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                properties: {
                  size: { type: 'integer', minimum: 0, default: 1 },
                  tags: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
                  list: { type: 'array', items: { type: 'integer' } },
                  parts: {
                    type: 'array',
                    'x-kubernetes-list-type': 'map',
                    'x-kubernetes-list-map-keys': ['name', 'port'],
                    items: {
                      type: 'object',
                      required: ['name'],
                      properties: {
                        name: { type: 'string' },
                        port: { type: 'integer', default: 7 },
                        note: { type: 'string' },
                        other: { type: 'string' },
                      },
                    },
                  },
                  whole: {
                    type: 'object',
                    'x-kubernetes-map-type': 'atomic',
                    additionalProperties: { type: 'integer' },
                  },
                  free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
                  labels: { type: 'object', additionalProperties: { type: 'string' } },
                  nested: {
                    type: 'object',
                    properties: { inner: { type: 'object', properties: { leaf: { type: 'string' } } } },
                  },
                },
              },
              status: {
                type: 'object',
                properties: {
                  ready: { type: 'boolean' },
                  conditions: {
                    type: 'array',
                    'x-kubernetes-list-type': 'map',
                    'x-kubernetes-list-map-keys': ['type'],
                    items: {
                      type: 'object',
                      required: ['type'],
                      properties: { type: { type: 'string' }, status: { type: 'string' } },
                    },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
} as const;
