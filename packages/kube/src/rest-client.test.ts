import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeClient } from './client.ts';
import type { Service } from './core-types.ts';
import { isKubeError } from './errors.ts';
import { LINKS, NAMESPACES, SERVICES } from './kinds.ts';
import { kubeConfigText, loadKubeConfig } from './kubeconfig.ts';
import { createKubeClient } from './rest-client.ts';
import { FakeApiServer } from './testing/fake-api-server.ts';
import { FakeApi } from './testing/fake-api.ts';

async function setup(
  options: { token?: string } = {},
): Promise<{ server: FakeApiServer; client: KubeClient; api: FakeApi } & AsyncDisposable> {
  const api = new FakeApi();
  const server = new FakeApiServer(api, { token: () => 'right' });
  await server.start();
  const text = kubeConfigText({ name: 'west', server: server.url, caPem: undefined, token: options.token ?? 'right' });
  const client = createKubeClient(loadKubeConfig({ text }), { requestTimeoutMs: 2000 });
  return {
    server,
    client,
    api,
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

function service(name: string, port = 80): Service {
  return { metadata: { name, namespace: 'shop' }, spec: { ports: [{ port }] } };
}

test('objects are created, read, replaced, patched and deleted', async () => {
  await using context = await setup();
  const { client } = context;
  const created = await client.create(SERVICES, service('catalog'));
  assert.equal(created.apiVersion, 'v1');
  assert.ok(created.metadata.uid);
  const read = await client.get(SERVICES, { namespace: 'shop', name: 'catalog' });
  assert.deepEqual(read, created);
  const replaced = await client.replace(SERVICES, { ...created, spec: { ports: [{ port: 81 }] } });
  await assert.rejects(client.replace(SERVICES, created), (error) => isKubeError(error, 'conflict'));
  const body = { metadata: { labels: { a: 'b' } } };
  const patched = await client.patch(SERVICES, replaced.metadata, { type: 'merge', body });
  assert.equal(patched.metadata.labels?.['a'], 'b');
  await assert.rejects(client.create(SERVICES, service('catalog')), (error) => isKubeError(error, 'already_exists'));
  await assert.rejects(client.delete(SERVICES, created.metadata, { preconditions: { uid: 'other' } }), (error) =>
    isKubeError(error, 'conflict'),
  );
  assert.equal(await client.delete(SERVICES, created.metadata), true);
  assert.equal(await client.delete(SERVICES, created.metadata), false);
  assert.equal(await client.get(SERVICES, created.metadata), undefined);
});

test('server-side apply creates, keeps the fields of others, and names conflicts', async () => {
  await using context = await setup();
  const { client } = context;
  await client.apply(SERVICES, service('catalog', 80), { fieldManager: 'one' });
  await assert.rejects(client.apply(SERVICES, service('catalog', 81), { fieldManager: 'two' }), (error) => {
    assert.ok(isKubeError(error, 'conflict'));
    assert.match(error.message, /conflict with "one"/);
    return true;
  });
  const forced = await client.apply(SERVICES, service('catalog', 81), { fieldManager: 'two', force: true });
  assert.equal(forced.spec?.ports?.[0]?.port, 81);
});

test('the status is written through its subresource only', async () => {
  await using context = await setup();
  const { client } = context;
  const link = await client.create(LINKS, {
    metadata: { name: 'west', namespace: 'mc' },
    spec: { targetClusterName: 'west' },
  });
  const withStatus = { ...link, status: { conditions: [] }, spec: { targetClusterName: 'other' } };
  const status = await client.replaceStatus(LINKS, withStatus);
  assert.equal(status.spec.targetClusterName, 'west');
  assert.deepEqual(status.status, { conditions: [] });
  assert.equal(status.metadata.generation, 1);
});

test('lists are fetched in chunks and carry types', async () => {
  await using context = await setup();
  const { client, api } = context;
  for (let index = 0; index < 1201; index += 1) api.seed(SERVICES, service(`s${index}`));
  const { items, resourceVersion } = await client.list(SERVICES, { namespace: 'shop' });
  assert.equal(items.length, 1201);
  assert.equal(resourceVersion, '1201');
  assert.equal(items[0]?.kind, 'Service');
  assert.equal((await client.list(NAMESPACES)).items.length, 0);
});

test('a watch streams changes until its signal aborts', async () => {
  await using context = await setup();
  const { client, api } = context;
  const stop = new AbortController();
  const seen: string[] = [];
  api.seed(SERVICES, service('a'));
  await assert.rejects(
    (async () => {
      for await (const event of client.watch(SERVICES, { resourceVersion: '0', signal: stop.signal })) {
        seen.push(event.type === 'bookmark' ? 'bookmark' : `${event.type} ${event.object.metadata.name}`);
        if (seen.length === 1) api.seed(SERVICES, service('b'));
        if (seen.length === 2) api.bookmark();
        if (seen.length === 3) stop.abort();
      }
    })(),
    { name: 'AbortError' },
  );
  assert.deepEqual(seen, ['added a', 'added b', 'bookmark']);
});

test('an expired version is gone', async () => {
  await using context = await setup();
  const { client, api } = context;
  api.seed(SERVICES, service('a'));
  api.compact();
  const watch = client.watch(SERVICES, { resourceVersion: '1' })[Symbol.asyncIterator]();
  await assert.rejects(watch.next(), (error) => isKubeError(error, 'gone'));
});

test('refused credentials are named with the fix', async () => {
  await using context = await setup({ token: 'wrong' });
  await assert.rejects(context.client.list(SERVICES), (error) => {
    assert.ok(isKubeError(error, 'unauthorized'));
    assert.match(error.message, /renew them/);
    return true;
  });
});

test('a server that is not there is unreachable', async () => {
  const context = await setup();
  await context[Symbol.asyncDispose]();
  const text = kubeConfigText({ name: 'west', server: 'http://127.0.0.1:1', caPem: undefined, token: 't' });
  using client = createKubeClient(loadKubeConfig({ text }));
  await assert.rejects(client.get(SERVICES, { namespace: 'a', name: 'b' }), (error) => {
    assert.ok(isKubeError(error, 'unreachable'));
    assert.match(error.message, /services a\/b: the API server http:\/\/127\.0\.0\.1:1 cannot be reached/);
    return true;
  });
});

test('a silent server fails a request in time', async () => {
  await using context = await setup();
  context.api.delayMs = 400;
  const text = kubeConfigText({ name: 'west', server: context.server.url, caPem: undefined, token: 'right' });
  using client = createKubeClient(loadKubeConfig({ text }), { requestTimeoutMs: 50 });
  await assert.rejects(client.list(SERVICES), (error) => isKubeError(error, 'unreachable'));
});

test('raw answers whatever the server says', async () => {
  await using context = await setup();
  const { status, text } = await context.client.raw('/version');
  assert.equal(status, 200);
  assert.match(text, /gitVersion/);
});
