/** Bad input and faults: one clear condition each, nothing else stops, nothing foreign is touched. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EVENTS, LINKS, NAMESPACES, SECRETS, SERVICES } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import { exportService, FEDERATED, Harness, LINK_NAMESPACE, linkObject } from '../src/testing/harness.ts';

/** Two Links, of which the second is fine: it must not suffer. */
async function withHealthyNeighbour(prepare: (harness: Harness) => void): Promise<Harness> {
  const harness = new Harness();
  prepare(harness);
  exportService(harness.link('north'), 'cart');
  await harness.start();
  await eventually('the healthy Link works', () => harness.slice('shop/cart-north'));
  return harness;
}

test('missing Secret', async () => {
  await using harness = await withHealthyNeighbour((home) => {
    home.peer('west');
    home.home.seed(LINKS, linkObject('west'));
  });
  const { message } = await harness.condition('west', 'CredentialsValid', 'MissingSecret');
  assert.match(
    message,
    /Secret linkerd-multicluster\/cluster-credentials-west does not exist: apply the output of mesh multicluster link/,
  );
  const note = await eventually('an Event on the Link', () =>
    harness.home.peekAll(EVENTS).find((event) => event.reason === 'MissingSecret'),
  );
  assert.equal(note.involvedObject.name, 'west');
  assert.equal(note.type, 'Warning');
  exportService(harness.peer('west'), 'catalog');
  harness.secret('west', 'right');
  await eventually('healed without restart', () => harness.slice('shop/catalog-west'));
});

test('malformed Secret', async () => {
  await using harness = await withHealthyNeighbour((home) => {
    home.link('west');
    home.rawSecret('west', { kubeconfig: Buffer.from('clusters: 7').toString('base64') });
  });
  const { message } = await harness.condition('west', 'CredentialsValid', 'MalformedSecret');
  assert.match(message, /Secret linkerd-multicluster\/cluster-credentials-west/);
  harness.rawSecret('west', { other: 'x' });
  await eventually('no kubeconfig', () => {
    const found = harness.linkStatus('west')?.conditions?.find(({ type }) => type === 'CredentialsValid');
    return found?.message.includes('has no data.kubeconfig');
  });
});

test('refused credentials, renewed without restart', async () => {
  await using harness = await withHealthyNeighbour((home) => {
    exportService(home.link('west'), 'catalog');
    home.secret('west', 'revoked');
  });
  const { message } = await harness.condition('west', 'CredentialsValid', 'Unauthorized');
  assert.match(message, /cluster west refuses the token.*generate the Link again/);
  const before = performance.now();
  harness.secret('west', 'right');
  await eventually('healed', () => harness.slice('shop/catalog-west'));
  assert.ok(performance.now() - before < 10_000);
  await harness.condition('west', 'CredentialsValid', 'Accepted');
});

test('unreachable peer: mirrors stay as they are, and heal afterwards', async () => {
  await using harness = await withHealthyNeighbour((home) => {
    exportService(home.link('west'), 'catalog');
  });
  const west = harness.peer('west');
  await eventually('mirror', () => harness.slice('shop/catalog-west'));
  west.goDown();
  const { message } = await harness.condition('west', 'Reachable', 'Unreachable');
  assert.match(message, /what was mirrored stays as it is/);
  assert.ok(harness.service('shop/catalog-west'));
  exportService(west, 'catalog', { labels: {} });
  exportService(west, 'cart');
  west.comeBack();
  await harness.condition('west', 'Reachable', 'Connected');
  await eventually(
    'caught up',
    () => harness.slice('shop/cart-west') && harness.service('shop/catalog-west') === undefined,
  );
});

test('a mirror that starts while the peer is unreachable deletes nothing', async () => {
  await using harness = new Harness();
  const west = harness.link('west');
  exportService(west, 'catalog');
  exportService(west, 'fed', { labels: FEDERATED });
  const first = await harness.start();
  await eventually('mirrors', () => harness.slice('shop/catalog-west') && harness.slice('shop/fed-federated-west'));
  await first[Symbol.asyncDispose]();
  west.goDown();
  const second = await harness.start();
  await harness.condition('west', 'Reachable', 'Unreachable');
  await eventually('idle', () => second.isLeader && second.idle);
  assert.ok(harness.slice('shop/catalog-west'));
  assert.ok(harness.slice('shop/fed-federated-west'));
});

