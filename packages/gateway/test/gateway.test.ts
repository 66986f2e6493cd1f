/** A real gateway between real sidecars, over mTLS on loopback, with the cluster's API and discovery faked. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get } from 'node:https';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { test } from 'node:test';
import { LINKS, SERVICES } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import { ask, httpApp, identityName, RawClient, tcpApp, TestAnchor } from '../../proxy/test/harness.ts';
import { inboundPolicy, meshTls } from '../../proxy/src/testing/fakes.ts';
import { AUTHORITY, GATEWAY_ID, routeThrough, startHome } from './gateway-harness.ts';
import type { Home } from './gateway-harness.ts';

interface Seen {
  readonly headers: Record<string, string>;
}

interface CatalogHome extends Home {
  readonly app: { readonly port: number };
  readonly seen: Seen[];
}

async function setup(): Promise<CatalogHome> {
  const home = await startHome('127.0.41');
  const seen: Seen[] = [];
  const app = await httpApp(home.server.ip, (request, response) => {
    seen.push({ headers: request.headers as Record<string, string> });
    response.end('from west');
  });
  home.gateway.serve(home.server, app.port);
  return {
    ...home,
    app,
    seen,
    async [Symbol.asyncDispose]() {
      await home[Symbol.asyncDispose]();
      await app.close();
    },
  };
}

test('a request crosses from sidecar to gateway to sidecar, and says whom it passed', async () => {
  await using home = await setup();
  const answer = await ask(home.client.outbound, { headers: { 'l5d-client-id': 'forged', forwarded: 'for=browser' } });
  assert.equal(answer.status, 200);
  assert.equal(answer.body, 'from west');
  const headers = home.seen[0]?.headers ?? {};
  assert.equal(headers['host'], AUTHORITY);
  assert.equal(headers['l5d-client-id'], GATEWAY_ID);
  assert.equal(
    headers['forwarded'],
    `for=browser, by=${GATEWAY_ID};for=${identityName('web')};host="${AUTHORITY}";proto=https;cluster=west`,
  );
  const source = {
    direction: 'inbound',
    client_id: identityName('web'),
    dst_service: 'catalog',
    dst_namespace: 'shop',
  };
  assert.equal(home.gateway.metrics.sum('request_total', source), 1);
  const leaving = { direction: 'outbound', dst_service: 'catalog', dst_namespace: 'shop', source_cluster: 'west' };
  assert.equal(home.gateway.metrics.sum('request_total', leaving), 1);
  assert.equal(home.gateway.metrics.sum('response_total', { ...leaving, status_code: '200' }), 1);
  assert.equal(home.gateway.metrics.sum('response_total', { ...source, status_code: '200' }), 1);
  assert.equal(
    home.gateway.metrics.sum('inbound_tcp_transport_header_connections_total', {
      client_id: identityName('web'),
      target_name: 'catalog.shop.svc.cluster.local',
    }),
    1,
  );
});

test('connections on both sides are kept over many requests', async () => {
  await using home = await setup();
  for (let index = 0; index < 10; index += 1) assert.equal((await ask(home.client.outbound)).status, 200);
  assert.equal(home.gateway.metrics.sum('tcp_open_total', { direction: 'inbound' }), 1);
  assert.equal(home.gateway.metrics.sum('tcp_open_total', { direction: 'outbound' }), 1);
});

test('opaque bytes cross both ways, and half-close passes on', async () => {
  await using home = await setup();
  const echo = await tcpApp(home.server.ip, (socket) => {
    socket.write('hello');
    socket.on('data', (chunk) => socket.write(chunk));
    socket.on('end', () => socket.end('bye'));
  });
  home.server.policies.get(echo.port).set(inboundPolicy({ protocol: 'opaque' }));
  home.gateway.serve(home.server, echo.port);
  const policy = home.client.discovery.resolve(home.client.destination).current;
  assert.ok(policy !== undefined && 'protocol' in policy && policy.protocol.kind === 'detect');
  home.client.discovery
    .resolve(home.client.destination)
    .set({ ...policy, protocol: { kind: 'opaque', opaque: policy.protocol.opaque } });
  const raw = new RawClient(home.client.outbound);
  await eventually('server speaks first', () => raw.text === 'hello');
  raw.socket.write('ping');
  await eventually('echo', () => raw.text === 'helloping');
  raw.socket.end();
  await eventually('end', () => raw.ended && raw.text === 'hellopingbye');
  echo.close();
});

test('a Service that is not exported is answered 404 with the reason, and counted', async () => {
  await using home = await setup();
  home.gateway.api.seed(SERVICES, { metadata: { name: 'secret', namespace: 'shop' }, spec: { ports: [{ port: 80 }] } });
  routeThrough(home.client, home.gateway, 'secret.shop.svc.cluster.local:80');
  const answer = await ask(home.client.outbound);
  assert.equal(answer.status, 404);
  assert.equal(answer.headers['l5d-proxy-error'], 'the service is not exported');
  assert.equal(
    home.gateway.metrics.sum('inbound_http_errors_total', { error: 'not_exported', client_id: identityName('web') }),
    1,
  );
});

test('a port that the exported Service does not have is not reachable', async () => {
  await using home = await setup();
  routeThrough(home.client, home.gateway, 'catalog.shop.svc.cluster.local:9090');
  assert.equal((await ask(home.client.outbound)).status, 404);
});

test('a name outside the cluster is refused', async () => {
  await using home = await setup();
  routeThrough(home.client, home.gateway, 'example.com:80');
  const answer = await ask(home.client.outbound);
  assert.equal(answer.status, 404);
  assert.match(String(answer.headers['l5d-proxy-error']), /not that of a service of this cluster/);
});

test('a Service is reached whatever the mode of its export, also while it changes, and not without one', async () => {
  await using home = await setup();
  const answers = async (status: number): Promise<void> =>
    void (await eventually(`status ${status}`, async () => (await ask(home.client.outbound)).status === status));
  home.gateway.export('catalog', { 'mirror.linkerd.io/exported': 'other' });
  await answers(404);
  home.gateway.export('catalog', { 'mirror.linkerd.io/exported': 'remote-discovery' });
  await answers(200);
  home.gateway.export('catalog', {});
  await answers(404);
  home.gateway.export('catalog', { 'mirror.linkerd.io/federated': 'member' });
  await answers(200);
});

test('unexport holds for connections that are open already', async () => {
  await using home = await setup();
  assert.equal((await ask(home.client.outbound)).status, 200);
  home.gateway.api.remove(SERVICES, 'shop/catalog');
  await eventually('404', async () => (await ask(home.client.outbound)).status === 404);
});

test('a request that was here before is a loop', async () => {
  await using home = await setup();
  const answer = await ask(home.client.outbound, { headers: { forwarded: `by=${GATEWAY_ID};for=x;cluster=west` } });
  assert.equal(answer.status, 508);
  assert.equal(home.gateway.metrics.sum('inbound_http_errors_total', { error: 'loop' }), 1);
});

test('a client of another trust domain is admitted once a Link names it', async () => {
  await using home = await setup();
  const foreign = 'web.ns.serviceaccount.identity.linkerd.east.example';
  home.client.identity.install(await home.anchor.material({ dns: [foreign] }));
  const refused = await ask(home.client.outbound);
  assert.ok(refused.status >= 502, String(refused.status));
  assert.ok(home.gateway.metrics.sum('inbound_tcp_errors_total', { error: 'not_a_peer', client_id: foreign }) > 0);
  home.gateway.api.seed(LINKS, {
    metadata: { name: 'east', namespace: 'linkerd-multicluster' },
    spec: {
      targetClusterName: 'east',
      gatewayIdentity: 'linkerd-gateway.mc.serviceaccount.identity.linkerd.east.example',
    },
  });
  await eventually('admitted', async () => (await ask(home.client.outbound)).status === 200);
  assert.ok(
    home.gateway.metrics.sum('request_total', {
      direction: 'inbound',
      source_cluster: 'east',
      source_trust_domain: 'east.example',
    }) > 0,
  );
});

test('a client under another anchor is refused in the handshake', async () => {
  await using home = await setup();
  const other = await TestAnchor.create('other');
  home.client.identity.install(await other.material({ dns: [identityName('web')] }, [other, home.anchor]));
  assert.ok((await ask(home.client.outbound)).status >= 502);
  assert.ok(home.gateway.metrics.sum('inbound_tcp_errors_total', { error: 'tls' }) > 0);
  assert.equal(home.seen.length, 0);
});

test('the policy of the gateway port is enforced', async () => {
  await using home = await setup();
  home.gateway.policy.set(inboundPolicy({ authorizations: [meshTls([identityName('someone-else')])] }));
  assert.ok((await ask(home.client.outbound)).status >= 502);
  assert.ok(home.gateway.metrics.sum('inbound_tcp_authz_deny_total', { client_id: identityName('web') }) > 0);
});

test('plain text and a foreign server name get nothing', async () => {
  await using home = await setup();
  const raw = new RawClient(home.gateway.traffic);
  raw.socket.write('GET / HTTP/1.1\r\nhost: catalog.shop.svc.cluster.local\r\n\r\n');
  await eventually('reset', () => raw.closed);
  assert.equal(raw.text, '');
  assert.equal(home.gateway.metrics.sum('inbound_tcp_errors_total', { error: 'direct_without_tls' }), 1);
  const tls = connectTls({
    host: home.gateway.traffic.ip,
    port: home.gateway.traffic.port,
    servername: 'example.com',
    rejectUnauthorized: false,
  });
  await new Promise((resolve) => tls.once('error', resolve));
});

test('no endpoint ready fails fast instead of hanging, and recovers', async () => {
  await using home = await setup();
  const endpoints = home.gateway.endpoints.watch(AUTHORITY);
  const before = endpoints.current!;
  endpoints.set(new Map());
  assert.equal((await ask(home.client.outbound)).status, 504);
  endpoints.set(before);
  await eventually('recovered', async () => (await ask(home.client.outbound)).status === 200);
});

test("while the cluster's API is away the gateway serves what it knows", async () => {
  await using home = await setup();
  home.gateway.api.goDown();
  assert.equal((await ask(home.client.outbound)).status, 200);
  assert.equal(home.gateway.gateway.exportState.count, 1);
});

test('the probe port answers in plain text and over mTLS, until drain', async () => {
  await using home = await setup();
  const { probe, admin } = home.gateway.gateway.addresses;
  assert.ok(probe !== undefined && admin !== undefined);
  const url = `http://${probe.ip}:${probe.port}/ready`;
  assert.equal((await fetch(url)).status, 200);
  const { key, chain } = await home.anchor.material({ dns: [identityName('mirror')] });
  const overTls = await new Promise<number | undefined>((resolve, reject) => {
    const tls = { ca: home.anchor.pem, cert: chain, key, servername: GATEWAY_ID };
    get({ host: probe.ip, port: probe.port, path: '/ready', agent: false, ...tls }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on('error', reject);
  });
  assert.equal(overTls, 200);
  assert.equal((await fetch(`http://${probe.ip}:${probe.port}/metrics`)).status, 404);
  assert.equal((await fetch(`http://${admin.ip}:${admin.port}/metrics`)).status, 200);
  const drained = home.gateway.gateway.drain();
  await eventually('not ready', async () => (await fetch(url)).status === 503);
  await drained;
});

test('when drain begins, new connections are accepted still; in the end none is', async () => {
  await using home = await setup();
  const { ip, port } = home.gateway.gateway.addresses.traffic;
  const attempt = async (): Promise<void> => {
    const socket = connect(port, ip);
    socket.on('error', () => undefined);
    try {
      await once(socket, 'connect');
    } finally {
      socket.destroy();
    }
  };
  const drained = home.gateway.gateway.drain();
  await attempt();
  await drained;
  await assert.rejects(attempt(), { code: 'ECONNREFUSED' });
});

test('on drain a request in flight is answered, and then the connection closes', async () => {
  await using home = await setup();
  const gate = Promise.withResolvers<void>();
  const slow = await httpApp(
    home.server.ip,
    (_request, response) => void gate.promise.then(() => response.end('late')),
  );
  home.gateway.serve(home.server, slow.port);
  const pending = ask(home.client.outbound);
  await eventually('in flight', () => home.gateway.metrics.sum('request_total', { direction: 'inbound' }) === 1);
  const drained = home.gateway.gateway.drain();
  gate.resolve();
  assert.equal((await pending).body, 'late');
  await drained;
  await slow.close();
});
