/** Flat, headless and federated imports, whichever way the peer is read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ENDPOINT_SLICES, EVENTS, LINKS, NAMESPACES, SERVICES } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import { Harness, LINK_NAMESPACE } from '../src/testing/harness.ts';
import { addressesOf, dbPods, POD, slicesOf } from '../src/testing/mode-views.ts';
import { podIdentity, WAYS } from '../src/testing/peer-exporters.ts';
import type { PeerExporter } from '../src/testing/peer-exporters.ts';

const [ANY] = WAYS as readonly [PeerExporter];

function forBoth(name: string, run: (way: PeerExporter) => Promise<void>): void {
  for (const way of WAYS) test(`${name}, ${way.title}`, () => run(way));
}

const DB_PORTS = [{ name: 'pg', port: 5432, targetPort: 5432, protocol: 'TCP' as const }];

forBoth('a flat export appears with the pods themselves, one set of slices per way to reach them', async (way) => {
  await using harness = new Harness();
  const west = harness.link('west', {}, way.annotations);
  way.put(west, {
    name: 'web',
    mode: 'flat',
    labels: { app: 'web' },
    pods: [
      { name: 'web-a', ip: '10.1.0.1', zone: 'z1', account: 'web' },
      { name: 'web-b', ip: '10.1.0.2', zone: 'z2', account: 'web', ready: false },
      { name: 'other', ip: '10.1.0.3', account: 'other', inboundPort: 4190, opaquePorts: '8080' },
      { name: 'plain', ip: '10.1.0.4', meshed: false },
    ],
  });
  await harness.start();
  await eventually('all pods', () => Object.keys(addressesOf(harness, 'web-west')).length === 4);
  const service = harness.service('shop/web-west');
  assert.deepEqual(service?.metadata.labels, {
    app: 'web',
    'mirror.linkerd.io/mirrored-service': 'true',
    'mirror.linkerd.io/cluster-name': 'west',
    'multicluster.linkerd.io/remote-discovery': 'west',
    'multicluster.linkerd.io/remote-service': 'web',
  });
  const slices = slicesOf(harness, 'web-west');
  const annotations = slices
    .map(({ metadata, endpoints }) => [
      endpoints.length,
      metadata.annotations?.['federation.mesh.dev/identity'],
      metadata.annotations?.['federation.mesh.dev/inbound-port'],
      metadata.annotations?.['federation.mesh.dev/opaque-ports'],
    ])
    .toSorted((a, b) => (String(a[1]) < String(b[1]) ? -1 : 1));
  assert.deepEqual(annotations, [
    [1, podIdentity('other'), '4190', '8080'],
    [1, undefined, undefined, undefined],
    [2, podIdentity('web'), '4143', undefined],
  ]);
  const first = slices.flatMap(({ endpoints }) => endpoints).find(({ addresses }) => addresses[0] === '10.1.0.1');
  assert.deepEqual(first, {
    addresses: ['10.1.0.1'],
    conditions: { ready: true, serving: true, terminating: false },
    zone: 'z1',
  });
  assert.deepEqual(slices[0]?.ports, [{ name: 'http', port: 8080, protocol: 'TCP' }]);
  assert.equal(slices[0]?.metadata.annotations?.['mirror.linkerd.io/remote-svc-fq-name'], 'web.shop.svc.cluster.local');
  assert.ok(slices.every(({ metadata }) => metadata.ownerReferences?.[0]?.uid === service?.metadata.uid));
  await harness.item('west', 'web', 'Mirrored');
  way.put(west, { name: 'web', mode: 'gateway', pods: [{ name: 'web-a', ip: '10.1.0.1' }] });
  await eventually('through the gateway', () => '192.0.2.1' in addressesOf(harness, 'web-west'));
  await eventually('pods are gone', () => Object.keys(addressesOf(harness, 'web-west')).length === 1);
  assert.equal(
    harness.service('shop/web-west')?.metadata.labels?.['multicluster.linkerd.io/remote-discovery'],
    undefined,
  );
  way.remove(west, 'web');
  await eventually(
    'gone',
    () => harness.service('shop/web-west') === undefined && slicesOf(harness, 'web-west').length === 0,
  );
});

test('a Link without gateway is enough for flat exports', async () => {
  await using harness = new Harness();
  const west = harness.link('west', { gatewayAddress: '', gatewayPort: '', gatewayIdentity: '' });
  ANY.put(west, { name: 'web', mode: 'flat', pods: [{ name: 'web-a', ip: '10.1.0.1' }] });
  await harness.start();
  await eventually('pods', () => '10.1.0.1' in addressesOf(harness, 'web-west'));
  await harness.item('west', 'web', 'Mirrored');
});

test('many pods share slices of a hundred, and one change rewrites one slice', async () => {
  await using harness = new Harness();
  const west = harness.link('west');
  const pods = Array.from({ length: 250 }, (_, index) => ({
    name: `web-${index}`,
    ip: `10.1.${Math.floor(index / 200)}.${(index % 200) + 1}`,
  }));
  ANY.put(west, { name: 'web', mode: 'flat', pods });
  const mirror = await harness.start();
  await eventually('all', () => Object.keys(addressesOf(harness, 'web-west')).length === 250);
  assert.deepEqual(
    slicesOf(harness, 'web-west')
      .map(({ endpoints }) => endpoints.length)
      .toSorted((a, b) => a - b),
    [50, 100, 100],
  );
  await eventually('idle', () => mirror.idle);
  const before = mirror.metrics.writesOf('endpointslices', 'update');
  ANY.put(west, { name: 'web', mode: 'flat', pods: pods.filter((_, index) => index !== 3) });
  await eventually('one less', () => Object.keys(addressesOf(harness, 'web-west')).length === 249);
  await eventually('idle', () => mirror.idle);
  assert.equal(mirror.metrics.writesOf('endpointslices', 'update') - before, 1);
});

forBoth('a flat headless export keeps the names of its pods', async (way) => {
  await using harness = new Harness();
  const west = harness.link('west', {}, way.annotations);
  way.put(west, { name: 'db', mode: 'flat', headless: true, ports: DB_PORTS, pods: dbPods(2) });
  await harness.start();
  await eventually('pods', () => Object.keys(addressesOf(harness, 'db-west')).length === 2);
  assert.equal(harness.service('shop/db-west')?.spec?.clusterIP, 'None');
  assert.deepEqual(addressesOf(harness, 'db-west'), { '10.1.0.1': ['db-0', true], '10.1.0.2': ['db-1', true] });
  assert.equal(slicesOf(harness, 'db-west')[0]?.metadata.labels?.['service.kubernetes.io/headless'], '');
});

forBoth('behind a gateway each pod of a StatefulSet has a mirror, and the headless mirror their names', async (way) => {
  await using harness = new Harness();
  const west = harness.link('west', {}, way.annotations);
  const put = (count: number): void =>
    way.put(west, {
      name: 'db',
      mode: 'gateway',
      headless: true,
      ports: DB_PORTS,
      annotations: { 'config.linkerd.io/opaque-ports': '5432' },
      pods: dbPods(count),
    });
  put(2);
  await harness.start();
  const one = await eventually('mirror of db-0', () => harness.service('shop/db-0-west'));
  assert.deepEqual(one.metadata.labels, {
    'mirror.linkerd.io/mirrored-service': 'true',
    'mirror.linkerd.io/cluster-name': 'west',
    'mirror.linkerd.io/headless-mirror-svc-name': 'db-west',
  });
  assert.equal(one.metadata.annotations?.['mirror.linkerd.io/remote-svc-fq-name'], 'db-0.db.shop.svc.cluster.local');
  assert.equal(one.metadata.annotations?.['config.linkerd.io/opaque-ports'], '5432');
  await eventually('gateway', () => '192.0.2.1' in addressesOf(harness, 'db-0-west'));
  assert.equal(
    harness.slice('shop/db-0-west')?.metadata.annotations?.['mirror.linkerd.io/remote-svc-fq-name'],
    'db-0.db.shop.svc.cluster.local',
  );
  await eventually('both names', () => Object.keys(addressesOf(harness, 'db-west')).length === 2);
  assert.equal(harness.service('shop/db-west')?.spec?.clusterIP, 'None');
  const ip = (name: string): string => harness.service(`shop/${name}`)?.spec?.clusterIP ?? '';
  assert.deepEqual(addressesOf(harness, 'db-west')[ip('db-1-west')], ['db-1', true]);
  put(1);
  await eventually('scaled down', () => harness.service('shop/db-1-west') === undefined);
  await eventually('one name', () => Object.keys(addressesOf(harness, 'db-west')).length === 1);
  assert.equal(slicesOf(harness, 'db-1-west').length, 0);
  put(0);
  await eventually('no pods', () => harness.service('shop/db-0-west') === undefined);
  assert.equal(harness.service('shop/db-west')?.spec?.clusterIP, 'None');
  put(1);
  await eventually('back', () => harness.service('shop/db-0-west'));
  way.remove(west, 'db');
  await eventually('all gone', () => harness.home.peekAll(SERVICES).length === 0);
  assert.equal(harness.home.peekAll(ENDPOINT_SLICES).length, 0);
});

test('a headless export whose pods have no names is mirrored with an address', async () => {
  await using harness = new Harness();
  const west = harness.link('west');
  ANY.put(west, { name: 'db', mode: 'gateway', headless: true, pods: [{ name: 'db-x', ip: '10.1.0.1' }] });
  await harness.start();
  await eventually('gateway', () => '192.0.2.1' in addressesOf(harness, 'db-west'));
  assert.notEqual(harness.service('shop/db-west')?.spec?.clusterIP, 'None');
  ANY.put(west, { name: 'db', mode: 'gateway', headless: true, pods: dbPods(1) });
  await eventually('headless now', () => harness.service('shop/db-west')?.spec?.clusterIP === 'None');
  await eventually('named', () => Object.values(addressesOf(harness, 'db-west'))[0]?.[0] === 'db-0');
});

test('pods of one name behind two headless Services do not collide, also after a restart', async () => {
  await using harness = new Harness();
  const west = harness.link('west');
  for (const name of ['db', 'db-peers'])
    ANY.put(west, { name, mode: 'gateway', headless: true, ports: DB_PORTS, pods: dbPods(1) });
  const first = await harness.start();
  await eventually('both', () =>
    ['db-west', 'db-peers-west'].every((name) => Object.keys(addressesOf(harness, name)).length === 1),
  );
  const ofPods = (): readonly string[] =>
    harness.home
      .peekAll(SERVICES)
      .filter(({ metadata }) => metadata.labels?.['mirror.linkerd.io/headless-mirror-svc-name'] !== undefined)
      .map(({ metadata }) => `${metadata.name} ${metadata.annotations?.['mirror.linkerd.io/remote-svc-fq-name']}`)
      .toSorted();
  const before = ofPods();
  assert.equal(before.length, 2);
  assert.equal(before.filter((name) => name.startsWith('db-0-west ')).length, 1);
  assert.ok(before.some((name) => /^db-0-west-[0-9a-f]{8} /.test(name)));
  await eventually('idle', () => first.idle);
  await first[Symbol.asyncDispose]();
  const second = await harness.start({ resyncMs: 50 });
  await eventually('leads', () => second.isLeader && second.idle);
  await harness.condition('west', 'ServicesMirrored', 'Complete');
  assert.deepEqual(ofPods(), before);
  assert.equal(second.metrics.writes, 0);
});

forBoth('a StatefulSet that is scaled down in one namespace keeps its pods in the others', async (way) => {
  await using harness = new Harness();
  harness.home.seed(NAMESPACES, { metadata: { name: 'stage' } });
  const west = harness.link('west', {}, way.annotations);
  for (const namespace of ['shop', 'stage'])
    way.put(west, { name: 'db', namespace, mode: 'gateway', headless: true, ports: DB_PORTS, pods: dbPods(2) });
  await harness.start();
  await eventually('all', () => harness.home.peekAll(SERVICES).length === 6);
  const uid = harness.service('stage/db-1-west')?.metadata.uid;
  way.put(west, { name: 'db', mode: 'gateway', headless: true, ports: DB_PORTS, pods: dbPods(1) });
  await eventually('scaled down', () => harness.service('shop/db-1-west') === undefined);
  assert.equal(harness.service('stage/db-1-west')?.metadata.uid, uid);
});

test('a headless Service that is no longer exported does not come back when its pods change', async () => {
  await using harness = new Harness();
  const west = harness.link('west');
  const db = { name: 'db', mode: 'gateway' as const, headless: true, ports: DB_PORTS };
  ANY.put(west, { ...db, pods: dbPods(1) });
  const mirror = await harness.start();
  await eventually('mirrors', () => harness.service('shop/db-0-west') && harness.service('shop/db-west'));
  const off = { 'mirror.linkerd.io/exported': 'false' };
  ANY.put(west, { ...db, labels: off, pods: dbPods(1) });
  await eventually('gone', () => harness.home.peekAll(SERVICES).length === 0);
  ANY.put(west, { ...db, labels: off, pods: dbPods(2) });
  // Another export shows that the change before it was heard.
  ANY.put(west, { name: 'web', mode: 'flat', pods: POD });
  await eventually('web', () => slicesOf(harness, 'web-west').length === 1);
  await eventually('idle', () => mirror.idle);
  assert.deepEqual(
    harness.home.peekAll(SERVICES).map(({ metadata }) => metadata.name),
    ['web-west'],
  );
});

forBoth('a federated Service takes members through their gateway or pod to pod', async (way) => {
  await using harness = new Harness();
  const west = harness.link('west', {}, way.annotations);
  const north = harness.link(
    'north',
    { gatewayAddress: '192.0.2.9' },
    { ...way.annotations, 'federation.mesh.dev/path': 'flat' },
  );
  const south = harness.link('south', { gatewayAddress: '' }, way.annotations);
  way.put(west, { name: 'web', mode: 'federated', pods: [{ name: 'web-w', ip: '10.1.0.1' }] });
  way.put(north, { name: 'web', mode: 'federated', pods: [{ name: 'web-n', ip: '10.2.0.1' }] });
  way.put(south, { name: 'web', mode: 'federated', pods: [{ name: 'web-s', ip: '10.3.0.1' }] });
  await harness.start();
  await eventually('all three', () => Object.keys(addressesOf(harness, 'web-federated')).length === 3);
  assert.deepEqual(Object.keys(addressesOf(harness, 'web-federated')), ['10.2.0.1', '10.3.0.1', '192.0.2.1']);
  const service = harness.service('shop/web-federated');
  assert.equal(service?.metadata.annotations?.['multicluster.linkerd.io/remote-discovery'], 'web@north,web@south');
  // One Service may decide otherwise.
  way.put(west, {
    name: 'web',
    mode: 'federated',
    annotations: { 'federation.mesh.dev/path': 'flat' },
    pods: [{ name: 'web-w', ip: '10.1.0.1' }],
  });
  await eventually('west is flat', () => '10.1.0.1' in addressesOf(harness, 'web-federated'));
  assert.ok(!('192.0.2.1' in addressesOf(harness, 'web-federated')));
  way.put(south, {
    name: 'web',
    mode: 'federated',
    annotations: { 'federation.mesh.dev/path': 'gateway' },
    pods: [{ name: 'web-s', ip: '10.3.0.1' }],
  });
  await harness.item('south', 'web', 'NoGatewayAddress', 'federatedServices');
  await eventually('south has no way', () => !('10.3.0.1' in addressesOf(harness, 'web-federated')));
});

test('a member whose pods cannot be read does not hold up the others', async () => {
  await using harness = new Harness();
  const flat = { 'federation.mesh.dev/path': 'flat' };
  const west = harness.link('west', {}, flat);
  const north = harness.link('north', {}, flat);
  const lift = west.fault({ code: 'forbidden', status: 403, match: ({ resource }) => resource === 'pods' });
  for (const [peer, ip] of [
    [west, '10.1.0.1'],
    [north, '10.2.0.1'],
  ] as const)
    ANY.put(peer, { name: 'web', mode: 'federated', pods: [{ name: 'web-a', ip }] });
  await harness.start();
  await eventually('north', () => '10.2.0.1' in addressesOf(harness, 'web-federated'));
  await harness.condition('west', 'CredentialsValid', 'Forbidden');
  assert.ok(!('10.1.0.1' in addressesOf(harness, 'web-federated')));
  lift[Symbol.dispose]();
  await eventually('west', () => '10.1.0.1' in addressesOf(harness, 'web-federated'));
});

forBoth('a headless federated Service has the pods of all clusters by name', async (way) => {
  await using harness = new Harness();
  const flat = { ...way.annotations, 'federation.mesh.dev/path': 'flat' };
  const west = harness.link('west', {}, flat);
  const north = harness.link('north', {}, way.annotations);
  way.put(west, { name: 'db', mode: 'federated', headless: true, ports: DB_PORTS, pods: dbPods(1) });
  way.put(north, { name: 'db', mode: 'federated', headless: true, ports: DB_PORTS, pods: dbPods(1, '10.2.0') });
  ANY.put(harness.home, { name: 'db', mode: 'federated', headless: true, ports: DB_PORTS, pods: dbPods(1, '10.9.0') });
  await harness.start();
  await eventually('both', () => Object.keys(addressesOf(harness, 'db-federated')).length === 2);
  assert.deepEqual(addressesOf(harness, 'db-federated'), {
    '10.1.0.1': ['db-0-west', true],
    '10.9.0.1': ['db-0', true],
  });
  const service = harness.service('shop/db-federated');
  assert.equal(service?.spec?.clusterIP, 'None');
  assert.equal(service.metadata.annotations?.['multicluster.linkerd.io/local-discovery'], undefined);
  const { message } = await harness.item('north', 'db', 'InvalidService', 'federatedServices');
  assert.match(message, /annotate Link or Service with federation\.mesh\.dev\/path: flat/);
  ANY.put(harness.home, { name: 'db', mode: 'federated', headless: true, ports: DB_PORTS, pods: dbPods(2, '10.9.0') });
  await eventually('local change', () => '10.9.0.2' in addressesOf(harness, 'db-federated'));
  ANY.remove(harness.home, 'db');
  await eventually('local left', () => !('10.9.0.1' in addressesOf(harness, 'db-federated')));
});

/** Two Links, the older one to `old`. */
function twoMembers(harness: Harness): {
  readonly old: ReturnType<Harness['peer']>;
  readonly young: ReturnType<Harness['peer']>;
} {
  const old = harness.link('old');
  const young = harness.link('young', { gatewayAddress: '192.0.2.9' });
  for (const [name, creationTimestamp] of [
    ['old', '2026-01-01T00:00:00Z'],
    ['young', '2026-02-01T00:00:00Z'],
  ] as const) {
    const link = harness.home.peek(LINKS, `${LINK_NAMESPACE}/${name}`)!;
    harness.home.seed(LINKS, { ...link, metadata: { ...link.metadata, creationTimestamp } });
  }
  return { old, young };
}

