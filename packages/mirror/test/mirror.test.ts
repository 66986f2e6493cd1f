/** The whole controller against APIs in memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LINKS, NAMESPACES, SERVICES } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import {
  EXPORTED,
  exportService,
  FEDERATED,
  Harness,
  LINK_NAMESPACE,
  linkObject,
  setReady,
} from '../src/testing/harness.ts';

const WEST = 'shop/catalog-west';

test('an exported Service appears here with the gateway as its endpoint', async () => {
  await using harness = new Harness();
  const west = harness.link('west');
  exportService(west, 'catalog', {
    labels: { ...EXPORTED, app: 'catalog', 'app.kubernetes.io/instance': 'argo-app' },
    annotations: {
      'balancer.linkerd.io/failure-accrual': 'consecutive',
      'service.beta.kubernetes.io/aws-load-balancer-type': 'nlb',
    },
    ports: [{ name: 'http', port: 80, targetPort: 8080, appProtocol: 'http', protocol: 'TCP' }],
  });
  await harness.start();
  const service = await eventually('mirror', () => harness.service(WEST));
  assert.deepEqual(service.metadata.labels, {
    app: 'catalog',
    'mirror.linkerd.io/mirrored-service': 'true',
    'mirror.linkerd.io/cluster-name': 'west',
  });
  const { 'mirror.linkerd.io/remote-resource-version': version, ...annotations } = service.metadata.annotations ?? {};
  assert.ok(version);
  assert.deepEqual(annotations, {
    'balancer.linkerd.io/failure-accrual': 'consecutive',
    'mirror.linkerd.io/remote-svc-fq-name': 'catalog.shop.svc.cluster.local',
    'federation.mesh.dev/link': `${LINK_NAMESPACE}/west`,
  });
  assert.deepEqual(service.spec?.ports, [
    { name: 'http', protocol: 'TCP', port: 80, targetPort: 8080, appProtocol: 'http' },
  ]);
  assert.equal(service.spec?.selector, undefined);
  const slice = await eventually('slice', () => harness.slice(WEST));
  assert.deepEqual(slice.endpoints, [
    { addresses: ['192.0.2.1'], conditions: { ready: true, serving: true, terminating: false } },
  ]);
  assert.deepEqual(slice.ports, [{ name: 'http', protocol: 'TCP', port: 4143, appProtocol: 'http' }]);
  assert.equal(slice.metadata.labels?.['kubernetes.io/service-name'], 'catalog-west');
  assert.equal(
    slice.metadata.annotations?.['mirror.linkerd.io/remote-gateway-identity'],
    'linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.cluster.local',
  );
  assert.equal(slice.metadata.ownerReferences?.[0]?.uid, service.metadata.uid);
  await harness.item('west', 'catalog', 'Mirrored');
  await harness.condition('west', 'GatewayAlive', 'ProbeSucceeded');
  await harness.condition('west', 'ServicesMirrored', 'Complete');
  await harness.condition('west', 'Reachable', 'Connected');
  await harness.condition('west', 'CredentialsValid', 'Accepted');
});

test('export, change and unexport are followed', async () => {
  await using harness = new Harness();
  const west = harness.link('west');
  await harness.start();
  await harness.condition('west', 'ServicesMirrored', 'Complete');
  const before = performance.now();
  exportService(west, 'catalog');
  await eventually('mirror', () => harness.slice(WEST));
  assert.ok(performance.now() - before < 1000, 'export to mirror takes less than a second');
  exportService(west, 'catalog', { ports: [{ name: 'http', port: 81, protocol: 'TCP' }] });
  await eventually('port change', () => harness.service(WEST)?.spec?.ports?.[0]?.port === 81);
  exportService(west, 'catalog', { labels: {} });
  await eventually('mirror gone', () => harness.service(WEST) === undefined && harness.slice(WEST) === undefined);
  await eventually('status entry gone', () => harness.linkStatus('west')?.mirrorServices?.length === 0);
});

test('a Service without ready endpoints has a mirror without endpoints', async () => {
  await using harness = new Harness();
  const west = harness.link('west');
  exportService(west, 'catalog', { ready: 0 });
  await harness.start();
  await eventually('empty slice', () => harness.slice(WEST)?.endpoints.length === 0);
  setReady(west, 'catalog', 1);
  await eventually('endpoint', () => harness.slice(WEST)?.endpoints.length === 1);
  setReady(west, 'catalog', 0);
  await eventually('empty again', () => harness.slice(WEST)?.endpoints.length === 0);
});

test('endpoints that somebody keeps by hand count as well', async () => {
  await using harness = new Harness();
  const west = harness.link('west');
  exportService(west, 'legacy', { unselected: true });
  exportService(west, 'empty', { unselected: true, ready: 0 });
  await harness.start();
  await eventually('endpoint', () => harness.slice('shop/legacy-west')?.endpoints.length === 1);
  assert.equal(harness.slice('shop/empty-west')?.endpoints.length, 0);
});

test('a gateway that dies is out within two seconds and back after one success', async () => {
  await using harness = new Harness();
  const west = harness.link('west', {
    gatewayAddress: '192.0.2.1,192.0.2.2',
    probeSpec: { path: '/ready', port: '4191', period: '200ms' },
  });
  exportService(west, 'catalog');
  await harness.start();
  await eventually(
    'both ready',
    () => harness.ready(WEST)['192.0.2.1'] === true && harness.ready(WEST)['192.0.2.2'] === true,
  );
  const before = performance.now();
  harness.gateways.set('192.0.2.1', 'refused');
  await eventually('first is out', () => harness.ready(WEST)['192.0.2.1'] === false);
  assert.ok(performance.now() - before < 2000);
  assert.equal(harness.ready(WEST)['192.0.2.2'], true);
  await harness.condition('west', 'GatewayAlive', 'ProbeSucceeded');
  harness.gateways.set('192.0.2.2', 'timeout');
  await harness.condition('west', 'GatewayAlive', 'ConnectionRefused');
  harness.gateways.set('192.0.2.1', undefined);
  await eventually('first is back', () => harness.ready(WEST)['192.0.2.1'] === true);
});

test('a gateway that is dead at the start is marked so', async () => {
  await using harness = new Harness();
  harness.gateways.set('192.0.2.1', 'refused');
  exportService(harness.link('west'), 'catalog');
  await harness.start();
  await eventually('slice', () => harness.ready(WEST)['192.0.2.1'] === false);
  const condition = await harness.condition('west', 'GatewayAlive', 'ConnectionRefused');
  assert.equal(condition.status, 'False');
});

test('a change of the Link keeps the verdict on the gateway', async () => {
  await using harness = new Harness();
  harness.gateways.set('192.0.2.1', 'refused');
  exportService(harness.link('west'), 'catalog');
  await harness.start();
  await eventually('not ready', () => harness.ready(WEST)['192.0.2.1'] === false);
  harness.home.seed(LINKS, {
    ...harness.home.peek(LINKS, `${LINK_NAMESPACE}/west`)!,
    spec: { ...linkObject('west').spec, gatewayPort: '4144' },
  });
  await eventually('port changes', () => harness.slice(WEST)?.ports?.[0]?.port === 4144);
  assert.equal(harness.ready(WEST)['192.0.2.1'], false);
});

test('nothing is written when nothing changed, also after a restart', async () => {
  await using harness = new Harness();
  const west = harness.link('west');
  for (let index = 0; index < 20; index += 1) exportService(west, `s${index}`);
  exportService(west, 'fed', { labels: FEDERATED });
  const first = await harness.start();
  await harness.condition('west', 'ServicesMirrored', 'Complete');
  await eventually(
    'all mirrored',
    () => harness.linkStatus('west')?.mirrorServices?.length === 20 && harness.slice('shop/fed-federated-west'),
  );
  await eventually('idle', () => first.idle);
  await first[Symbol.asyncDispose]();
  const objects = harness.home.calls.length;
  const second = await harness.start({ resyncMs: 50 });
  await eventually('leads', () => second.isLeader);
  await new Promise((resolve) => setTimeout(resolve, 400));
  await eventually('idle', () => second.idle);
  const writes = harness.home.calls
    .slice(objects)
    .filter(
      ({ verb, resource }) =>
        ['create', 'replace', 'patch', 'delete', 'apply'].includes(verb) && !resource.startsWith('leases'),
    );
  assert.deepEqual(writes, []);
  assert.equal(second.metrics.writes, 0);
});

test('what others change on a mirror is put back, and a deleted mirror returns', async () => {
  await using harness = new Harness();
  exportService(harness.link('west'), 'catalog');
  await harness.start();
  const service = await eventually('mirror', () => harness.service(WEST));
  await eventually('slice', () => harness.slice(WEST));
  harness.home.seed(SERVICES, {
    ...service,
    metadata: { ...service.metadata, labels: { ...service.metadata.labels, extra: 'x' } },
    spec: { ...service.spec, ports: [{ port: 1 }] },
  });
  await eventually(
    'repaired',
    () =>
      harness.service(WEST)?.spec?.ports?.[0]?.port === 80 &&
      harness.service(WEST)?.metadata.labels?.['extra'] === undefined,
  );
  harness.home.remove(SERVICES, WEST);
  await eventually(
    'recreated',
    () =>
      harness.service(WEST) &&
      harness.slice(WEST)?.metadata.ownerReferences?.[0]?.uid === harness.service(WEST)?.metadata.uid,
  );
});

test('deleting the Link removes everything it made, even while the peer is gone, and then the Link itself', async () => {
  await using harness = new Harness();
  const west = harness.link('west');
  for (let index = 0; index < 5; index += 1) exportService(west, `s${index}`);
  exportService(west, 'fed', { labels: FEDERATED });
  harness.home.seed(SERVICES, { metadata: { name: 'mine-west', namespace: 'shop' }, spec: { ports: [{ port: 1 }] } });
  await harness.start();
  await eventually('all there', () => harness.slice('shop/s4-west') && harness.slice('shop/fed-federated-west'));
  await eventually(
    'finalizer',
    () => harness.home.peek(LINKS, `${LINK_NAMESPACE}/west`)?.metadata.finalizers?.length === 1,
  );
  west.goDown();
  harness.home.remove(LINKS, `${LINK_NAMESPACE}/west`);
  await eventually('Link gone', () => harness.home.peek(LINKS, `${LINK_NAMESPACE}/west`) === undefined);
  assert.deepEqual(
    harness.home.peekAll(SERVICES).map((service) => service.metadata.name),
    ['mine-west'],
  );
});

test('when a Link names its cluster anew, mirrors under the old name go', async () => {
  await using harness = new Harness();
  exportService(harness.link('west'), 'catalog');
  await harness.start();
  await eventually('mirror', () => harness.slice(WEST));
  const link = harness.home.peek(LINKS, `${LINK_NAMESPACE}/west`)!;
  harness.home.seed(LINKS, { ...link, spec: { ...link.spec, targetClusterName: 'occident' } });
  await eventually('renamed', () => harness.slice('shop/catalog-occident') && harness.service(WEST) === undefined);
  assert.equal(harness.slice(WEST), undefined);
});

test('a Link that is deleted while no mirror runs is cleaned up by the next one', async () => {
  await using harness = new Harness();
  exportService(harness.link('west'), 'catalog');
  const first = await harness.start();
  await eventually('mirror', () => harness.slice(WEST));
  await eventually(
    'finalizer',
    () => harness.home.peek(LINKS, `${LINK_NAMESPACE}/west`)?.metadata.finalizers?.length === 1,
  );
  await first[Symbol.asyncDispose]();
  harness.home.remove(LINKS, `${LINK_NAMESPACE}/west`);
  await harness.start();
  await eventually(
    'all gone',
    () => harness.service(WEST) === undefined && harness.home.peek(LINKS, `${LINK_NAMESPACE}/west`) === undefined,
  );
});

test('a Service that was unexported while no mirror ran is removed by the next one', async () => {
  await using harness = new Harness();
  const west = harness.link('west');
  exportService(west, 'catalog');
  const first = await harness.start();
  await eventually('mirror', () => harness.slice(WEST));
  await first[Symbol.asyncDispose]();
  exportService(west, 'catalog', { labels: {} });
  await harness.start();
  await eventually('mirror gone', () => harness.service(WEST) === undefined);
});

test('a federated Service unites local and remote members and goes with the last', async () => {
  await using harness = new Harness();
  const west = harness.link('west');
  const north = harness.link('north', { gatewayAddress: '192.0.2.9' });
  exportService(west, 'catalog', { labels: FEDERATED });
  exportService(north, 'catalog', { labels: FEDERATED, ready: 0 });
  exportService(harness.home, 'catalog', { labels: { ...FEDERATED, app: 'local' } });
  await harness.start();
  const federated = 'shop/catalog-federated';
  await eventually('all members', () => harness.slice(`${federated}-west`) && harness.slice(`${federated}-north`));
  const service = harness.service(federated);
  assert.equal(service?.metadata.annotations?.['multicluster.linkerd.io/local-discovery'], 'catalog');
  assert.equal(service?.metadata.labels?.['app'], 'local');
  assert.equal(service?.metadata.labels?.['mirror.linkerd.io/cluster-name'], undefined);
  assert.equal(
    harness.slice(`${federated}-west`)?.metadata.labels?.['kubernetes.io/service-name'],
    'catalog-federated',
  );
  assert.deepEqual(harness.ready(`${federated}-west`), { '192.0.2.1': true });
  assert.deepEqual(harness.ready(`${federated}-north`), {});
  await harness.item('west', 'catalog', 'Mirrored', 'federatedServices');
  exportService(west, 'catalog', { labels: {} });
  await eventually('west left', () => harness.slice(`${federated}-west`) === undefined);
  exportService(harness.home, 'catalog', { labels: {} });
  await eventually(
    'local left',
    () => harness.service(federated)?.metadata.annotations?.['multicluster.linkerd.io/local-discovery'] === undefined,
  );
  exportService(north, 'catalog', { labels: {} });
  await eventually('all left', () => harness.service(federated) === undefined);
});

test('a standby takes over when the leader goes', async () => {
  await using harness = new Harness();
  const west = harness.link('west');
  const leader = await harness.start();
  await eventually('leads', () => leader.isLeader);
  const standby = await harness.start();
  assert.equal(standby.isLeader, false);
  await leader[Symbol.asyncDispose]();
  exportService(west, 'catalog');
  await eventually('mirror by the standby', () => harness.slice(WEST));
  assert.equal(standby.isLeader, true);
});

test('metrics carry what the gateways command reads', async () => {
  await using harness = new Harness();
  exportService(harness.link('west'), 'catalog');
  const mirror = await harness.start({ adminAddress: { host: '127.0.0.1', port: 0 } });
  await harness.condition('west', 'ServicesMirrored', 'Complete');
  const response = await fetch(`http://127.0.0.1:${mirror.adminPort}/metrics`);
  const text = await response.text();
  assert.match(text, /gateway_alive\{target_cluster_name="west"\} 1/);
  assert.match(text, /gateway_enabled\{target_cluster_name="west"\} 1/);
  assert.match(text, /gateway_probes\{target_cluster_name="west",probe_successful="true"\} \d/);
  assert.match(text, /mesh_mirror_services\{target_cluster_name="west",state="mirrored"\} 1/);
  assert.match(text, /mesh_mirror_api_writes_total\{resource="services",verb="create"\} 1/);
  assert.equal((await fetch(`http://127.0.0.1:${mirror.adminPort}/ready`)).status, 200);
});

test('with namespace creation on, a missing namespace is made', async () => {
  await using harness = new Harness();
  exportService(harness.link('west'), 'catalog', { namespace: 'new' });
  await harness.start({ enableNamespaceCreation: true });
  await eventually('mirror', () => harness.service('new/catalog-west'));
  assert.equal(harness.home.peek(NAMESPACES, 'new')?.metadata.labels?.['mirror.linkerd.io/cluster-name'], 'west');
});
