/** JSON, merge and strategic merge patches. */
import type { Cases } from '../program.ts';

const JSON_PATCH = { contentType: 'application/json-patch+json' };
const MERGE = { contentType: 'application/merge-patch+json' };
const STRATEGIC = { contentType: 'application/strategic-merge-patch+json' };

export const patchCases: Cases = async (api, { namespace }) => {
  const maps = `/api/v1/namespaces/${namespace}/configmaps`;
  await api.call('create', 'POST', maps, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'p', labels: { a: '1' } },
    data: { x: '1', y: '2' },
  });
  await api.call(
    'json: add, replace, remove, copy, move, test',
    'PATCH',
    `${maps}/p`,
    [
      { op: 'test', path: '/data/x', value: '1' },
      { op: 'add', path: '/data/z', value: '3' },
      { op: 'replace', path: '/data/x', value: '9' },
      { op: 'copy', from: '/data/z', path: '/data/c' },
      { op: 'move', from: '/data/c', path: '/data/m' },
      { op: 'remove', path: '/data/y' },
      { op: 'add', path: '/metadata/labels/with~1slash', value: 'v' },
    ],
    JSON_PATCH,
  );
  await api.call(
    'json: a failing test',
    'PATCH',
    `${maps}/p`,
    [{ op: 'test', path: '/data/x', value: 'no' }],
    JSON_PATCH,
  );
  await api.call(
    'json: remove what is missing',
    'PATCH',
    `${maps}/p`,
    [{ op: 'remove', path: '/data/none' }],
    JSON_PATCH,
  );
  await api.call(
    'json: replace what is missing',
    'PATCH',
    `${maps}/p`,
    [{ op: 'replace', path: '/data/none', value: 'x' }],
    JSON_PATCH,
  );
  await api.call(
    'json: add below what is missing',
    'PATCH',
    `${maps}/p`,
    [{ op: 'add', path: '/none/deep', value: 'x' }],
    JSON_PATCH,
  );
  await api.call('json: an unknown operation', 'PATCH', `${maps}/p`, [{ op: 'paint', path: '/data/x' }], JSON_PATCH);
  await api.call('json: not a list', 'PATCH', `${maps}/p`, { op: 'add' }, JSON_PATCH);
  await api.call('json: broken', 'PATCH', `${maps}/p`, '[{', JSON_PATCH);
  await api.call(
    'merge: change and remove',
    'PATCH',
    `${maps}/p`,
    { data: { x: null, n: 'new' }, metadata: { labels: { a: null, b: '2' } } },
    MERGE,
  );
  await api.call('merge: nothing', 'PATCH', `${maps}/p`, {}, MERGE);
  await api.call('merge: broken', 'PATCH', `${maps}/p`, '{', MERGE);
  await api.call('merge: another name', 'PATCH', `${maps}/p`, { metadata: { name: 'q' } }, MERGE);
  await api.call('merge: another namespace', 'PATCH', `${maps}/p`, { metadata: { namespace: 'q' } }, MERGE);
  await api.call(
    'merge: an old version',
    'PATCH',
    `${maps}/p`,
    { metadata: { resourceVersion: '1' }, data: { old: '1' } },
    MERGE,
  );
  await api.call('merge: a wrong type', 'PATCH', `${maps}/p`, { data: { x: 5 } }, MERGE);
  await api.call(
    'merge: an unknown field, strict',
    'PATCH',
    `${maps}/p?fieldValidation=Strict`,
    { nonsense: 1 },
    MERGE,
  );
  await api.call('merge: what is missing', 'PATCH', `${maps}/missing`, { data: {} }, MERGE);
  await api.call('merge: dry', 'PATCH', `${maps}/p?dryRun=All`, { data: { dry: '1' } }, MERGE);
  await api.call('an unknown patch type', 'PATCH', `${maps}/p`, {}, { contentType: 'application/json' });
  await api.call('force without apply', 'PATCH', `${maps}/p?force=true`, {}, MERGE);
  await templates(api, `/api/v1/namespaces/${namespace}/podtemplates`);
};

