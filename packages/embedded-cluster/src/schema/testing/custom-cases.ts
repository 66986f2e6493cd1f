/** Definitions of custom resources and objects of one: what a real API server says to each (`golden/custom.json`). */

const object = (properties: Record<string, unknown>, rest: Record<string, unknown> = {}): Record<string, unknown> => ({
  type: 'object',
  properties,
  ...rest,
});
const DEFINITION_PATH = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

export interface DefinitionCase {
  readonly name: string;
  readonly object: Record<string, unknown>;
}

function definition(spec: Record<string, unknown>, name = 'things.example.org'): Record<string, unknown> {
  return {
    metadata: { name },
    spec: {
      group: 'example.org',
      scope: 'Namespaced',
      names: { plural: 'things', kind: 'Thing' },
      versions: [version({})],
      ...spec,
    },
  };
}
function version(rest: Record<string, unknown>): Record<string, unknown> {
  return { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } }, ...rest };
}
function withSchema(schema: unknown): Record<string, unknown> {
  return definition({ versions: [version({ schema: { openAPIV3Schema: schema } })] });
}
const spec = (schema: unknown): Record<string, unknown> => withSchema(object({ spec: schema }));

export const DEFINITION_CASES: readonly DefinitionCase[] = [
  { name: 'minimal', object: definition({}) },
  {
    name: 'everything',
    object: definition({
      names: {
        plural: 'things',
        kind: 'Thing',
        singular: 'thing',
        shortNames: ['th'],
        categories: ['all'],
        listKind: 'ThingList',
      },
      versions: [
        version({
          subresources: {
            status: {},
            scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
          },
          additionalPrinterColumns: [{ name: 'Size', type: 'integer', jsonPath: '.spec.size' }],
          selectableFields: [{ jsonPath: '.spec.color' }],
          schema: {
            openAPIV3Schema: object({
              spec: object({ color: { type: 'string' }, replicas: { type: 'integer' } }),
              status: object({ replicas: { type: 'integer' } }),
            }),
          },
        }),
      ],
    }),
  },
  { name: 'name does not match', object: definition({}, 'other.example.org') },
  { name: 'no versions', object: definition({ versions: [] }) },
  { name: 'no storage version', object: definition({ versions: [version({ storage: false })] }) },
  { name: 'two storage versions', object: definition({ versions: [version({}), version({ name: 'v2' })] }) },
  { name: 'duplicate version', object: definition({ versions: [version({}), version({ storage: false })] }) },
  { name: 'bad version name', object: definition({ versions: [version({ name: 'V1.x' })] }) },
  { name: 'bad scope', object: definition({ scope: 'Global' }) },
  { name: 'scope missing', object: definition({ scope: undefined }) },
  { name: 'names missing', object: definition({ names: {} }) },
  {
    name: 'bad names',
    object: definition(
      { names: { plural: 'Things', kind: 'thing_x', singular: 'T', shortNames: ['A_'] } },
      'Things.example.org',
    ),
  },
  { name: 'group missing', object: definition({ group: '' }) },
  { name: 'schema missing', object: definition({ versions: [version({ schema: undefined })] }) },
  { name: 'root without type', object: withSchema({}) },
  { name: 'root of another type', object: withSchema({ type: 'string' }) },
  {
    name: 'root preserves unknown fields',
    object: withSchema({ type: 'object', 'x-kubernetes-preserve-unknown-fields': true }),
  },
  { name: 'field without type', object: spec({ properties: { a: {} } }) },
  { name: 'items missing', object: spec(object({ a: { type: 'array' } })) },
  { name: 'items as a list', object: spec(object({ a: { type: 'array', items: [{ type: 'string' }] } })) },
  { name: 'bad type', object: spec(object({ a: { type: 'float' } })) },
  {
    name: 'forbidden keywords',
    object: spec(
      object({
        a: { type: 'string', $ref: '#/x' },
        b: { type: 'object', patternProperties: { x: { type: 'string' } } },
        c: { type: 'array', uniqueItems: true, items: { type: 'string' } },
        d: { type: 'object', definitions: { x: { type: 'string' } } },
        e: { type: 'object', dependencies: { x: ['y'] } },
      }),
    ),
  },
  {
    name: 'additionalProperties with properties',
    object: spec({ type: 'object', properties: { a: { type: 'string' } }, additionalProperties: { type: 'string' } }),
  },
  { name: 'additionalProperties false', object: spec({ type: 'object', additionalProperties: false }) },
  {
    name: 'type below anyOf',
    object: spec({
      type: 'object',
      anyOf: [{ type: 'object', description: 'x', properties: { a: { type: 'string' } } }],
    }),
  },
  {
    name: 'property only below anyOf',
    object: spec({ type: 'object', anyOf: [{ properties: { a: { minimum: 1 } } }] }),
  },
  {
    name: 'int or string',
    object: spec(
      object({
        a: { 'x-kubernetes-int-or-string': true },
        b: { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }], pattern: '^x' },
        c: { type: 'string', 'x-kubernetes-int-or-string': true },
      }),
    ),
  },
  {
    name: 'restrictions on metadata',
    object: withSchema(
      object({ metadata: object({ name: { type: 'string', maxLength: 10 }, labels: { type: 'object' } }) }),
    ),
  },
  {
    name: 'list type without list',
    object: spec(
      object({
        a: { type: 'string', 'x-kubernetes-list-type': 'set' },
        b: { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'bag' },
        c: { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'map' },
        d: {
          type: 'array',
          items: object({ k: { type: 'string' } }),
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['k', 'z'],
        },
        e: { type: 'array', items: object({ k: { type: 'string' } }), 'x-kubernetes-list-type': 'set' },
      }),
    ),
  },
  {
    name: 'map type',
    object: spec(
      object({
        a: { type: 'string', 'x-kubernetes-map-type': 'atomic' },
        b: { type: 'object', 'x-kubernetes-map-type': 'loose' },
      }),
    ),
  },
  {
    name: 'bad default',
    object: spec(
      object({
        a: { type: 'integer', default: 'x' },
        b: { type: 'integer', minimum: 3, default: 1 },
        c: object({ d: { type: 'string' } }, { default: { e: 1 } }),
      }),
    ),
  },
  {
    name: 'bad keywords',
    object: spec(
      object({
        a: { type: 'string', pattern: '(' },
        b: { type: 'string', minLength: -1 },
        c: { type: 'string', format: 'ipv4' },
        d: { type: 'string', enum: [] },
      }),
    ),
  },
  {
    name: 'embedded resource without properties',
    object: spec(object({ a: { type: 'object', 'x-kubernetes-embedded-resource': true } })),
  },
  {
    name: 'nullable and default null',
    object: spec(
      object({ a: { type: 'string', nullable: true, default: null }, b: { type: 'string', default: null } }),
    ),
  },
  {
    name: 'bad subresources',
    object: definition({
      versions: [version({ subresources: { scale: { specReplicasPath: 'spec.replicas', statusReplicasPath: '' } } })],
    }),
  },
  {
    name: 'bad printer column',
    object: definition({
      versions: [
        version({
          additionalPrinterColumns: [
            { name: '', type: 'thing', jsonPath: '' },
            { name: 'x', type: 'string', jsonPath: 'spec.x', format: 'nope' },
          ],
        }),
      ],
    }),
  },
  { name: 'webhook conversion without webhook', object: definition({ conversion: { strategy: 'Webhook' } }) },
  { name: 'bad conversion', object: definition({ conversion: { strategy: 'Magic' } }) },
  { name: 'preserveUnknownFields', object: definition({ preserveUnknownFields: true }) },
  { name: 'deprecation', object: definition({ versions: [version({ deprecated: true, deprecationWarning: 'old' })] }) },
  {
    name: 'CEL rules',
    object: spec(
      object(
        { a: { type: 'integer' } },
        { 'x-kubernetes-validations': [{ rule: 'self.a > 1', message: 'too small' }] },
      ),
    ),
  },
];

