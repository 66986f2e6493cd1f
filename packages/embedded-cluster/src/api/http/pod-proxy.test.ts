import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import type { TestContext } from 'node:test';
import type { ApiServer } from '../server.ts';
import { adminOf, get, startServer } from '../testing/https-client.ts';

const PODS = { group: '', version: 'v1', plural: 'pods' };
const ACCOUNTS = { group: '', version: 'v1', plural: 'serviceaccounts' };

/** A program of a pod; resolves with its port. */
async function program(t: TestContext, listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  t.after(() => (server.close(), server.closeAllConnections()));
  return (server.address() as AddressInfo).port;
}

/** A pod `web` whose container declares `ports`; without an address it has not started. */
async function createPod(
  server: ApiServer,
  ports: readonly { readonly name?: string; readonly containerPort: number }[],
  podIP?: string,
): Promise<void> {
  await server.client().create(ACCOUNTS, {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'default', namespace: 'default' },
  });
  const pod = await server.client().create(PODS, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'default' },
    spec: { containers: [{ name: 'web', image: 'web', ports }] },
  });
  if (podIP !== undefined) await server.client().updateStatus(PODS, { ...pod, status: { phase: 'Running', podIP } });
}

function proxied(server: ApiServer, pod: string, path = ''): Promise<{ code: number; text: string }> {
  return get(server, `/api/v1/namespaces/default/pods/${pod}/proxy${path}`, adminOf(server));
}

test('a GET reaches the port by number, by name, or the first one, with its path and answer', async (t) => {
  await using server = await startServer();
  const port = await program(t, (request, response) => {
    response.writeHead(request.url === '/metrics' ? 200 : 404, { 'content-type': 'text/plain' });
    response.end(`you asked for ${request.url ?? ''}`);
  });
  await createPod(server, [{ name: 'admin', containerPort: port }, { containerPort: 1 }], '127.0.0.1');
  for (const pod of [`web:${port}`, 'web:admin', 'web'])
    assert.deepEqual(await proxied(server, pod, '/metrics'), { code: 200, text: 'you asked for /metrics' });
  assert.deepEqual(await proxied(server, 'web', '/else'), { code: 404, text: 'you asked for /else' });
});

test('what cannot be reached is told by code and cause', async () => {
  await using server = await startServer();
  assert.equal((await proxied(server, 'nobody:80')).code, 404);
  await createPod(server, [{ containerPort: 1 }]);
  const early = await proxied(server, 'web');
  assert.equal(early.code, 503);
  assert.match(early.text, /pod web has no IP yet/);
  const pod = await server.client().get(PODS, 'default', 'web');
  await server.client().updateStatus(PODS, { ...pod, status: { phase: 'Running', podIP: '127.0.0.1' } });
  const refused = await proxied(server, 'web:1');
  assert.equal(refused.code, 503);
  assert.match(refused.text, /error trying to reach service: .*ECONNREFUSED/);
  for (const port of ['0', '65536']) assert.equal((await proxied(server, `web:${port}`)).code, 400);
});

test("a program that ends its answer half-way ends the client's, too", async (t) => {
  await using server = await startServer();
  const port = await program(t, (_request, response) => {
    response.writeHead(200, { 'transfer-encoding': 'chunked' });
    response.write('half');
    setImmediate(() => response.destroy());
  });
  await createPod(server, [{ containerPort: port }], '127.0.0.1');
  await assert.rejects(proxied(server, 'web'), { code: 'ECONNRESET' });
});
