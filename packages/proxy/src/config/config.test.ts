import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '@mesh/runtime';
import { describeConfig, parseProxyConfig } from './config.ts';
import { portPolicy } from './port-policy.ts';

/** What the injector sets, shortened. */
const ENV: Readonly<Record<string, string>> = {
  LINKERD2_PROXY_LOG: 'warn,linkerd=info,[{headers}]=off',
  LINKERD2_PROXY_LOG_FORMAT: 'PLAIN',
  LINKERD2_PROXY_DESTINATION_SVC_ADDR: 'linkerd-dst-headless.linkerd.svc.cluster.local.:8086',
  LINKERD2_PROXY_DESTINATION_SVC_NAME: 'linkerd-destination.linkerd.serviceaccount.identity.linkerd.cluster.local',
  LINKERD2_PROXY_POLICY_SVC_ADDR: 'linkerd-policy.linkerd.svc.cluster.local.:8090',
  LINKERD2_PROXY_POLICY_SVC_NAME: 'linkerd-destination.linkerd.serviceaccount.identity.linkerd.cluster.local',
  LINKERD2_PROXY_IDENTITY_SVC_ADDR: 'localhost.:8080',
  LINKERD2_PROXY_POLICY_WORKLOAD: '{"ns":"shop","pod":"web-0"}',
  LINKERD2_PROXY_DESTINATION_CONTEXT: '{"ns":"shop"}',
  LINKERD2_PROXY_IDENTITY_DIR: '/var/run/linkerd/identity/end-entity',
  LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS: '-----BEGIN CERTIFICATE-----\n…',
  LINKERD2_PROXY_IDENTITY_TOKEN_FILE: '/var/run/secrets/tokens/linkerd-identity-token',
  LINKERD2_PROXY_IDENTITY_LOCAL_NAME: 'web.shop.serviceaccount.identity.linkerd.cluster.local',
  LINKERD2_PROXY_CONTROL_STREAM_INITIAL_TIMEOUT: '3s',
  LINKERD2_PROXY_CONTROL_STREAM_IDLE_TIMEOUT: '5m',
  LINKERD2_PROXY_CONTROL_STREAM_LIFETIME: '1h',
  LINKERD2_PROXY_INBOUND_LISTEN_ADDR: '0.0.0.0:4143',
  LINKERD2_PROXY_ADMIN_LISTEN_ADDR: '0.0.0.0:4191',
  LINKERD2_PROXY_OUTBOUND_LISTEN_ADDRS: '127.0.0.1:4140,[::1]:4140',
  LINKERD2_PROXY_INBOUND_CONNECT_TIMEOUT: '100ms',
  LINKERD2_PROXY_INBOUND_PORTS: '8080,9090',
  LINKERD2_PROXY_INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION: '25,587,3306,4444,5432,6379,9300,11211',
  LINKERD2_PROXY_INBOUND_IPS: '10.1.2.3',
  LINKERD2_PROXY_POLICY_CLUSTER_NETWORKS: '10.0.0.0/8,fd00::/8',
  LINKERD2_PROXY_DESTINATION_PROFILE_NETWORKS: '10.0.0.0/8',
  LINKERD2_PROXY_OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL: '10s',
  LINKERD2_PROXY_CORES: '1',
  OTHER: 'x',
};

function problems(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  try {
    parseProxyConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.info.problems;
  }
  return assert.fail('no problem was found');
}

test('what the injector sets is understood, without warnings', () => {
  const config = parseProxyConfig(ENV);
  assert.deepEqual(config.warnings, []);
  assert.deepEqual(config.services.destination.target, {
    host: 'linkerd-dst-headless.linkerd.svc.cluster.local.',
    port: 8086,
  });
  assert.equal(config.services.identity.name, undefined);
  assert.deepEqual(config.streamLimits, { initialTimeoutMs: 3000, idleTimeoutMs: 300_000, lifetimeMs: 3_600_000 });
  assert.equal(config.inbound.connectTimeoutMs, 100);
  assert.equal(config.outbound.connectTimeoutMs, 1000);
  assert.equal(config.inbound.ports.has(9090), true);
  assert.equal(config.inbound.opaquePorts.has(6379), true);
  assert.deepEqual(config.outbound.listen, [
    { host: '127.0.0.1', port: 4140 },
    { host: '::1', port: 4140 },
  ]);
  assert.equal(config.identity.serverName, config.identity.name);
});