export const DEFINITIONS_PATH = DEFINITION_PATH;

/** The resource whose objects are tried. */
export const SAMPLE_DEFINITION = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'samples.example.net' },
  spec: {
    group: 'example.net',
    scope: 'Namespaced',
    names: { plural: 'samples', kind: 'Sample' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: object(
            {
              spec: object(
                {
                  text: { type: 'string', minLength: 2, maxLength: 4, pattern: '^[a-z]+$' },
                  choice: { type: 'string', enum: ['one', 'two'] },
                  count: {
                    type: 'integer',
                    minimum: 1,
                    maximum: 10,
                    exclusiveMaximum: true,
                    multipleOf: 2,
                    format: 'int32',
                  },
                  ratio: { type: 'number', minimum: 0, exclusiveMinimum: true },
                  flag: { type: 'boolean' },
                  list: { type: 'array', minItems: 1, maxItems: 2, items: { type: 'string' } },
                  set: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
                  map: {
                    type: 'array',
                    'x-kubernetes-list-type': 'map',
                    'x-kubernetes-list-map-keys': ['name'],
                    items: object(
                      { name: { type: 'string' }, value: { type: 'integer', default: 5 } },
                      { required: ['name'] },
                    ),
                  },
                  port: { 'x-kubernetes-int-or-string': true },
                  bounded: {
                    'x-kubernetes-int-or-string': true,
                    anyOf: [{ type: 'integer' }, { type: 'string' }],
                    pattern: '^[0-9]+%$',
                  },
                  free: {
                    type: 'object',
                    'x-kubernetes-preserve-unknown-fields': true,
                    properties: { known: object({ deep: { type: 'string' } }) },
                  },
                  any: { 'x-kubernetes-preserve-unknown-fields': true },
                  strings: {
                    type: 'object',
                    additionalProperties: { type: 'string' },
                    minProperties: 1,
                    maxProperties: 2,
                  },
                  maybe: { type: 'string', nullable: true },
                  maybeDefault: { type: 'string', nullable: true, default: 'd' },
                  when: { type: 'string', format: 'date-time' },
                  bytes: { type: 'string', format: 'byte' },
                  address: { type: 'string', format: 'ipv4' },
                  span: { type: 'string', format: 'duration' },
                  id: { type: 'string', format: 'uuid' },
                  defaulted: object({ a: { type: 'integer', default: 1 }, b: { type: 'string' } }, { default: {} }),
                  undefaulted: object({ a: { type: 'integer', default: 1 } }),
                  embedded: {
                    type: 'object',
                    'x-kubernetes-embedded-resource': true,
                    'x-kubernetes-preserve-unknown-fields': true,
                  },
                  either: object(
                    { a: { type: 'string' }, b: { type: 'string' } },
                    { oneOf: [{ required: ['a'] }, { required: ['b'] }] },
                  ),
                  nothing: object({ a: { type: 'string' } }, { not: { required: ['a'] } }),
                  both: object(
                    { a: { type: 'integer' } },
                    { allOf: [{ properties: { a: { minimum: 3 } } }, { properties: { a: { maximum: 5 } } }] },
                  ),
                  some: object(
                    { a: { type: 'integer' } },
                    { anyOf: [{ properties: { a: { minimum: 3 } } }, { properties: { a: { maximum: 1 } } }] },
                  ),
                },
                { required: ['text'] },
              ),
              status: object({ phase: { type: 'string' } }),
            },
            { required: ['spec'] },
          ),
        },
      },
    ],
  },
} as const;

