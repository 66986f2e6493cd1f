/** Custom resources: definitions, structural schemas, versions, subresources. */
import type { ApiCaller } from '../api-caller.ts';
import type { Cases } from '../program.ts';

const MERGE = { contentType: 'application/merge-patch+json' };
const APPLY = { contentType: 'application/apply-patch+yaml' };
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

const SCHEMA = {
  type: 'object',
  required: ['spec'],
  properties: {
    spec: {
      type: 'object',
      required: ['size'],
      properties: {
        size: { type: 'integer', minimum: 1, maximum: 10 },
        colour: { type: 'string', enum: ['red', 'green'], default: 'red' },
        name: { type: 'string', pattern: '^[a-z]+$', maxLength: 5 },
        replicas: { type: 'integer', default: 1 },
        port: { 'x-kubernetes-int-or-string': true },
        free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        labels: { type: 'object', additionalProperties: { type: 'string' } },
        when: { type: 'string', format: 'date-time' },
        nothing: { type: 'string', nullable: true },
        nested: { type: 'object', default: {}, properties: { deep: { type: 'boolean', default: true } } },
        items: {
          type: 'array',
          maxItems: 3,
          items: {
            type: 'object',
            required: ['key'],
            properties: { key: { type: 'string' }, value: { type: 'string', default: 'v' } },
          },
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['key'],
        },
        tags: { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'set' },
      },
    },
    status: {
      type: 'object',
      properties: { replicas: { type: 'integer' }, selector: { type: 'string' }, phase: { type: 'string' } },
    },
  },
};

export const customResourceCases: Cases = async (api, { namespace, suffix }) => {
  const group = `g${suffix}.example.com`;
  const name = `widgets.${group}`;
  const definition = definitionOf(group, name);
  try {
    await definitions(api, group, definition);
    await api.until('established', `${DEFINITIONS}/${name}`, isEstablished);
    // The real API serves a moment after it says so.
    await api.until('served', `/apis/${group}/v1/namespaces/${namespace}/widgets`, (_body, code) => code === 200, {
      keep: () => 'yes',
    });
    await api.call('discovery', 'GET', `/apis/${group}/v1`, undefined, { keep: withoutHashes });
    await api.call('discovery of the group', 'GET', `/apis/${group}`);
    const path = `/apis/${group}/v1/namespaces/${namespace}/widgets`;
    await objects(api, group, path);
    await subresources(api, group, path);
    await applied(api, group, path);
    await versions(api, group, namespace, name);
  } finally {
    await api.call('delete the definition', 'DELETE', `${DEFINITIONS}/${name}`, undefined, {
      keep: (body) => (body as { kind: string }).kind,
    });
    await api.until('the definition goes', `${DEFINITIONS}/${name}`, (_body, code) => code === 404);
    await api.until('its paths go', `/apis/${group}/v1/namespaces/${namespace}/widgets`, (_body, code) => code === 404);
  }
};

function isEstablished(body: Record<string, unknown>): boolean {
  const { conditions } = (body['status'] ?? {}) as { conditions?: { type: string; status: string }[] | null };
  return (conditions ?? []).some((condition) => condition.type === 'Established' && condition.status === 'True');
}

function withoutHashes(body: unknown): unknown {
  const { resources } = body as { resources?: Record<string, unknown>[] };
  return resources?.map(({ storageVersionHash: _hash, ...resource }) => resource) ?? body;
}

function definitionOf(group: string, name: string): Record<string, unknown> {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget', shortNames: ['wi'], categories: ['all'] },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: SCHEMA },
          subresources: {
            status: {},
            scale: {
              specReplicasPath: '.spec.replicas',
              statusReplicasPath: '.status.replicas',
              labelSelectorPath: '.status.selector',
            },
          },
          additionalPrinterColumns: [
            { name: 'Size', type: 'integer', jsonPath: '.spec.size' },
            {
              name: 'Colour',
              type: 'string',
              jsonPath: '.spec.colour',
              priority: 1,
              description: 'what it looks like',
            },
            { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
          ],
          selectableFields: [{ jsonPath: '.spec.colour' }],
        },
        {
          name: 'v1beta1',
          served: true,
          storage: false,
          deprecated: true,
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  };
}