function conflictOf(
  harness: Harness,
  cluster: string,
): { readonly reason: string; readonly message: string } | undefined {
  return harness
    .linkStatus(cluster)
    ?.federatedServices?.[0]?.conditions.find(({ type, status }) => type === 'Conflict' && status === 'True');
}

const HTTP = { name: 'http', port: 80, protocol: 'TCP' as const };

for (const [what, differing, reason, detail, note] of [
  [
    'a port less',
    { ports: [HTTP] },
    'PortsDiffer',
    /takes no traffic at admin \(9000\/TCP\), which it does not have/,
    'young: ports',
  ],
  [
    'a port more',
    { ports: [HTTP, { name: 'admin', port: 9000 }, { name: 'extra', port: 7 }] },
    'PortsDiffer',
    /its extra \(7\/TCP\) cannot be reached/,
    'young: ports',
  ],
  [
    'another appProtocol',
    {
      ports: [
        { ...HTTP, appProtocol: 'grpc' },
        { name: 'admin', port: 9000 },
      ],
    },
    'AppProtocolDiffers',
    /http \(80\/TCP\) has appProtocol "grpc" instead of ""/,
    'young: appProtocol',
  ],
  [
    'another session affinity',
    { sessionAffinity: 'ClientIP' },
    'SessionAffinityDiffers',
    /sessionAffinity ClientIP instead of None/,
    'young: sessionAffinity',
  ],
  ['another kind', { headless: true }, 'TypeDiffers', /is headless instead of with a cluster IP/, 'young: type'],
  ['other labels', { labels: { team: 'b' } }, 'LabelsDiffer', /other labels: team/, 'young: labels'],
] as const) {
  test(`a member with ${what} is named, and the oldest Link decides`, async () => {
    await using harness = new Harness();
    const { old, young } = twoMembers(harness);
    const common = {
      name: 'web',
      mode: 'federated' as const,
      labels: { team: 'a' },
      ports: [HTTP, { name: 'admin', port: 9000 }],
      pods: POD,
    };
    ANY.put(old, common);
    ANY.put(young, { ...common, ...differing });
    await harness.start();
    const found = await eventually('conflict', () => conflictOf(harness, 'young'));
    assert.equal(found.reason, reason);
    assert.match(found.message, /^differs from cluster old, which decides: /);
    assert.match(found.message, detail);
    assert.equal(conflictOf(harness, 'old'), undefined);
    const service = harness.service('shop/web-federated');
    assert.equal(service?.metadata.labels?.['team'], 'a');
    assert.deepEqual(
      service.spec?.ports?.map(({ port }) => port),
      [80, 9000],
    );
    assert.equal(service.metadata.annotations?.['federation.mesh.dev/conflicts'], note);
    assert.equal((await harness.item('young', 'web', 'Mirrored', 'federatedServices')).status, 'True');
    ANY.put(young, common);
    await eventually('agreed', () => conflictOf(harness, 'young') === undefined);
    await eventually(
      'no note',
      () =>
        harness.service('shop/web-federated')?.metadata.annotations?.['federation.mesh.dev/conflicts'] === undefined,
    );
  });
}