test('the clients of an ingress are not told of the mesh, unless somebody wants that', () => {
  const { ingress, informationalHeaders } = parseProxyConfig(ENV).outbound;
  assert.deepEqual([ingress, informationalHeaders], [false, true]);
  const env = { ...ENV, LINKERD2_PROXY_INGRESS_MODE: 'true' };
  assert.equal(parseProxyConfig(env).outbound.ingress, true);
  assert.equal(parseProxyConfig(env).outbound.informationalHeaders, false);
  const told = { ...env, LINKERD2_PROXY_OUTBOUND_DISABLE_INFORMATIONAL_HEADERS: 'false' };
  assert.equal(parseProxyConfig(told).outbound.informationalHeaders, true);
});

test('ports that require an identity do so before the policy service has spoken', () => {
  const { inbound } = parseProxyConfig({ ...ENV, LINKERD2_PROXY_INBOUND_PORTS_REQUIRE_IDENTITY: '8080,9000-9001' });
  assert.equal(portPolicy({ ...inbound, defaultPolicy: 'all-unauthenticated' }, 8080), 'all-authenticated');
  assert.equal(portPolicy({ ...inbound, defaultPolicy: 'cluster-unauthenticated' }, 9001), 'cluster-authenticated');
  assert.equal(portPolicy({ ...inbound, defaultPolicy: 'deny' }, 8080), 'deny');
  assert.equal(portPolicy({ ...inbound, defaultPolicy: 'all-unauthenticated' }, 8081), 'all-unauthenticated');
});

test('there is no access log unless somebody wants one', () => {
  assert.equal(parseProxyConfig(ENV).inbound.accessLog, undefined);
  assert.equal(parseProxyConfig({ ...ENV, LINKERD2_PROXY_ACCESS_LOG: 'json' }).inbound.accessLog, 'json');
  assert.match(
    problems({ ...ENV, LINKERD2_PROXY_ACCESS_LOG: 'nginx' }).join(),
    /ACCESS_LOG is "nginx": give apache or json/,
  );
});

test('without anything, every missing key is told', () => {
  const told = problems({});
  for (const key of [
    'POLICY_WORKLOAD',
    'DESTINATION_SVC_ADDR',
    'POLICY_SVC_ADDR',
    'IDENTITY_SVC_ADDR',
    'IDENTITY_TRUST_ANCHORS',
    'IDENTITY_TOKEN_FILE',
    'IDENTITY_LOCAL_NAME',
  ])
    assert.ok(
      told.some((problem) => problem.startsWith(`LINKERD2_PROXY_${key} is not set`)),
      key,
    );
});

test('wrong values and contradictions are told with key, value and what is wanted', () => {
  const cases: readonly (readonly [Readonly<Record<string, string | undefined>>, RegExp])[] = [
    [{ DESTINATION_SVC_NAME: undefined }, /DESTINATION_SVC_NAME is not set.*not on loopback/],
    [{ DESTINATION_SVC_ADDR: 'x' }, /DESTINATION_SVC_ADDR is "x": give host:port/],
    [{ INBOUND_DEFAULT_POLICY: 'open' }, /INBOUND_DEFAULT_POLICY is "open": give one of all-unauthenticated/],
    [{ INBOUND_DEFAULT_POLICY: 'audit', POLICY_CLUSTER_NETWORKS: '' }, /POLICY_CLUSTER_NETWORKS is not set.*audit/],
    [{ CONTROL_STREAM_IDLE_TIMEOUT: '2s' }, /CONTROL_STREAM_INITIAL_TIMEOUT is longer/],
    [{ IDENTITY_DISABLED: '1' }, /IDENTITY_DISABLED is set/],
    [{ IDENTITY_SPIRE_SOCKET: 'unix:/x' }, /SPIRE is not supported/],
    [{ INBOUND_IPS: '10.0.0.x' }, /INBOUND_IPS/],
    [{ OUTBOUND_LISTEN_ADDRS: '127.0.0.1:1,127.0.0.1:2,127.0.0.1:3' }, /one or two/],
    [{ SHUTDOWN_GRACE_PERIOD: '2 minutes' }, /SHUTDOWN_GRACE_PERIOD is "2 minutes": give a duration/],
    [
      { HTTP2_INITIAL_CONNECTION_WINDOW_SIZE: '1000' },
      /HTTP2_INITIAL_CONNECTION_WINDOW_SIZE is "1000": give an integer from 65535/,
    ],
    [{ OUTBOUND_CONNECT_EXP_BACKOFF_MIN: '2m' }, /OUTBOUND_CONNECT_EXP_BACKOFF_MIN is longer/],
  ];
  for (const [change, pattern] of cases) {
    const prefixed = Object.fromEntries(Object.entries(change).map(([key, value]) => [`LINKERD2_PROXY_${key}`, value]));
    const told = problems({ ...ENV, ...prefixed });
    assert.equal(told.length, 1, told.join('\n'));
    assert.match(told[0] ?? '', pattern);
  }
});