async function definitions(api: ApiCaller, group: string, definition: Record<string, unknown>): Promise<void> {
  const spec = definition['spec'] as Record<string, unknown>;
  const version = (more: object): object => ({
    name: 'v1',
    served: true,
    storage: true,
    schema: { openAPIV3Schema: { type: 'object' } },
    ...more,
  });
  const create = (name: string, more: object): Promise<unknown> =>
    api.call(name, 'POST', DEFINITIONS, { ...definition, spec: { ...spec, ...more } });
  await api.call('a name that does not fit', 'POST', DEFINITIONS, { ...definition, metadata: { name: 'other' } });
  await create('no versions', { versions: [] });
  await create('no schema', { versions: [version({ schema: undefined })] });
  await create('a schema without a type', {
    versions: [version({ schema: { openAPIV3Schema: { properties: { spec: { properties: { a: {} } } } } } })],
  });
  await create('two storage versions', { versions: [version({}), version({ name: 'v2' })] });
  await create('a bad scope and kind', { scope: 'Galaxy', names: { plural: 'widgets', kind: 'bad kind' } });
  await create('a default that does not validate', {
    versions: [
      version({
        schema: { openAPIV3Schema: { type: 'object', properties: { a: { type: 'integer', default: 'x' } } } },
      }),
    ],
  });
  await api.call('create the definition', 'POST', DEFINITIONS, definition, {
    keep: (body) => ({ ...(body as object), status: undefined }),
  });
  void group;
}

async function objects(api: ApiCaller, group: string, path: string): Promise<void> {
  const widget = (name: string, spec: unknown, more: object = {}): object => ({
    apiVersion: `${group}/v1`,
    kind: 'Widget',
    metadata: { name },
    spec,
    ...more,
  });
  const created = await api.call(
    'create with defaults',
    'POST',
    path,
    widget('w', { size: 3, port: 'web', free: { any: [1] }, nothing: null, items: [{ key: 'a' }], tags: ['x', 'y'] }),
  );
  await api.call(
    'unknown fields are pruned',
    'POST',
    path,
    widget('pruned', { size: 1, unknown: 1, free: { kept: true } }, { top: 1 }),
  );
  await api.call(
    'unknown fields, strict',
    'POST',
    `${path}?fieldValidation=Strict`,
    widget('strict', { size: 1, unknown: 1 }, { top: 1 }),
  );
  await api.call('a missing field', 'POST', path, widget('missing', {}));
  await api.call('no spec', 'POST', path, {
    apiVersion: `${group}/v1`,
    kind: 'Widget',
    metadata: { name: 'specless' },
  });
  await api.call(
    'many mistakes',
    'POST',
    path,
    widget('wrong', {
      size: 11,
      colour: 'blue',
      name: 'TooLong',
      port: true,
      labels: { a: 1 },
      when: 'now',
      items: [{ key: 'a' }, { key: 'a' }],
      tags: ['x', 'x'],
    }),
  );
  await api.call('wrong types', 'POST', path, widget('types', { size: 'big', colour: 5, items: 'none', nested: [] }));
  await api.call(
    'too many items',
    'POST',
    path,
    widget('many', { size: 1, items: [{ key: 'a' }, { key: 'b' }, { key: 'c' }, { key: 'd' }] }),
  );
  await api.call('null where it may not be', 'POST', path, widget('null', { size: null, colour: null }));
  await api.call('a bad name', 'POST', path, widget('Bad_Name', { size: 1 }));
  await api.call('update without a version', 'PUT', `${path}/w`, widget('w', { size: 4 }));
  await api.call('update nothing', 'PUT', `${path}/w`, created);
  await api.call('update', 'PUT', `${path}/w`, { ...created, spec: { size: 4 } });
  await api.call('merge patch', 'PATCH', `${path}/w`, { spec: { size: 5, colour: 'green' } }, MERGE);
  await api.call('merge patch, invalid', 'PATCH', `${path}/w`, { spec: { size: 50 } }, MERGE);
  await api.call(
    'strategic patch',
    'PATCH',
    `${path}/w`,
    { spec: { size: 6 } },
    { contentType: 'application/strategic-merge-patch+json' },
  );
  await api.call('json patch', 'PATCH', `${path}/w`, [{ op: 'replace', path: '/spec/size', value: 7 }], {
    contentType: 'application/json-patch+json',
  });
  await api.call('a label leaves the generation', 'PATCH', `${path}/w`, { metadata: { labels: { a: 'b' } } }, MERGE);
  await api.call('list', 'GET', path);
  await api.call('a selectable field', 'GET', `${path}?fieldSelector=spec.colour%3Dgreen`, undefined, {
    keep: (body) =>
      (body as { items: { metadata: { name: string } }[] }).items?.map((item) => item.metadata.name) ?? body,
  });
  await api.call('a field that is not selectable', 'GET', `${path}?fieldSelector=spec.size%3D7`);
  await api.call('a table', 'GET', path, undefined, {
    accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
    keep: (body) => {
      const table = body as { columnDefinitions: unknown; rows: { cells: unknown[] }[] };
      return { columns: table.columnDefinitions, rows: table.rows.map((row) => row.cells.slice(0, 3)) };
    },
  });
}

