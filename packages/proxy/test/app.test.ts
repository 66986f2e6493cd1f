/** Whole sidecars in one process: real control-plane streams, real certificates, real sockets. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { until } from '@mesh/control-client/testing';
import { createNodeDriver } from '@mesh/net';
import { systemClock } from '@mesh/runtime';
import { ProxyApp } from '../src/app.ts';
import { parseProxyConfig } from '../src/config/config.ts';
import { endpoint, proxyEnv, startPlane, TRUST_DOMAIN } from './control-plane-fixture.ts';
import type { Plane } from './control-plane-fixture.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

/** Connections accepted by outbound listeners were meant for this Service. */
const SERVICE = { ip: '10.0.0.80', port: 80 };

async function plane(): Promise<Plane> {
  const started = await startPlane();
  cleanups.push(() => started.plane.stop());
  return started;
}

async function createProxy(
  control: Plane,
  serviceAccount: string,
  more: Readonly<Record<string, string>> = {},
): Promise<ProxyApp> {
  const folder = await mkdtemp(join(tmpdir(), 'mesh-proxy-'));
  cleanups.push(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'token'), 'token');
  const env = { ...proxyEnv(control, serviceAccount, join(folder, 'token')), ...more };
  const app: ProxyApp = new ProxyApp(parseProxyConfig(env), {
    driver: createNodeDriver({
      originalDst: (_, local) => (local.port === app.addresses.inbound.port ? local : SERVICE),
    }),
    clock: systemClock,
    sink: () => undefined,
    env,
    version: 'test',
  });
  cleanups.push(() => app[Symbol.asyncDispose]());
  return app;
}

async function application(): Promise<{
  readonly port: number;
  readonly seen: IncomingHttpHeaders[];
  readonly server: Server;
}> {
  const seen: IncomingHttpHeaders[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers);
    setTimeout(() => response.end(`hello ${request.url ?? ''}`), request.url === '/slow' ? 200 : 0);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => server.close());
  cleanups.push(() => server.closeAllConnections());
  return { port: (server.address() as AddressInfo).port, seen, server };
}

function ask(port: number, path: string, method = 'GET'): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { port, path, method, agent: false, headers: { host: 'catalog.shop', 'l5d-client-id': 'spoofed' } },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => (body += part));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      },
    );
    request.on('error', reject);
    request.end();
  });
}

test('a pair of sidecars carries requests under mTLS, and each end knows the other’s identity', async () => {
  const control = await plane();
  const app = await application();
  const [client, server] = [await createProxy(control, 'web'), await createProxy(control, 'catalog')];
  await Promise.all([client.start(), server.start()]);
  const transportPort = server.addresses.inbound.port;
  control.endpoints = [endpoint(app.port, { identity: `catalog.shop.${TRUST_DOMAIN}`, transportPort })];
  assert.deepEqual(await ask(client.addresses.outbound[0]?.port ?? 0, '/a'), { status: 200, body: 'hello /a' });
  assert.equal(app.seen[0]?.['l5d-client-id'], `web.shop.${TRUST_DOMAIN}`);
  const outbound = await ask(client.addresses.admin.port, '/metrics');
  assert.match(
    outbound.body,
    /request_total\{direction="outbound",[^}]*tls="true",[^}]*server_id="catalog\.shop\.[^}]*\} 1\n/,
  );
  assert.match(outbound.body, /control_identity_cert_refreshes_total\{result="ok"\} 1\n/);
  const inbound = await ask(server.addresses.admin.port, '/metrics');
  assert.match(inbound.body, /request_total\{direction="inbound",[^}]*client_id="web\.shop\.[^}]*\} 1\n/);
});

test('a server with another identity than discovery named gets no request', async () => {
  const control = await plane();
  const app = await application();
  const [client, server] = [await createProxy(control, 'web'), await createProxy(control, 'impostor')];
  await Promise.all([client.start(), server.start()]);
  const transportPort = server.addresses.inbound.port;
  control.endpoints = [endpoint(app.port, { identity: `catalog.shop.${TRUST_DOMAIN}`, transportPort })];
  const { status } = await ask(client.addresses.outbound[0]?.port ?? 0, '/a');
  assert.ok(status >= 502, String(status));
  assert.equal(app.seen.length, 0);
});

test('until there is an identity the proxy is alive, not ready, and serves nothing', async () => {
  const control = await plane();
  const { certify } = control.plane;
  control.plane.certify = () => Promise.reject(Object.assign(new Error('issuer not loaded'), { code: 14 }));
  const proxy = await createProxy(control, 'web');
  const starting = proxy.start();
  await until('the admin port', () => proxyAdminPort(proxy) !== 0);
  const port = proxyAdminPort(proxy);
  assert.equal((await ask(port, '/live')).status, 200);
  assert.equal((await ask(port, '/ready')).status, 503);
  control.plane.certify = certify;
  await starting;
  assert.equal((await ask(port, '/ready')).status, 200);
});

function proxyAdminPort(proxy: ProxyApp): number {
  return proxy.adminAddress.port;
}

test('it serves only once the policies of its ports are known, and does not wait for ever', async () => {
  const control = await plane();
  const { watchPort } = control.plane;
  const held: Parameters<typeof watchPort>[0][] = [];
  control.plane.watchPort = (stream) => void held.push(stream);
  const proxy = await createProxy(control, 'web', { LINKERD2_PROXY_INBOUND_PORTS: '8080' });
  let started = false;
  const starting = proxy.start().then(() => (started = true));
  await until('both watches', () => held.length === 2);
  await until('the certificate', () => proxy.registry.expose().includes('cert_refreshes_total{result="ok"} 1'));
  assert.equal(started, false);
  for (const stream of held) watchPort(stream);
  await starting;
  const late = await createProxy(control, 'web', { LINKERD2_PROXY_INBOUND_PORTS: '8080' });
  await late.start();
});

test('it goes on serving with what it knows while the control plane is away', async () => {
  const control = await plane();
  const app = await application();
  const proxy = await createProxy(control, 'web');
  await proxy.start();
  control.endpoints = [endpoint(app.port)];
  const port = proxy.addresses.outbound[0]?.port ?? 0;
  assert.equal((await ask(port, '/a')).status, 200);
  await control.plane.stop();
  assert.equal((await ask(port, '/b')).body, 'hello /b');
});

test('asked to stop, it takes no new connections and lets requests in flight end', async () => {
  const control = await plane();
  const app = await application();
  const proxy = await createProxy(control, 'web');
  await proxy.start();
  control.endpoints = [endpoint(app.port)];
  const port = proxy.addresses.outbound[0]?.port ?? 0;
  const slow = ask(port, '/slow');
  await until('the request at the application', () => app.seen.length === 1);
  assert.equal((await ask(proxy.addresses.admin.port, '/shutdown', 'POST')).status, 200);
  assert.equal(await proxy.whenShutdown(), 'admin request');
  const drained = proxy.drain();
  await assert.rejects(ask(port, '/late'));
  assert.deepEqual(await slow, { status: 200, body: 'hello /slow' });
  await drained;
});

test('a shutdown during the start ends it', async () => {
  const control = await plane();
  control.plane.certify = () => Promise.reject(Object.assign(new Error('never'), { code: 14 }));
  const proxy = await createProxy(control, 'web');
  const starting = proxy.start();
  proxy.requestShutdown('SIGTERM');
  await assert.rejects(starting, { name: 'AbortError' });
});