const SAMPLES: Readonly<Record<string, unknown>> = {
  valid: { text: 'abc' },
  'everything valid': {
    text: 'abc',
    choice: 'one',
    count: 4,
    ratio: 0.5,
    flag: true,
    list: ['a'],
    set: ['a', 'b'],
    map: [{ name: 'x' }],
    port: 80,
    bounded: '5%',
    strings: { a: 'b' },
    when: '2024-01-01T00:00:00Z',
    bytes: 'AAE=',
    address: '10.0.0.1',
    span: '5s',
    id: '123e4567-e89b-12d3-a456-426614174000',
    either: { a: 'x' },
  },
  'required missing': {},
  'null spec': null,
  'spec of another type': 'x',
  'strings too short, long and odd': { text: 'A' },
  'string too long': { text: 'abcde' },
  'wrong types': { text: 5, flag: 'x', list: {}, ratio: 'y', strings: [], count: 1.5, port: true },
  'not in enum': { text: 'abc', choice: 'three' },
  'number bounds': { text: 'abc', count: 10, ratio: 0 },
  'below minimum': { text: 'abc', count: 0 },
  'not a multiple': { text: 'abc', count: 3 },
  'list bounds': { text: 'abc', list: [] },
  'list too long': { text: 'abc', list: ['a', 'b', 'c'] },
  'list item of another type': { text: 'abc', list: [1] },
  'set duplicates': { text: 'abc', set: ['a', 'b', 'a'] },
  'map duplicates': { text: 'abc', map: [{ name: 'x' }, { name: 'x', value: 6 }] },
  'map key missing': { text: 'abc', map: [{ value: 6 }] },
  'int or string': { text: 'abc', port: 'http', bounded: 5 },
  'int or string bad pattern': { text: 'abc', bounded: 'x' },
  'unknown fields are pruned': {
    text: 'abc',
    unknown: 1,
    free: { other: { x: 1 }, known: { deep: 'x', shallow: 1 } },
    any: { a: [1, { b: 2 }] },
    map: [{ name: 'x', zz: 1 }],
  },
  'property bounds': { text: 'abc', strings: {} },
  'too many properties': { text: 'abc', strings: { a: '1', b: '2', c: '3' } },
  'property of another type': { text: 'abc', strings: { a: 1 } },
  'null values': { text: 'abc', maybe: null, maybeDefault: null, choice: null, defaulted: null, undefaulted: null },
  formats: { text: 'abc', when: 'x', bytes: '###', address: '1.2.3', span: 'x', id: 'x' },
  'embedded resource': {
    text: 'abc',
    embedded: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x', zz: 1, labels: { a: 'b' } }, spec: { any: 1 } },
  },
  'embedded resource incomplete': { text: 'abc', embedded: { metadata: { name: 'Bad_', labels: { a: 'b c' } } } },
  'one of, both': { text: 'abc', either: { a: 'x', b: 'y' } },
  'one of, none': { text: 'abc', either: {} },
  not: { text: 'abc', nothing: { a: 'x' } },
  'all of': { text: 'abc', both: { a: 9 } },
  'any of': { text: 'abc', some: { a: 2 } },
  'several failures': { text: 'A', choice: 'x', count: 11, list: ['a', 'b', 'c'] },
};

