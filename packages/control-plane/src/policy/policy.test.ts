import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseCidr, parsePortSet, PortSet } from '@mesh/model';
import type { inbound, outbound } from '@mesh/proxy-api';
import { httpTypes, tcpAddress } from '@mesh/proxy-api';

import { ClusterTables } from '../live/cluster-tables.ts';
import { status } from '../serving/call.ts';
import { answerOnce } from '../serving/watch.ts';
import type { Answer } from '../serving/watch.ts';
import { pod, service } from '../testing/objects.ts';
import { inboundServer, parseWorkload } from './inbound.ts';
import { ALL_NETWORKS } from './default-policies.ts';
import { outboundPolicy } from './outbound.ts';
import type { PolicyConfig } from './service.ts';

const CONFIG: PolicyConfig = {
  clusterDomain: 'cluster.local',
  clusterNetworks: ['10.0.0.0/8'].flatMap((text) => parseCidr(text) ?? []),
  defaultPolicy: 'all-unauthenticated',
  defaultOpaquePorts: portSet('3306'),
  probeNetworks: ALL_NETWORKS,
};

test('a workload is named by JSON or by the older colon form', () => {
  const expected = { namespace: 'shop', pod: 'web-1' };
  assert.deepEqual(parseWorkload('{"ns":"shop", "pod":"web-1"}\n'), expected);
  assert.deepEqual(parseWorkload('shop:web-1'), expected);
  for (const bad of ['', '{}', 'null', '{"ns":1,"pod":"x"}', 'a:b:c', ':x'])
    assert.equal(parseWorkload(bad), undefined, bad);
});

test('without policies a port is detected and open to all, under a complete label set', () => {
  const server = inboundOf({});
  assert.deepEqual(server.labels, { group: '', kind: 'default', name: 'all-unauthenticated' });
  assert.equal(server.protocol?.kind?.$case, 'detect');
  assert.equal(server.authorizations.length, 1);
  assert.equal(server.authorizations[0]?.networks.length, 2);
  assert.equal(server.authorizations[0]?.authentication?.permit?.$case, 'unauthenticated');
  assert.deepEqual(server.authorizations[0]?.metadata, { kind: { $case: 'default', value: 'all-unauthenticated' } });
});

test('default policies map to networks and authentication', () => {
  const of = (policy: string) => inboundOf({ 'config.linkerd.io/default-inbound-policy': policy });
  const shape = (policy: string) => {
    const [authz] = of(policy).authorizations;
    return [of(policy).labels['name'], authz?.networks.length, authz?.authentication?.permit?.$case];
  };
  assert.deepEqual(shape('all-authenticated'), ['all-authenticated', 2, 'meshTLS']);
  assert.deepEqual(shape('cluster-authenticated'), ['cluster-authenticated', 1, 'meshTLS']);
  assert.deepEqual(shape('cluster-unauthenticated'), ['cluster-unauthenticated', 1, 'unauthenticated']);
  assert.deepEqual(shape('audit'), ['audit', 2, 'unauthenticated']);
  assert.deepEqual(of('deny').authorizations, []);
  assert.deepEqual(shape('nonsense'), ['all-unauthenticated', 2, 'unauthenticated']);
});

test('a port that requires identity is authenticated whatever the default', () => {
  assert.equal(
    inboundOf({ 'config.linkerd.io/proxy-require-identity-inbound-ports': '8080' }).labels['name'],
    'all-authenticated',
  );
});

test('opaque ports are opaque', () => {
  assert.equal(inboundOf({ 'config.linkerd.io/opaque-ports': '8080' }).protocol?.kind?.$case, 'opaque');
  assert.equal(inboundOf({}, 3306).protocol?.kind?.$case, 'opaque');
  assert.equal(inboundOf({ 'config.linkerd.io/opaque-ports': '' }, 3306).protocol?.kind?.$case, 'detect');
});

