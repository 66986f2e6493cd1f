/** The proxy of an ingress: requests go where they say, connections where they were going. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { balanced, endpoint, endpointSet, outboundPolicy } from '../src/testing/fakes.ts';
import { h2App, H2Client } from './http2-harness.ts';
import { ask, httpApp, meshedEndpoint, RawClient, tcpApp, TestAnchor, TestProxy, until } from './harness.ts';

const ORIGINAL = 'original.ns.svc.cluster.local:80';
const SHOP = 'shop.ns.svc.cluster.local:80';
const OVERRIDE = 'l5d-dst-override';

async function ingress(ip: string): Promise<TestProxy> {
  return new TestProxy(ip, 'ingress', { ingress: true, informationalHeaders: false, discoveryTimeoutMs: 3000 }).start(
    await TestAnchor.create('root'),
  );
}

/** What the control plane says of a name. */
function name(proxy: TestProxy, path: string, ...endpoints: readonly ReturnType<typeof endpoint>[]): void {
  proxy.discovery.names.at(path).set(outboundPolicy(balanced(path)));
  proxy.endpoints.watch(path).set(endpointSet(...endpoints));
}

test('requests of one connection go where each of them says, and the others where the connection goes', async () => {
  const anchor = await TestAnchor.create('root');
  await using proxy = await new TestProxy('127.0.49.1', 'ingress', { ingress: true }).start(anchor);
  await using peer = await new TestProxy('127.0.49.2', 'shop').start(anchor);
  const seen: (string | undefined)[] = [];
  const plain = await httpApp('127.0.49.3', (req, res) => {
    seen.push(req.headers[OVERRIDE] as string | undefined);
    res.end('original');
  });
  const shop = await httpApp('127.0.49.2', (req, res) => {
    seen.push(req.headers[OVERRIDE] as string | undefined);
    res.end(`shop for ${req.headers.host} by ${String(req.headers['l5d-client-id'])}`);
  });
  proxy.routeTo(ORIGINAL, endpoint({ ip: '127.0.49.3', port: plain.port }));
  name(proxy, SHOP, meshedEndpoint(peer, shop.port));
  const raw = new RawClient(proxy.outbound);
  const request = (fields: string): string => `GET / HTTP/1.1\r\nHost: www.test\r\n${fields}\r\n`;
  raw.socket.write(
    request('L5d-Dst-Override: Shop.ns.svc.cluster.local.:80\r\n') + request('') + request(`${OVERRIDE}: ${SHOP}\r\n`),
  );
  await until('three answers', () => raw.text.split('HTTP/1.1 200').length === 4);
  const bodies = [...raw.text.matchAll(/original|shop for [^\r\n]*?local/g)].map(([body]) => body);
  assert.deepEqual(bodies, [
    `shop for www.test by ${proxy.identity.name}`,
    'original',
    `shop for www.test by ${proxy.identity.name}`,
  ]);
  assert.deepEqual(seen, [undefined, undefined, undefined], 'the field ends at the proxy');
  raw.socket.destroy();
  await Promise.all([plain.close(), shop.close()]);
});

test('a request waits for what the control plane says of its name, but not without end', async () => {
  await using proxy = await ingress('127.0.49.1');
  const app = await httpApp('127.0.49.2', (req, res) => {
    let body = '';
    req.on('data', (chunk: Buffer) => (body += chunk.toString()));
    req.on('end', () => res.end(body));
  });
  proxy.routeTo(ORIGINAL, endpoint({ ip: '127.0.49.2', port: 1 }));
  const late = await ask(proxy.outbound, { headers: { [OVERRIDE]: 'never.ns.svc.cluster.local' } });
  assert.equal(late.status, 504);
  assert.equal(late.headers['l5d-proxy-error'], undefined, 'strangers are not told of the mesh');
  const answer = ask(proxy.outbound, { method: 'POST', body: 'all of it', headers: { [OVERRIDE]: SHOP } });
  await until('asked about', () => proxy.discovery.names.at(SHOP).watchers > 0);
  name(proxy, SHOP, endpoint({ ip: '127.0.49.2', port: app.port }));
  assert.deepEqual([(await answer).status, (await answer).body], [200, 'all of it']);
  await app.close();
});