test('an API server that is not trusted', async () => {
  await using harness = await withHealthyNeighbour((home) => {
    home.link('west').fault({
      code: 'tls',
      message:
        'the API server https://west is not trusted: its certificate is not signed by the authority that we were given',
    });
  });
  const { message } = await harness.condition('west', 'Reachable', 'UntrustedServer');
  assert.match(message, /not signed by the authority.*west was made anew.*generate the Link again/);
});

test('a gateway under another trust anchor', async () => {
  await using harness = await withHealthyNeighbour((home) => {
    exportService(home.link('west', { gatewayAddress: '192.0.2.77' }), 'catalog');
    home.gateways.set('192.0.2.77', 'tls');
  });
  await eventually(
    'verdict',
    async () => (await harness.condition('west', 'GatewayAlive', 'UntrustedGateway')).status === 'False',
  );
  const { message } = await harness.condition('west', 'GatewayAlive', 'UntrustedGateway');
  assert.match(message, /common trust anchor/);
  await eventually('not ready', () => harness.ready('shop/catalog-west')['192.0.2.77'] === false);
});

test('no gateway address', async () => {
  await using harness = await withHealthyNeighbour((home) => {
    exportService(home.link('west', { gatewayAddress: '', gatewayPort: '', gatewayIdentity: '' }), 'catalog');
  });
  const { message } = await harness.condition('west', 'GatewayAlive', 'NoGatewayAddress');
  assert.match(message, /spec\.gatewayAddress is empty/);
  await harness.item('west', 'catalog', 'NoGatewayAddress');
  assert.equal(harness.slice('shop/catalog-west'), undefined);
});

test('a gateway name that does not resolve, until it does', async () => {
  await using harness = await withHealthyNeighbour((home) => {
    exportService(home.link('west', { gatewayAddress: 'gw.west.example' }), 'catalog');
  });
  const { message } = await harness.condition('west', 'GatewayAlive', 'NoGatewayAddress');
  assert.match(message, /gateway name gw\.west\.example does not resolve/);
  harness.dns.set('gw.west.example', ['192.0.2.50', '192.0.2.51']);
  await eventually('resolved', () => Object.keys(harness.ready('shop/catalog-west')).length === 2);
});

test("a Service of the mirror's name exists: it is not touched, and the mirror takes its place once it goes", async () => {
  await using harness = await withHealthyNeighbour((home) => {
    exportService(home.link('west'), 'catalog');
    home.home.seed(SERVICES, {
      metadata: { name: 'catalog-west', namespace: 'shop', labels: { own: 'yes' } },
      spec: { ports: [{ port: 7 }] },
    });
  });
  const { message } = await harness.item('west', 'catalog', 'NameConflict');
  assert.match(message, /Service shop\/catalog-west exists here/);
  const { message: summary } = await harness.condition('west', 'ServicesMirrored', 'Incomplete');
  assert.match(summary, /shop\/catalog: Service shop\/catalog-west exists here/);
  assert.deepEqual(harness.service('shop/catalog-west')?.metadata.labels, { own: 'yes' });
  harness.home.remove(SERVICES, 'shop/catalog-west');
  await eventually('mirror', () => harness.slice('shop/catalog-west'));
  await harness.item('west', 'catalog', 'Mirrored');
});

test('a Service called like a federated one is not adopted', async () => {
  await using harness = await withHealthyNeighbour((home) => {
    exportService(home.link('west'), 'catalog', { labels: FEDERATED });
    home.home.seed(SERVICES, {
      metadata: { name: 'catalog-federated', namespace: 'shop', labels: { own: 'yes' } },
      spec: { ports: [{ port: 7 }] },
    });
  });
  await harness.item('west', 'catalog', 'NameConflict', 'federatedServices');
  assert.deepEqual(harness.service('shop/catalog-federated')?.metadata.labels, { own: 'yes' });
  assert.equal(harness.slice('shop/catalog-federated-west'), undefined);
});