test('the local member decides, whoever else is there, and both peers are told where they differ', async () => {
  await using harness = new Harness();
  const { old, young } = twoMembers(harness);
  for (const peer of [old, young]) ANY.put(peer, { name: 'web', mode: 'federated', ports: [HTTP], pods: POD });
  ANY.put(harness.home, { name: 'web', mode: 'federated', ports: [{ ...HTTP, port: 81 }], pods: POD });
  await harness.start();
  await eventually('local ports', () => harness.service('shop/web-federated')?.spec?.ports?.[0]?.port === 81);
  for (const cluster of ['old', 'young']) {
    const found = await eventually('conflict', () => conflictOf(harness, cluster));
    assert.match(found.message, /^differs from the local Service/);
  }
});

test('names that grow too long are shortened, and keep the whole in an annotation', async () => {
  await using harness = new Harness();
  const west = harness.link('west');
  const name = `n${'o'.repeat(60)}`;
  for (const mode of ['flat', 'federated'] as const) ANY.put(west, { name: `${name}${mode[1]}`, mode, pods: POD });
  const mirror = await harness.start();
  await harness.item('west', `${name}l`, 'Mirrored');
  await harness.item('west', `${name}e`, 'Mirrored', 'federatedServices');
  const services = harness.home.peekAll(SERVICES).map(({ metadata }) => metadata);
  assert.deepEqual(
    new Set(services.map((one) => one.annotations?.['federation.mesh.dev/full-name'])),
    new Set([`${name}e-federated`, `${name}l-west`]),
  );
  assert.ok(services.every((one) => one.name.length === 63 && /-[0-9a-f]{8}$/.test(one.name)));
  await eventually('idle', () => mirror.idle);
  ANY.remove(west, `${name}l`);
  ANY.remove(west, `${name}e`);
  await eventually('gone', () => harness.home.peekAll(SERVICES).length === 0);
  assert.equal(harness.home.peekAll(ENDPOINT_SLICES).length, 0);
});