/** A pod template is a pod's shape that no controller touches. */
async function templates(api: Parameters<Cases>[0], path: string): Promise<void> {
  await api.call('create a pod template', 'POST', path, {
    apiVersion: 'v1',
    kind: 'PodTemplate',
    metadata: { name: 't', finalizers: ['example.com/a'] },
    template: {
      metadata: { labels: { app: 't' } },
      spec: {
        containers: [
          {
            name: 'one',
            image: 'one:1',
            env: [
              { name: 'A', value: '1' },
              { name: 'B', value: '2' },
            ],
            ports: [{ containerPort: 80 }, { containerPort: 81 }],
          },
          { name: 'two', image: 'two:1', args: ['x', 'y'] },
        ],
        volumes: [{ name: 'v', emptyDir: {} }],
        tolerations: [{ key: 'k', operator: 'Exists' }],
      },
    },
  });
  const spec = (value: object): object => ({ template: { spec: value } });
  await api.call(
    'strategic: a container by name',
    'PATCH',
    `${path}/t`,
    spec({ containers: [{ name: 'one', image: 'one:2' }] }),
    STRATEGIC,
  );
  await api.call(
    'strategic: a new container and an env by name',
    'PATCH',
    `${path}/t`,
    spec({
      containers: [
        { name: 'three', image: 'three:1' },
        {
          name: 'one',
          env: [
            { name: 'B', value: '3' },
            { name: 'C', value: '4' },
          ],
        },
      ],
    }),
    STRATEGIC,
  );
  await api.call(
    'strategic: delete a container',
    'PATCH',
    `${path}/t`,
    spec({ containers: [{ name: 'three', $patch: 'delete' }] }),
    STRATEGIC,
  );
  await api.call(
    'strategic: replace a list',
    'PATCH',
    `${path}/t`,
    spec({ containers: [{ name: 'one', env: [{ $patch: 'replace' }, { name: 'Z', value: '0' }] }] }),
    STRATEGIC,
  );
  await api.call(
    'strategic: an atomic list',
    'PATCH',
    `${path}/t`,
    spec({ containers: [{ name: 'two', args: ['z'] }] }),
    STRATEGIC,
  );
  await api.call(
    'strategic: element order',
    'PATCH',
    `${path}/t`,
    spec({
      $setElementOrder: undefined,
      '$setElementOrder/containers': [{ name: 'two' }, { name: 'one' }],
      containers: [{ name: 'two', image: 'two:2' }],
    }),
    STRATEGIC,
  );
  await api.call(
    'strategic: retain keys of a volume',
    'PATCH',
    `${path}/t`,
    spec({ volumes: [{ name: 'v', $retainKeys: ['name', 'configMap'], configMap: { name: 'c' } }] }),
    STRATEGIC,
  );
  await api.call(
    'strategic: delete from a primitive list',
    'PATCH',
    `${path}/t`,
    { metadata: { '$deleteFromPrimitiveList/finalizers': ['example.com/a'] } },
    STRATEGIC,
  );
  await api.call(
    'strategic: add to a primitive list',
    'PATCH',
    `${path}/t`,
    { metadata: { finalizers: ['example.com/b', 'example.com/c'] } },
    STRATEGIC,
  );
  await api.call(
    'strategic: remove a map member',
    'PATCH',
    `${path}/t`,
    { template: { metadata: { labels: { app: null } } } },
    STRATEGIC,
  );
  await api.call(
    'strategic: an item without its key',
    'PATCH',
    `${path}/t`,
    spec({ containers: [{ image: 'x' }] }),
    STRATEGIC,
  );
  await api.call(
    'strategic: an unknown directive',
    'PATCH',
    `${path}/t`,
    spec({ containers: [{ name: 'one', $patch: 'paint' }] }),
    STRATEGIC,
  );
  await api.call(
    'strategic: invalid result',
    'PATCH',
    `${path}/t`,
    spec({ containers: [{ name: 'Bad_Name', image: 'x' }] }),
    STRATEGIC,
  );
  await api.call('let the template go', 'PATCH', `${path}/t`, { metadata: { finalizers: null } }, MERGE);
  await api.call('delete the template', 'DELETE', `${path}/t`);
}
