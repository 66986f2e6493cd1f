/** Lists: selectors, pages, resource versions, tables, metadata only. */
import type { Cases } from '../program.ts';

export const listCases: Cases = async (api, { namespace }) => {
  const path = `/api/v1/namespaces/${namespace}/secrets`;
  for (const [name, labels, type] of [
    ['a', { tier: 'front', env: 'prod' }, 'Opaque'],
    ['b', { tier: 'back', env: 'prod' }, 'example.com/special'],
    ['c', { tier: 'back', env: 'test' }, 'Opaque'],
    ['d', {}, 'Opaque'],
  ] as const) {
    await api.send('POST', path, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, labels },
      type,
      data: { k: 'dg==' },
    });
  }
  const names = (body: unknown): unknown => {
    const list = body as {
      kind: string;
      items?: { metadata: { name: string } }[];
      metadata: { continue?: string; remainingItemCount?: number };
    };
    if (list.items === undefined) return body;
    return {
      kind: list.kind,
      items: list.items.map((item) => item.metadata.name),
      more: list.metadata.continue !== undefined,
      remaining: list.metadata.remainingItemCount ?? null,
    };
  };
  const list = (name: string, query: string): Promise<Record<string, unknown>> =>
    api.call(name, 'GET', `${path}?${query}`, undefined, { keep: names });
  await api.call('all, whole', 'GET', path);
  for (const selector of [
    'tier=front',
    'tier==back',
    'tier!=back',
    'tier in (front,back)',
    'tier notin (front)',
    'tier',
    '!tier',
    'tier=back,env=test',
    'env in (prod),tier!=front',
    'tier>1',
    'tier=',
    'tier in ()',
    '=x',
    'bad key!=x',
    'tier=bad value!',
    'a b',
  ]) {
    await list(`label selector ${selector}`, `labelSelector=${encodeURIComponent(selector)}`);
  }
  for (const selector of [
    'metadata.name=a',
    'metadata.name!=a',
    'type=Opaque',
    'type!=Opaque,metadata.name=b',
    `metadata.namespace=${namespace}`,
    'data.k=v',
    'metadata.name',
    'metadata.name==b',
  ]) {
    await list(`field selector ${selector}`, `fieldSelector=${encodeURIComponent(selector)}`);
  }
  await list('first page', 'limit=2');
  const first = await api.send('GET', `${path}?limit=3`);
  const token = (JSON.parse(first.text) as { metadata: { continue: string } }).metadata.continue;
  await api.send('DELETE', `${path}/d`);
  await list('second page shows the moment of the first', `limit=3&continue=${encodeURIComponent(token)}`);
  await list('a page with a selector', `limit=1&labelSelector=env%3Dprod`);
  await list('a broken continue token', 'limit=3&continue=nonsense');
  await list('a continue token with a version', `limit=3&continue=${encodeURIComponent(token)}&resourceVersion=5`);
  await list('a bad limit', 'limit=nonsense');
  await list('version zero', 'resourceVersion=0');
  await list('a bad version', 'resourceVersion=nonsense');
  await list('a match without a version', 'resourceVersionMatch=Exact');
  await list('an unknown match', 'resourceVersion=1&resourceVersionMatch=Nonsense');
  await list('exactly version zero', 'resourceVersion=0&resourceVersionMatch=Exact');
  await list('not older than version one', 'resourceVersion=1&resourceVersionMatch=NotOlderThan');
  await list('a version from the future', 'resourceVersion=999999999');
  await tables(api, namespace, path);
};

async function tables(api: Parameters<Cases>[0], namespace: string, path: string): Promise<void> {
  const table = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' };
  const cells = (body: unknown): unknown => {
    const found = body as {
      columnDefinitions?: { name: string; type: string; format: string; priority: number }[];
      rows?: { cells: unknown[] }[];
    };
    if (found.columnDefinitions === undefined) return body;
    return {
      columns: found.columnDefinitions.map((column) => [column.name, column.type, column.format, column.priority]),
      // Ages depend on the moment.
      rows: found.rows?.map((row) =>
        row.cells.map((cell) =>
          typeof cell === 'string' && /^(\d+[smh])+$/.test(cell)
            ? '<age>'
            : typeof cell === 'string' && /^\d+\.\d+\.\d+\.\d+$/.test(cell)
              ? '<ip>'
              : cell,
        ),
      ),
    };
  };
  await api.call('a table', 'GET', path, undefined, { ...table, keep: cells });
  await api.call('a table of one', 'GET', `${path}/a`, undefined, { ...table, keep: cells });
  await api.call('a whole table row', 'GET', `${path}/a`, undefined, {
    ...table,
    keep: (body) => (body as { rows: unknown[] }).rows?.map((row) => ({ ...(row as object), cells: [] })),
  });
  await api.call('a table row without an object', 'GET', `${path}/a?includeObject=None`, undefined, {
    ...table,
    keep: (body) => (body as { rows: unknown[] }).rows?.map((row) => Object.keys(row as object)),
  });
  await api.call('metadata only', 'GET', path, undefined, {
    accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io',
  });
  await api.call('metadata of one', 'GET', `${path}/a`, undefined, {
    accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io',
  });
  await api.send('POST', `/api/v1/namespaces/${namespace}/services`, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 's' },
    spec: {
      selector: { app: 's', z: '1' },
      ports: [{ port: 80 }, { name: 'b', port: 81, protocol: 'UDP' }].map((port, index) => ({
        name: `p${index}`,
        ...port,
      })),
    },
  });
  await api.call('a table of services', 'GET', `/api/v1/namespaces/${namespace}/services`, undefined, {
    ...table,
    keep: cells,
  });
  await api.send('POST', `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`, {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'l' },
    spec: { holderIdentity: 'me' },
  });
  await api.call('a table of leases', 'GET', `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`, undefined, {
    ...table,
    keep: cells,
  });
  await api.send('POST', `/api/v1/namespaces/${namespace}/pods`, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: {
      schedulerName: 'nobody',
      automountServiceAccountToken: false,
      containers: [
        { name: 'c', image: 'c:1' },
        { name: 'd', image: 'd:1' },
      ],
    },
  });
  await api.call('a table of pods', 'GET', `/api/v1/namespaces/${namespace}/pods`, undefined, {
    ...table,
    keep: cells,
  });
  await api.call(
    'a table of namespaces',
    'GET',
    `/api/v1/namespaces?fieldSelector=metadata.name%3D${namespace}`,
    undefined,
    { ...table, keep: cells },
  );
}