async function subresources(api: ApiCaller, group: string, path: string): Promise<void> {
  await api.call(
    'status alone changes',
    'PATCH',
    `${path}/w/status`,
    {
      metadata: { labels: { ignored: 'yes' } },
      spec: { size: 1 },
      status: { replicas: 2, selector: 'a=b', phase: 'Ready' },
    },
    MERGE,
  );
  await api.call(
    'status through the main door is ignored',
    'PATCH',
    `${path}/w`,
    { status: { phase: 'Other' } },
    MERGE,
  );
  await api.call('a bad status', 'PATCH', `${path}/w/status`, { status: { phase: 5 } }, MERGE);
  await api.call('scale', 'GET', `${path}/w/scale`);
  const scale = { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: { name: 'w' }, spec: { replicas: 3 } };
  await api.call('scale: set', 'PUT', `${path}/w/scale`, scale);
  await api.call('scale: patch', 'PATCH', `${path}/w/scale`, { spec: { replicas: 4 } }, MERGE);
  await api.call('scale: negative', 'PATCH', `${path}/w/scale`, { spec: { replicas: -1 } }, MERGE);
  await api.call('after scaling', 'GET', `${path}/w`);
  void group;
}

async function applied(api: ApiCaller, group: string, path: string): Promise<void> {
  const widget = (spec: object): object => ({
    apiVersion: `${group}/v1`,
    kind: 'Widget',
    metadata: { name: 'a' },
    spec,
  });
  const apply = (name: string, manager: string, spec: object, query = ''): Promise<unknown> =>
    api.call(name, 'PATCH', `${path}/a?fieldManager=${manager}${query}`, widget(spec), APPLY);
  await apply('apply creates', 'first', { size: 1, items: [{ key: 'a', value: '1' }], tags: ['x'] });
  await apply('another manager adds items', 'second', { size: 1, items: [{ key: 'b' }], tags: ['y'] });
  await apply('a conflict in an item', 'second', { items: [{ key: 'a', value: '2' }] });
  await apply('an item goes', 'first', { size: 1, tags: ['x'] });
  await apply('an invalid apply', 'first', { size: 99 });
  await apply('an unknown field', 'first', { size: 1, unknown: 1 });
}

async function versions(api: ApiCaller, group: string, namespace: string, name: string): Promise<void> {
  const path = `/apis/${group}/v1beta1/namespaces/${namespace}/widgets`;
  await api.call('the other version', 'GET', `${path}/w`);
  await api.call('create in the other version', 'POST', path, {
    apiVersion: `${group}/v1beta1`,
    kind: 'Widget',
    metadata: { name: 'beta' },
    spec: { size: 2, more: 'kept here' },
  });
  await api.call('read in the storage version', 'GET', `/apis/${group}/v1/namespaces/${namespace}/widgets/beta`);
  await api.call('a body in a version of another path', 'POST', path, {
    apiVersion: `${group}/v1`,
    kind: 'Widget',
    metadata: { name: 'mixed' },
    spec: { size: 2 },
  });
  await api.call('a version that is not served', 'GET', `/apis/${group}/v2/namespaces/${namespace}/widgets`);
  await api.call('the definition at the end', 'GET', `${DEFINITIONS}/${name}`);
}