test('two Links to one cluster do not fight, and the second takes over when the first goes', async () => {
  await using harness = await withHealthyNeighbour((home) => {
    exportService(home.link('west'), 'catalog');
  });
  await eventually('mirror', () => harness.slice('shop/catalog-west'));
  const twin = linkObject('west');
  harness.home.seed(LINKS, { ...twin, metadata: { ...twin.metadata, name: 'west-twin' } });
  const { message } = await harness.item('west-twin', 'catalog', 'NameConflict');
  assert.match(message, /Link linkerd-multicluster\/west is for cluster west too/);
  const version = harness.service('shop/catalog-west')?.metadata.resourceVersion;
  await harness.item('west', 'catalog', 'Mirrored');
  assert.equal(harness.service('shop/catalog-west')?.metadata.resourceVersion, version);
  harness.home.remove(LINKS, `${LINK_NAMESPACE}/west`);
  await harness.item('west-twin', 'catalog', 'Mirrored');
  await eventually('mirror of the twin', () => harness.slice('shop/catalog-west'));
});

test('an export that cannot be mirrored', async () => {
  await using harness = await withHealthyNeighbour((home) => {
    exportService(home.link('west'), 'elsewhere', { type: 'ExternalName' });
    exportService(home.peer('west'), 'portless', { ports: [] });
  });
  const { message } = await harness.item('west', 'elsewhere', 'InvalidService');
  assert.match(message, /of type ExternalName: export the Service that it points to/);
  assert.match((await harness.item('west', 'portless', 'InvalidService')).message, /no ports: add at least one/);
  assert.equal(harness.service('shop/elsewhere-west'), undefined);
});

test('namespace missing here, until it is made', async () => {
  await using harness = await withHealthyNeighbour((home) => {
    exportService(home.link('west'), 'catalog', { namespace: 'elsewhere' });
  });
  const { message } = await harness.item('west', 'catalog', 'MissingNamespace');
  assert.match(message, /namespace elsewhere does not exist here: create it/);
  harness.home.seed(NAMESPACES, { metadata: { name: 'elsewhere' } });
  await eventually('mirror', () => harness.slice('elsewhere/catalog-west'));
  await harness.item('west', 'catalog', 'Mirrored');
});

test('an unusable specification names each field', async () => {
  await using harness = await withHealthyNeighbour((home) => {
    home.link('west', {
      gatewayPort: 'high',
      gatewayIdentity: 'not an identity',
      probeSpec: { path: '/ready', port: '4191', period: 'often' },
    });
  });
  const { message } = await harness.condition('west', 'Valid', 'InvalidSpec');
  assert.match(message, /spec\.gatewayPort "high" is not a port/);
  assert.match(message, /spec\.gatewayIdentity "not an identity"/);
});

test("while this cluster's API is away nothing is lost, and afterwards everything is caught up", async () => {
  await using harness = await withHealthyNeighbour((home) => void home.link('west'));
  harness.home.goDown();
  exportService(harness.peer('west'), 'catalog');
  exportService(harness.peer('north'), 'cart', { labels: {} });
  harness.home.comeBack();
  await eventually(
    'caught up',
    () => harness.slice('shop/catalog-west') && harness.service('shop/cart-north') === undefined,
    15_000,
  );
});

test('a refused write is retried until it is allowed', async () => {
  await using harness = new Harness();
  const lift = harness.home.fault({
    code: 'forbidden',
    status: 403,
    match: ({ verb, resource }) => verb === 'create' && resource === 'services',
  });
  exportService(harness.link('west'), 'catalog');
  await harness.start();
  await eventually('an attempt', () =>
    harness.home.calls.some(({ verb, resource }) => verb === 'create' && resource === 'services'),
  );
  lift[Symbol.dispose]();
  await eventually('mirror', () => harness.slice('shop/catalog-west'));
});

test('a Secret that is deleted later leaves mirrors as they are', async () => {
  await using harness = await withHealthyNeighbour((home) => {
    exportService(home.link('west'), 'catalog');
  });
  await eventually('mirror', () => harness.slice('shop/catalog-west'));
  harness.home.remove(SECRETS, `${LINK_NAMESPACE}/cluster-credentials-west`);
  await harness.condition('west', 'CredentialsValid', 'MissingSecret');
  assert.ok(harness.slice('shop/catalog-west'));
});