test('a name of nobody is a 404, what is no name a 400, and both leave the connection', async () => {
  await using proxy = await ingress('127.0.49.1');
  proxy.routeTo(ORIGINAL, endpoint({ ip: '127.0.49.2', port: 1 }));
  const nobody = 'nobody.ns.svc.cluster.local:80';
  proxy.discovery.names.at(nobody).set({ refused: 'no such destination' });
  const raw = new RawClient(proxy.outbound);
  const bad = ['', 'shop:0', 'shop:99999', 'shop:80x', 'a b', '10.1.2.3:80', '[::1]:80', `${SHOP}, ${SHOP}`];
  for (const value of bad) raw.socket.write(`GET / HTTP/1.1\r\nHost: a\r\n${OVERRIDE}: ${value}\r\n\r\n`);
  raw.socket.write(`GET / HTTP/1.1\r\nHost: a\r\n${OVERRIDE}: ${SHOP}\r\n${OVERRIDE}: other:80\r\n\r\n`);
  for (let count = 0; count < 2; count += 1)
    raw.socket.write(`GET / HTTP/1.1\r\nHost: a\r\n${OVERRIDE}: ${nobody}\r\n\r\n`);
  await until('all answers', () => raw.text.split('HTTP/1.1 ').length === bad.length + 4);
  const statuses = [...raw.text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
  assert.deepEqual(statuses, [...bad.map(() => '400'), '400', '404', '404']);
  assert.equal(raw.ended, false);
  assert.equal(proxy.metrics.sum('outbound_http_errors_total', { error: 'unknown_destination' }), 2);
  raw.socket.destroy();
});

test('a name that becomes somebody’s is found, although requests kept asking for it', async () => {
  await using proxy = await new TestProxy('127.0.49.1', 'ingress', {
    ingress: true,
    outboundIdleTimeoutMs: 20,
  }).start(await TestAnchor.create('root'));
  const app = await httpApp('127.0.49.2', (_req, res) => res.end('here'));
  proxy.routeTo(ORIGINAL, endpoint({ ip: '127.0.49.2', port: 1 }));
  const watched = proxy.discovery.names.at(SHOP);
  watched.set({ refused: 'no such destination' });
  const askShop = async (): Promise<number> => (await ask(proxy.outbound, { headers: { [OVERRIDE]: SHOP } })).status;
  assert.equal(await askShop(), 404);
  await until('let go', () => watched.releases > 0);
  name(proxy, SHOP, endpoint({ ip: '127.0.49.2', port: app.port }));
  const deadline = performance.now() + 20_000;
  while ((await askShop()) !== 200) assert.ok(performance.now() < deadline, 'the name is asked about once more');
  await app.close();
});

test('what is not HTTP goes where the connection goes', async () => {
  await using proxy = await ingress('127.0.49.1');
  const app = await tcpApp('127.0.49.2', (socket) => socket.pipe(socket));
  proxy.routeTo(ORIGINAL, endpoint({ ip: '127.0.49.2', port: app.port }));
  const raw = new RawClient(proxy.outbound);
  raw.socket.write('\u0001\u0002 anything but HTTP');
  await until('echoed', () => raw.text.length > 15);
  raw.socket.destroy();
  app.close();
});

test('other proxies leave the field alone', async () => {
  await using proxy = await new TestProxy('127.0.49.1', 'web').start(await TestAnchor.create('root'));
  const app = await httpApp('127.0.49.2', (req, res) => res.end(String(req.headers[OVERRIDE])));
  proxy.routeTo(ORIGINAL, endpoint({ ip: '127.0.49.2', port: app.port }));
  assert.equal((await ask(proxy.outbound, { headers: { [OVERRIDE]: SHOP } })).body, SHOP);
  await app.close();
});

test('what comes in to an ingress does not say where its requests go', async () => {
  await using proxy = await ingress('127.0.49.1');
  const app = await httpApp('127.0.49.1', (req, res) =>
    res.end(JSON.stringify([req.headers[OVERRIDE] ?? null, req.headers['x-other']])),
  );
  proxy.inboundDestination = { ip: '127.0.49.1', port: app.port };
  const answer = await ask(proxy.inbound, { headers: { [OVERRIDE]: SHOP, 'x-other': 'kept' } });
  assert.equal(answer.body, '[null,"kept"]');
  await app.close();
});

test('streams of one HTTP/2 connection go where each of them says, and wait without holding up each other', async () => {
  await using proxy = await ingress('127.0.49.1');
  const seen: unknown[] = [];
  const here = async (text: string) =>
    h2App('127.0.49.2', (stream, headers) => {
      seen.push(headers[OVERRIDE]);
      stream.respond({ ':status': 200 });
      stream.end(text);
    });
  const [original, shop] = await Promise.all([here('original'), here('shop')]);
  proxy.routeTo(ORIGINAL, endpoint({ ip: '127.0.49.2', port: original.port }));
  const client = new H2Client(proxy.outbound);
  const waiting = client.ask({ [OVERRIDE]: SHOP });
  await until('asked about', () => proxy.discovery.names.at(SHOP).watchers > 0);
  assert.equal((await client.ask()).body.toString(), 'original');
  name(proxy, SHOP, endpoint({ ip: '127.0.49.2', port: shop.port }));
  assert.equal((await waiting).body.toString(), 'shop');
  const bad = await client.ask({ [OVERRIDE]: 'a b', 'content-type': 'application/grpc' });
  assert.deepEqual([bad.headers[':status'], bad.headers['grpc-status']], [200, '3']);
  assert.deepEqual(seen, [undefined, undefined]);
  client.close();
  await Promise.all([original.close(), shop.close()]);
});