export interface SampleCase {
  readonly name: string;
  readonly object: Record<string, unknown>;
  readonly strict?: boolean;
}

export const SAMPLE_CASES: readonly SampleCase[] = [
  ...Object.entries(SAMPLES).map(([name, spec]) => ({
    name,
    object: { apiVersion: 'example.net/v1', kind: 'Sample', metadata: { name: 's' }, spec },
  })),
  {
    name: 'status is dropped',
    object: {
      apiVersion: 'example.net/v1',
      kind: 'Sample',
      metadata: { name: 's' },
      spec: { text: 'abc' },
      status: { phase: 'x' },
    },
  },
  {
    name: 'unknown at the root',
    object: {
      apiVersion: 'example.net/v1',
      kind: 'Sample',
      metadata: { name: 's', zz: 1 },
      spec: { text: 'abc' },
      extra: 1,
    },
  },
  {
    name: 'unknown, strict',
    strict: true,
    object: {
      apiVersion: 'example.net/v1',
      kind: 'Sample',
      metadata: { name: 's', zz: 1 },
      spec: { text: 'abc', unknown: 1, map: [{ name: 'x', zz: 1 }], free: { known: { zz: 1 }, zz: 1 } },
      extra: 1,
    },
  },
  {
    name: 'bad metadata',
    object: {
      apiVersion: 'example.net/v1',
      kind: 'Sample',
      metadata: { name: 'S_', labels: { a: 'b c' }, finalizers: ['x'] },
      spec: { text: 'abc' },
    },
  },
  { name: 'spec missing', object: { apiVersion: 'example.net/v1', kind: 'Sample', metadata: { name: 's' } } },
  { name: 'kind missing', object: { metadata: { name: 's' }, spec: { text: 'abc' } } },
  {
    name: 'kind of another resource',
    object: { apiVersion: 'example.net/v1', kind: 'Other', metadata: { name: 's' }, spec: { text: 'abc' } },
  },
  {
    name: 'metadata of another type',
    object: { apiVersion: 'example.net/v1', kind: 'Sample', metadata: { name: 5 }, spec: { text: 'abc' } },
  },
  {
    name: 'labels of another type',
    object: {
      apiVersion: 'example.net/v1',
      kind: 'Sample',
      metadata: { name: 's', labels: { a: 5 } },
      spec: { text: 'abc' },
    },
  },
];

export const SAMPLES_PATH = '/apis/example.net/v1/namespaces/t/samples';