test('the kubelet’s HTTP probes stay allowed when everything else is denied', () => {
  const tables = new ClusterTables(throwError);
  const probed = pod('web-1', '10.42.0.1', {
    annotations: { 'config.linkerd.io/default-inbound-policy': 'deny' },
    spec: {
      containers: [
        {
          name: 'app',
          ports: [{ name: 'http', containerPort: 8080 }],
          livenessProbe: { httpGet: { path: '/live?x=1', port: 'http' } },
          readinessProbe: { httpGet: { path: '/ready', port: 8080 } },
          startupProbe: { httpGet: { path: '/other', port: 9090 } },
        },
      ],
    },
  });
  tables.pods.apply(probed);
  const server = messageOf(
    answerOnce((reads) => inboundServer({ namespace: 'shop', pod: 'web-1' }, 8080, tables, CONFIG, reads)),
  );
  assert.ok(server.protocol?.kind?.$case === 'detect');
  const [everything, probes] = server.protocol.kind.value.httpRoutes;
  assert.deepEqual(everything?.metadata, { kind: { $case: 'default', value: 'default' } });
  assert.deepEqual(
    probes?.rules[0]?.matches.map((match) => match.path?.kind?.value),
    ['/live', '/ready'],
  );
  assert.deepEqual(probes?.authorizations[0]?.metadata, { kind: { $case: 'default', value: 'probe' } });
});

test('the health check of a gRPC probe stays allowed on its port, and nothing else does', () => {
  const tables = new ClusterTables(throwError);
  const probed = pod('web-1', '10.42.0.1', {
    annotations: { 'config.linkerd.io/default-inbound-policy': 'deny' },
    spec: { containers: [{ name: 'app', readinessProbe: { grpc: { port: 9000, service: 'ready' } } }] },
  });
  tables.pods.apply(probed);
  const routesOf = (port: number) => {
    const server = messageOf(
      answerOnce((reads) => inboundServer({ namespace: 'shop', pod: 'web-1' }, port, tables, CONFIG, reads)),
    );
    assert.ok(server.protocol?.kind?.$case === 'detect');
    assert.deepEqual(server.authorizations, []);
    return server.protocol.kind.value.httpRoutes;
  };
  const [, probes] = routesOf(9000);
  assert.deepEqual(
    probes?.rules[0]?.matches.map(({ path, method }) => [path?.kind?.value, method?.type?.value]),
    [['/grpc.health.v1.Health/Check', httpTypes.HttpMethod_Registered.POST]],
  );
  assert.deepEqual(probes?.authorizations[0]?.metadata, { kind: { $case: 'default', value: 'probe' } });
  assert.equal(routesOf(8080).length, 1);
});

test('unknown pods are NotFound and impossible ports InvalidArgument', () => {
  const tables = new ClusterTables(throwError);
  const ask = (port: number) =>
    answerOnce((reads) => inboundServer({ namespace: 'shop', pod: 'no' }, port, tables, CONFIG, reads));
  assert.equal(statusOf(ask(80)), status.NOT_FOUND);
  assert.equal(statusOf(ask(0)), status.INVALID_ARGUMENT);
  assert.equal(statusOf(ask(65_536)), status.INVALID_ARGUMENT);
});

test('a Service’s port is detected and balanced over its endpoints, with everything that a proxy requires', () => {
  const policy = outboundOf('10.43.0.10', 80);
  assert.deepEqual(policy.metadata?.kind?.value, {
    group: 'core',
    kind: 'Service',
    name: 'catalog',
    namespace: 'shop',
    section: '',
    port: 80,
  });
  const kind = policy.protocol?.kind;
  assert.ok(kind?.$case === 'detect');
  assert.equal(kind.value.timeout?.seconds, 10n);
  assert.ok(kind.value.http1 && kind.value.http2 && kind.value.opaque);
  const [route] = kind.value.http1.routes;
  assert.deepEqual(route?.metadata, { kind: { $case: 'default', value: 'http' } });
  const distribution = route?.rules[0]?.backends?.kind;
  assert.ok(distribution?.$case === 'firstAvailable');
  const [backend] = distribution.value.backends;
  assert.deepEqual(backend?.backend?.queue, { capacity: 100, failfastTimeout: { seconds: 3n, nanos: 0 } });
  assert.ok(backend?.backend?.kind?.$case === 'balancer');
  assert.equal(backend.backend.kind.value.discovery?.kind?.value.path, 'catalog.shop.svc.cluster.local:80');
  assert.deepEqual(kind.value.opaque.routes[0]?.metadata, { kind: { $case: 'default', value: 'opaq' } });
});