test('windows of HTTP/2 are for both roles, and what is said of servers goes before', () => {
  const { inbound, outbound } = parseProxyConfig({
    ...ENV,
    LINKERD2_PROXY_HTTP2_INITIAL_STREAM_WINDOW_SIZE: '100000',
    LINKERD2_PROXY_INBOUND_SERVER_HTTP2_INITIAL_STREAM_WINDOW_SIZE: '70000',
    LINKERD2_PROXY_INBOUND_SERVER_HTTP2_MAX_CONCURRENT_STREAMS: '50',
  });
  assert.equal(inbound.http2.server.streamWindowBytes, 70_000);
  assert.equal(inbound.http2.client.streamWindowBytes, 100_000);
  assert.equal(inbound.http2.server.streamsMax, 50);
  assert.equal(inbound.http2.server.keepAlive, undefined);
  assert.equal(outbound.http2.server.streamWindowBytes, 100_000);
  assert.equal(outbound.http2.server.connectionWindowBytes, 1_048_576);
  assert.deepEqual(outbound.http2.server.keepAlive, { intervalMs: 10_000, timeoutMs: 3000, whileIdle: true });
});

test('anchors may be in a file instead', () => {
  const env = {
    ...ENV,
    LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS: undefined,
    MESH_IDENTITY_TRUST_ANCHORS_FILE: '/anchors.pem',
  };
  assert.equal(parseProxyConfig(env).identity.trustAnchorsFile, '/anchors.pem');
});

test('limits of what clients hold have keys of ours, and 0 is without end', () => {
  assert.deepEqual(parseProxyConfig(ENV).peerLimits, {
    connectionsPerClientMax: 10_000,
    bodyTimeoutMs: 300_000,
    unreadTimeoutMs: 3_600_000,
  });
  const { peerLimits } = parseProxyConfig({
    ...ENV,
    MESH_INBOUND_MAX_CONNECTIONS_PER_CLIENT: '7',
    MESH_HTTP_BODY_TIMEOUT: '10s',
    MESH_HTTP_UNREAD_TIMEOUT: '0',
  });
  const unreadTimeoutMs = Number.POSITIVE_INFINITY;
  assert.deepEqual(peerLimits, { connectionsPerClientMax: 7, bodyTimeoutMs: 10_000, unreadTimeoutMs });
  const bad = { ...ENV, MESH_HTTP_BODY_TIMEOUT: 'soon', LINKERD2_PROXY_INBOUND_MAX_IN_FLIGHT: 'many' };
  assert.throws(() => parseProxyConfig(bad), /INBOUND_MAX_IN_FLIGHT[^]*MESH_HTTP_BODY_TIMEOUT/);
});

test('gateways that are believed are identities, and nobody is where nothing is said', () => {
  assert.deepEqual(parseProxyConfig(ENV).inbound.gatewayIdentities, []);
  const two = 'linkerd-gateway.mc.serviceaccount.identity.linkerd.cluster.local, spiffe://east/ns/mc/sa/gateway';
  assert.deepEqual(
    parseProxyConfig({ ...ENV, MESH_GATEWAY_IDENTITIES: two }).inbound.gatewayIdentities,
    two.split(', '),
  );
  const [problem = ''] = problems({ ...ENV, MESH_GATEWAY_IDENTITIES: 'Gateway!' });
  assert.match(problem, /^MESH_GATEWAY_IDENTITIES is "Gateway!": give a comma list of identities/);
});

test('inbound requests are counted by authority only where that is called unsafe', () => {
  const key = 'LINKERD2_PROXY_INBOUND_METRICS_AUTHORITY_LABELS';
  assert.equal(parseProxyConfig(ENV).inbound.authorityLabels, false);
  const on = parseProxyConfig({ ...ENV, [key]: 'unsafe' });
  assert.deepEqual([on.inbound.authorityLabels, on.warnings], [true, []]);
  const other = parseProxyConfig({ ...ENV, [key]: 'true' });
  assert.equal(other.inbound.authorityLabels, false);
  assert.deepEqual(other.warnings, [`${key} is "true" and has no effect: give unsafe`]);
});

test('unknown keys of the prefix are warned of', () => {
  const { warnings } = parseProxyConfig({ ...ENV, LINKERD2_PROXY_TYPO: '1' });
  assert.deepEqual(warnings, ['LINKERD2_PROXY_TYPO is not known and has no effect']);
});

test('the shown configuration has no PEM and plain texts for ports', () => {
  const shown = JSON.stringify(describeConfig(parseProxyConfig(ENV)));
  assert.ok(!shown.includes('BEGIN'));
  assert.match(shown, /"ports":"8080,9090"/);
});