test('two long names with the same beginning are two mirrors', async () => {
  await using harness = new Harness();
  const west = harness.link('west');
  for (const last of ['a', 'b']) ANY.put(west, { name: 'n'.repeat(61) + last, mode: 'gateway', pods: POD });
  await harness.start();
  await eventually('both', () => harness.home.peekAll(SERVICES).length === 2);
});

test('addresses that no pod of a peer can have are left out', async () => {
  await using harness = new Harness();
  const west = harness.link('west');
  const bad = ['127.0.0.1', '169.254.169.254', '0.0.0.0', '224.0.0.1', 'fd00::1', 'localhost'];
  ANY.put(west, {
    name: 'web',
    mode: 'flat',
    pods: [...POD, ...bad.map((ip, index) => ({ name: `bad-${index}`, ip, hostname: 'Not A Name' }))],
  });
  await harness.start();
  await eventually('one', () => '10.1.0.1' in addressesOf(harness, 'web-west'));
  assert.deepEqual(Object.keys(addressesOf(harness, 'web-west')), ['10.1.0.1']);
});

test('a conflict of names is an Event on the Link and on the object that has the name', async () => {
  await using harness = new Harness();
  const west = harness.link('west');
  ANY.put(west, { name: 'web', mode: 'flat', pods: POD });
  harness.home.seed(SERVICES, { metadata: { name: 'web-west', namespace: 'shop' }, spec: { ports: [{ port: 7 }] } });
  await harness.start();
  await harness.item('west', 'web', 'NameConflict');
  const about = (kind: string): boolean =>
    harness.home
      .peekAll(EVENTS)
      .some(
        ({ reason, involvedObject, type }) =>
          reason === 'NameConflict' && involvedObject.kind === kind && type === 'Warning',
      );
  await eventually('both', () => about('Link') && about('Service'));
});