test('appProtocol and opaque ports decide the protocol', () => {
  const kindFor = (appProtocol: string | undefined, annotations: Record<string, string> = {}) => {
    const ports = [{ name: 'p', port: 80, ...(appProtocol === undefined ? {} : { appProtocol }) }];
    return outboundOf('10.43.0.10', 80, [service('catalog', { ports, annotations })]).protocol?.kind?.$case;
  };
  assert.equal(kindFor(undefined), 'detect');
  assert.equal(kindFor('http'), 'http1');
  assert.equal(kindFor('kubernetes.io/h2c'), 'http2');
  assert.equal(kindFor('linkerd.io/opaque'), 'opaque');
  assert.equal(kindFor('mysql'), 'opaque');
  assert.equal(kindFor(undefined, { 'config.linkerd.io/opaque-ports': '80' }), 'opaque');
});

test('a port that the Service does not define is forbidden', () => {
  const kind = outboundOf('10.43.0.10', 81).protocol?.kind;
  assert.ok(kind?.$case === 'opaque');
  const [route] = kind.value.routes;
  assert.deepEqual(route?.metadata, { kind: { $case: 'default', value: 'undefined-port' } });
  assert.equal(route?.rules[0]?.filters[0]?.kind?.$case, 'forbidden');
});

test('a federated Service prefers its local member', () => {
  const member = service('catalog', { clusterIP: '10.43.0.10' });
  const federated = service('catalog-federated', {
    clusterIP: '10.43.0.30',
    annotations: { 'multicluster.linkerd.io/local-discovery': 'catalog' },
  });
  const paths = (services: readonly ReturnType<typeof service>[]) => {
    const kind = outboundOf('10.43.0.30', 80, services).protocol?.kind;
    assert.ok(kind?.$case === 'detect');
    const distribution = kind.value.http1?.routes[0]?.rules[0]?.backends?.kind;
    assert.ok(distribution?.$case === 'firstAvailable');
    return distribution.value.backends.map(
      (one) => one.backend?.kind?.$case === 'balancer' && one.backend.kind.value.discovery?.kind?.value.path,
    );
  };
  assert.deepEqual(paths([member, federated]), [
    'catalog.shop.svc.cluster.local:80',
    'catalog-federated.shop.svc.cluster.local:80',
  ]);
  assert.deepEqual(paths([federated]), ['catalog-federated.shop.svc.cluster.local:80']);
});

test('addresses inside the cluster that are no Service have no policy; outside ones are let out', () => {
  const tables = new ClusterTables(throwError);
  const ask = (ip: string) =>
    answerOnce((reads) =>
      outboundPolicy({ $case: 'addr', value: tcpAddress(ip, 443) ?? assert.fail() }, tables, CONFIG, reads),
    );
  assert.equal(statusOf(ask('10.42.0.1')), status.NOT_FOUND);
  const policy = messageOf(ask('93.184.216.34'));
  assert.deepEqual(policy.metadata, { kind: { $case: 'default', value: 'egress-fallback' } });
  const kind = policy.protocol?.kind;
  assert.ok(kind?.$case === 'detect');
  const distribution = kind.value.http1?.routes[0]?.rules[0]?.backends?.kind;
  assert.equal(
    distribution?.$case === 'firstAvailable' && distribution.value.backends[0]?.backend?.kind?.$case,
    'forward',
  );
});

test('an authority is resolved by name, with port 80 by default', () => {
  const tables = tablesOf([service('catalog')]);
  const ask = (authority: string) =>
    answerOnce((reads) => outboundPolicy({ $case: 'authority', value: authority }, tables, CONFIG, reads));
  assert.equal(messageOf(ask('catalog.shop.svc.cluster.local')).metadata?.kind?.$case, 'resource');
  for (const name of [
    'catalog.shop',
    'example.com:80',
    'none.shop.svc.cluster.local',
    'a.catalog.shop.svc.cluster.local',
  ]) {
    assert.equal(statusOf(ask(name)), status.NOT_FOUND, name);
  }
  assert.equal(
    statusOf(answerOnce((reads) => outboundPolicy(undefined, tables, CONFIG, reads))),
    status.INVALID_ARGUMENT,
  );
});

