/**
 * A peer that is lost, and made anew under its name: other authority, other keys, other objects, the same addresses. Until somebody links it
 * again, what is known of the old one stays and nothing of the new one is taken for it; then only what the new one exports is there.
 */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { kubeConfigToken, kubeConfigWithToken, PEERS, PODS, SECRETS } from '@mesh/kube';
import { parseManifests } from '@mesh/cli';
import { okOutput } from '../../scripts/home/cli.ts';
import { gatewayAddress, installMesh, MC_NAMESPACE, replaceIssuer } from '../../scripts/home/install-mesh.ts';
import { deployShop, labelService, serviceExists, SHOP, startLoad } from '../../scripts/home/shop.ts';
import { isOk } from '../../scripts/home/traffic.ts';
import { failures, Federation, patience, until } from './federation.ts';

const EXPORTED = 'mirror.linkerd.io/exported';
const CREDENTIALS = { namespace: MC_NAMESPACE, name: 'cluster-credentials-west' };
/** The old cluster exports `catalog`, `pricing` and, flat, `cart`; the new one `catalog` and `web`. */
const TARGETS = {
  home: 'http://web/',
  west: 'http://web/browse?store=west',
  pricing: 'http://pricing-west/prices',
  cart: 'http://cart-west/items',
};

suite('a peer made anew', () => {
  let federation: Federation;
  const stop = new AbortController();
  /** What east had of the old cluster. */
  let mirrors: readonly string[];
  let catalogUid: string | undefined;
  let oldToken: string;
  let goneAt: number;

  before(async () => {
    federation = await Federation.open();
    const { east, west } = federation;
    await federation.deployShops();
    await federation.linkBoth();
    await labelService(east, 'catalog', { [EXPORTED]: 'true' });
    await labelService(west, 'catalog', { [EXPORTED]: 'true' });
    await labelService(west, 'pricing', { [EXPORTED]: 'true' });
    await labelService(west, 'cart', { [EXPORTED]: 'remote-discovery' });
    for (const name of ['catalog-west', 'pricing-west', 'cart-west']) await serviceExists(east, name, true);
    await federation.customer('load', TARGETS, { rate: 10 });
    for (const target of Object.keys(TARGETS)) await federation.request(target, 0);
    mirrors = await federation.mirrors(east);
    catalogUid = (await federation.service(east, 'catalog-west'))?.metadata.uid;
    oldToken = kubeConfigToken(await kubeconfig(), 'the Link of the old cluster') ?? '';
  });

  after(async () => {
    stop.abort();
    await federation?.[Symbol.asyncDispose]();
  });

  async function kubeconfig(): Promise<string> {
    const secret = await federation.east.client.get(SECRETS, CREDENTIALS);
    return Buffer.from(secret?.data?.['kubeconfig'] ?? '', 'base64').toString('utf8');
  }

  test('while there is none, what the lost one exported is known, its gateway is dead, and home does not notice', async () => {
    await federation.home.recreate('west', async () => {
      goneAt = Date.now();
      const { east } = federation;
      await federation.condition(east, 'west', 'GatewayAlive', 'False');
      await federation.condition(east, 'west', 'Reachable', 'False', { message: /what was mirrored stays as it is/ });
      assert.deepEqual(await federation.mirrors(east), mirrors);
      await until(
        'no ready endpoint',
        async () => (await federation.readyAddresses(east, 'catalog-west')).length === 0,
        { timeoutMs: patience(10_000) },
      );
      assert.deepEqual(failures(await federation.watch('home', 10)), []);
    });
  });

  test('its API server at the old address is not trusted, and nothing is concluded from it', async () => {
    const { east, west } = federation;
    const told = await federation.condition(east, 'west', 'Reachable', 'False', {
      message: /is not trusted.*mesh multicluster link/,
    });
    assert.equal(told.reason, 'UntrustedServer');
    await installMesh(west, (await replaceIssuer(federation.home, 'west')).get('west') ?? []);
    await deployShop(west);
    await labelService(west, 'catalog', { [EXPORTED]: 'true' });
    await labelService(west, 'web', { [EXPORTED]: 'true' });
    assert.equal((await federation.condition(east, 'west', 'Reachable', 'False')).reason, 'UntrustedServer');
    assert.deepEqual(await federation.mirrors(east), mirrors);
    assert.deepEqual(failures(federation.requests('home', goneAt)), []);
  });

  test('where it is trusted and refuses the old token, mirrors stay, and the Link says whose token it is', async () => {
    const { east, west } = federation;
    const allowed = await west.mesh(['multicluster', 'allow', '--peer', 'east']);
    await west.apply(okOutput(allowed, 'mesh multicluster allow'));
    const linked = await west.mesh([
      'multicluster',
      'link',
      '--cluster-name',
      'west',
      '--peer',
      'east',
      ...west.linkFlags,
    ]);
    // The new cluster's address and authority, as where a load balancer has the certificate, with the token of the old one.
    const secrets = parseManifests(okOutput(linked, 'mesh multicluster link')).filter(({ kind }) => kind === 'Secret');
    const mixed = secrets.map((secret) => {
      const { kubeconfig: encoded = '' } = secret['data'] as Readonly<Record<string, string>>;
      const text = Buffer.from(encoded, 'base64').toString('utf8');
      const data = Buffer.from(kubeConfigWithToken(text, 'the new Link', oldToken)).toString('base64');
      return { ...secret, data: { kubeconfig: data } };
    });
    await east.apply(mixed);
    const told = await federation.condition(east, 'west', 'CredentialsValid', 'False', {
      message: /refuses the token/,
    });
    assert.equal(told.reason, 'Unauthorized');
    assert.match(told.message, /mesh multicluster link/);
    assert.deepEqual(await federation.mirrors(east), mirrors);
  });

  test('until it is linked, nobody is answered by what it does not export', () => {
    assert.deepEqual(federation.requests('pricing', goneAt).filter(isOk), []);
    // Flat endpoints are pods' addresses, which other pods have by now: who is not the one that was meant does not get the request.
    const strangers = federation
      .requests('cart', goneAt)
      .filter((record) => !(record.pod ?? 'cart-').startsWith('cart-'));
    assert.deepEqual(strangers, []);
    assert.deepEqual(failures(federation.requests('home', goneAt)), []);
  });

  test('once it is linked again, exactly what it exports is there, and home never failed', async () => {
    const { east, west } = federation;
    await federation.linkBoth();
    await serviceExists(east, 'web-west', true);
    await serviceExists(east, 'pricing-west', false);
    await serviceExists(east, 'cart-west', false);
    await until(
      'nothing of the old cluster to be left',
      async () => (await federation.mirrors(east)).every((name) => /\/(catalog|web)-west\b/.test(name)),
      { timeoutMs: patience(10_000) },
    );
    // Whoever had resolved it goes on: it is the same Service.
    assert.equal((await federation.service(east, 'catalog-west'))?.metadata.uid, catalogUid);
    const gateway = await gatewayAddress(west);
    await until(
      'the new gateway to be the only endpoint',
      async () => (await federation.readyAddresses(east, 'catalog-west')).join() === gateway,
      { timeoutMs: patience(10_000) },
    );
    await federation.request('west', Date.now());
    const answered = await federation.watch('west', 25);
    assert.deepEqual(failures(answered), []);
    const { items } = await west.client.list(PODS, { namespace: SHOP });
    const pods = items.map(({ metadata }) => metadata.name);
    assert.deepEqual(
      answered.filter(({ pod = '' }) => !pods.includes(pod)),
      [],
    );
    assert.deepEqual(failures(federation.requests('home', goneAt)), []);
  });

  test('its clients are known again by the name that they had', async () => {
    const { east, west } = federation;
    await serviceExists(west, 'catalog-east', true);
    const peer = await until(
      'the Peer to be of the new cluster',
      async () => {
        const found = await east.client.get(PEERS, { namespace: MC_NAMESPACE, name: 'west' });
        const isValid = found?.status?.conditions?.some(({ type, status }) => type === 'Valid' && status === 'True');
        return isValid === true ? found : undefined;
      },
      { timeoutMs: patience(20_000) },
    );
    assert.equal(peer.status?.peer?.clusterName, 'west');
    const load = { name: 'guest', targets: { guest: 'http://catalog-east/products' }, rate: 10 };
    await startLoad(west, load, federation.log, stop.signal, (error) => assert.fail(String(error)));
    const record = await federation.request('guest', 0);
    assert.equal(record.cluster, 'east');
    await federation.condition(east, 'west', 'CredentialsValid', 'True');
    await federation.condition(east, 'west', 'ViewCurrent', 'True');
  });
});
