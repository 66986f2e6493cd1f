/** Server-side apply: ownership, conflicts, force, release. */
import type { Cases } from '../program.ts';

const APPLY = { contentType: 'application/apply-patch+yaml' };
const MERGE = { contentType: 'application/merge-patch+json' };

export const applyCases: Cases = async (api, { namespace }) => {
  const maps = `/api/v1/namespaces/${namespace}/configmaps`;
  const map = (data: object | undefined, metadata: object = {}): object => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'a', ...metadata },
    ...(data === undefined ? {} : { data }),
  });
  const apply = (name: string, manager: string, body: unknown, query = ''): Promise<unknown> =>
    api.call(name, 'PATCH', `${maps}/a?fieldManager=${manager}${query}`, body, APPLY);
  await apply('apply creates', 'first', map({ x: '1', y: '1' }, { labels: { l: '1' } }));
  await apply('apply the same', 'first', map({ x: '1', y: '1' }, { labels: { l: '1' } }));
  await apply('apply a change', 'first', map({ x: '2', y: '1' }, { labels: { l: '1' } }));
  await apply('another manager, other fields', 'second', map({ z: '1' }));
  await apply('another manager, the same value', 'second', map({ z: '1', x: '2' }));
  await apply('a conflict', 'second', map({ z: '1', y: '2' }));
  await apply('two conflicts', 'third', map({ x: '3', y: '3' }));
  await apply('force', 'second', map({ z: '1', y: '2' }, { labels: { l: '2' } }), '&force=true');
  await apply('release a field', 'second', map({ z: '1' }));
  await apply('release a shared field', 'first', map({ x: '2' }));
  await api.call(
    'a merge patch takes ownership',
    'PATCH',
    `${maps}/a?fieldManager=editor`,
    { data: { x: 'edited', e: '1' } },
    MERGE,
  );
  await apply('apply against an edit', 'first', map({ x: '2' }));
  await apply('apply dry', 'first', map({ dry: '1' }), '&force=true&dryRun=All');
  await api.call('without a field manager', 'PATCH', `${maps}/a`, map({}), APPLY);
  await apply('with managed fields', 'first', map({}, { managedFields: [{ manager: 'x' }] }));
  await apply('another name', 'first', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'b' } });
  await apply('another kind', 'first', { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'a' } });
  await apply('without a kind', 'first', { apiVersion: 'v1', metadata: { name: 'a' } });
  await apply('an unknown field', 'first', {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'a' },
    nonsense: 1,
  });
  await apply('a wrong version', 'first', map({ x: '2' }, { resourceVersion: '1' }), '&force=true');
  await apply('not an object', 'first', '[1]');
  await apply('YAML', 'yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  yaml: "1"\n');
  await api.call('reset managed fields', 'PATCH', `${maps}/a`, { metadata: { managedFields: [{}] } }, MERGE);
  await services(api, `/api/v1/namespaces/${namespace}/services`);
  await templates(api, `/api/v1/namespaces/${namespace}/podtemplates`);
};

/** Ports are a list map with two keys; one of them has a default. */
async function services(api: Parameters<Cases>[0], path: string): Promise<void> {
  const service = (ports: readonly object[], more: object = {}): object => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 's' },
    spec: { selector: { app: 's' }, ports, ...more },
  });
  const apply = (name: string, manager: string, body: unknown, query = ''): Promise<unknown> =>
    api.call(name, 'PATCH', `${path}/s?fieldManager=${manager}${query}`, body, APPLY);
  await apply(
    'a service',
    'first',
    service([
      { name: 'a', port: 80, protocol: 'TCP' },
      { name: 'b', port: 81, targetPort: 'web', protocol: 'TCP' },
    ]),
  );
  await apply('another manager adds a port', 'second', service([{ name: 'c', port: 82, protocol: 'TCP' }]));
  await apply(
    'a conflict in a list item',
    'second',
    service([
      { name: 'c', port: 82, protocol: 'TCP' },
      { name: 'other', port: 80, protocol: 'TCP' },
    ]),
  );
  await apply('a port goes', 'first', service([{ name: 'a', port: 80, protocol: 'TCP' }]));
  await apply(
    'the same key twice',
    'first',
    service([
      { name: 'a', port: 80, protocol: 'TCP' },
      { name: 'b', port: 80, protocol: 'TCP' },
    ]),
  );
  await api.call(
    'status by apply',
    'PATCH',
    `${path}/s/status?fieldManager=balancer`,
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 's' },
      status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } },
    },
    APPLY,
  );
}

async function templates(api: Parameters<Cases>[0], path: string): Promise<void> {
  const template = (spec: object, metadata: object = {}): object => ({
    apiVersion: 'v1',
    kind: 'PodTemplate',
    metadata: { name: 't', ...metadata },
    template: { spec },
  });
  const apply = (name: string, manager: string, body: unknown, query = ''): Promise<unknown> =>
    api.call(name, 'PATCH', `${path}/t?fieldManager=${manager}${query}`, body, APPLY);
  await apply(
    'a template',
    'first',
    template(
      { containers: [{ name: 'one', image: 'one:1', args: ['a', 'b'], env: [{ name: 'A', value: '1' }] }] },
      { finalizers: ['example.com/a'] },
    ),
  );
  await apply(
    'another manager adds a container and a finalizer',
    'second',
    template({ containers: [{ name: 'two', image: 'two:1' }] }, { finalizers: ['example.com/b'] }),
  );
  await apply(
    'another manager adds to a container',
    'second',
    template({
      containers: [
        { name: 'two', image: 'two:1' },
        { name: 'one', env: [{ name: 'B', value: '2' }] },
      ],
    }),
  );
  await apply('a conflict in an atomic list', 'second', template({ containers: [{ name: 'one', args: ['c'] }] }));
  await apply('the first lets its container go', 'first', template({ containers: [{ name: 'one', image: 'one:1' }] }));
}