test('timeout annotations of a Service reach its route', () => {
  const annotated = service('catalog', {
    annotations: { 'timeout.linkerd.io/request': '250ms', 'timeout.linkerd.io/idle': 'soon' },
  });
  const kind = outboundOf('10.43.0.10', 80, [annotated]).protocol?.kind;
  assert.ok(kind?.$case === 'detect');
  assert.deepEqual(kind.value.http1?.routes[0]?.rules[0]?.timeouts, {
    request: { seconds: 0n, nanos: 250_000_000 },
    response: undefined,
    idle: undefined,
  });
});

test('retries, timeouts and failure accrual of a Service reach the routes of both versions of HTTP, and no opaque one', () => {
  const annotated = service('catalog', {
    annotations: {
      'retry.linkerd.io/http': 'gateway-error',
      'timeout.linkerd.io/response': '1s',
      'balancer.linkerd.io/failure-accrual': 'consecutive',
    },
  });
  const kind = outboundOf('10.43.0.10', 80, [annotated]).protocol?.kind;
  assert.ok(kind?.$case === 'detect');
  for (const http of [kind.value.http1, kind.value.http2]) {
    assert.equal(http?.failureAccrual?.kind?.$case, 'consecutiveFailures');
    const rule = http.routes[0]?.rules[0];
    assert.deepEqual(rule?.retry?.conditions, { statusRanges: [{ start: 502, end: 504 }] });
    assert.deepEqual(rule.timeouts?.response, { seconds: 1n, nanos: 0 });
    assert.equal(rule.allowL5dRequestHeaders, false);
  }
});

test('a port of HTTP/2 with conditions on gRPC codes has a gRPC route', () => {
  const ports = [{ name: 'grpc', port: 80, appProtocol: 'kubernetes.io/h2c' }];
  const annotated = service('catalog', { ports, annotations: { 'retry.linkerd.io/grpc': 'unavailable' } });
  const kind = outboundOf('10.43.0.10', 80, [annotated]).protocol?.kind;
  assert.ok(kind?.$case === 'grpc');
  const [route] = kind.value.routes;
  assert.deepEqual(route?.metadata, { kind: { $case: 'default', value: 'grpc' } });
  assert.equal(route?.rules[0]?.retry?.conditions?.unavailable, true);
});

function inboundOf(annotations: Record<string, string>, port = 8080): inbound.Server {
  const tables = new ClusterTables(throwError);
  tables.pods.apply(pod('web-1', '10.42.0.1', { annotations }));
  return messageOf(
    answerOnce((reads) => inboundServer({ namespace: 'shop', pod: 'web-1' }, port, tables, CONFIG, reads)),
  );
}

function outboundOf(
  ip: string,
  port: number,
  services: readonly ReturnType<typeof service>[] = [service('catalog')],
): outbound.OutboundPolicy {
  const tables = tablesOf(services);
  return messageOf(
    answerOnce((reads) =>
      outboundPolicy({ $case: 'addr', value: tcpAddress(ip, port) ?? assert.fail() }, tables, CONFIG, reads),
    ),
  );
}

function tablesOf(services: readonly ReturnType<typeof service>[]): ClusterTables {
  const tables = new ClusterTables(throwError);
  for (const one of services) tables.services.apply(one);
  return tables;
}

function messageOf<T>(answer: Answer<T>): T {
  assert.equal(answer.kind, 'message', answer.kind === 'status' ? answer.status.details : '');
  return answer.kind === 'message' ? answer.message : assert.fail();
}

function statusOf(answer: Answer<unknown>): status | undefined {
  return answer.kind === 'status' ? answer.status.code : undefined;
}

function portSet(text: string): PortSet {
  const set = parsePortSet(text);
  assert.ok(set instanceof PortSet);
  return set;
}

function throwError(key: string, error: unknown): never {
  throw new Error(`computation ${key} failed`, { cause: error });
}
