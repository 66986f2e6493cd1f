/**
 * Credentials of a Link come and go while it is used: replaced by newer ones all the time, refused because their account is gone, and given
 * again. Traffic never notices, and what changes at the peer meanwhile is seen.
 */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { LINKS, SECRETS, SERVICE_ACCOUNTS } from '@mesh/kube';
import { linkClusters, MC_NAMESPACE } from '../../scripts/home/install-mesh.ts';
import { labelService, serviceExists } from '../../scripts/home/shop.ts';
import { podsOf } from '../../scripts/home/rollout.ts';
import { pause } from '../../scripts/home/wait.ts';
import { bound, failures, Federation, patience, until } from './federation.ts';

/** How long credentials are replaced, and how often: `MESH_E2E_ROTATION=600/30` for ten minutes, each half a minute. */
const [ROTATION_S, EVERY_S] = rotation(process.env['MESH_E2E_ROTATION'] ?? '20/4');
const EXPORTED = 'mirror.linkerd.io/exported';

/** Beyond the rotation itself. */
const TIMEOUT_MS = (ROTATION_S + 600) * 1000;

suite('credentials', { timeout: TIMEOUT_MS }, () => {
  let federation: Federation;

  before(async () => {
    federation = await Federation.open();
    await federation.deployShops();
    await linkClusters(federation.east, federation.west);
    await labelService(federation.west, 'catalog', { [EXPORTED]: 'true' });
    await serviceExists(federation.east, 'catalog-west', true);
    await federation.customer('load', { west: 'http://web/browse?store=west' });
    await federation.request('west', 0);
  });

  after(() => federation?.[Symbol.asyncDispose]());

  const secretVersion = async (): Promise<string> => {
    const link = await federation.east.client.get(LINKS, { namespace: MC_NAMESPACE, name: 'west' });
    const name = link?.spec.clusterCredentialsSecret ?? 'cluster-credentials-west';
    const secret = await federation.east.client.get(SECRETS, { namespace: MC_NAMESPACE, name });
    return secret?.data?.['kubeconfig'] ?? '';
  };

  /** East's mirror controllers, and how often each was restarted. */
  const controllers = async (): Promise<readonly (readonly [string, number])[]> => {
    const pods = await podsOf(federation.east.client, MC_NAMESPACE, 'component=linkerd-service-mirror');
    return pods.map(({ metadata, status }) => [metadata.name, status?.containerStatuses?.[0]?.restartCount ?? 0]);
  };

  test(
    'credentials that are replaced all the time cost no request, and every change at the peer is seen',
    { timeout: TIMEOUT_MS },
    async () => {
      const startedAt = Date.now();
      const seen = new Set<string>();
      for (let round = 0; Date.now() - startedAt < ROTATION_S * 1000; round += 1) {
        const roundAt = Date.now();
        await linkClusters(federation.east, federation.west);
        seen.add(await secretVersion());
        const isExported = round % 2 === 0;
        const changedAt = Date.now();
        await labelService(federation.west, 'pricing', { [EXPORTED]: isExported ? 'true' : undefined });
        await serviceExists(federation.east, 'pricing-west', isExported);
        assert.ok(Date.now() - changedAt < bound(5000), `round ${round}: seen after ${Date.now() - changedAt} ms`);
        await pause(Math.max(0, EVERY_S * 1000 - (Date.now() - roundAt)));
      }
      await labelService(federation.west, 'pricing', { [EXPORTED]: undefined });
      await serviceExists(federation.east, 'pricing-west', false);
      assert.ok(seen.size > 1, 'the credentials never changed');
      const sent = await federation.watch('west', 25, startedAt);
      assert.deepEqual(failures(sent), []);
    },
  );

  test('access that the peer took away is told within ten seconds, what is known is served, and allowed again it is followed', async () => {
    const startedAt = Date.now();
    const before = await controllers();
    const mirrors = await federation.mirrors(federation.east);
    await federation.west.client.delete(SERVICE_ACCOUNTS, { namespace: MC_NAMESPACE, name: 'mesh-peer-east' });
    const revokedAt = Date.now();
    const told = await federation.condition(federation.east, 'west', 'CredentialsValid', 'False');
    const toldMs = Date.now() - revokedAt;
    assert.ok(toldMs < bound(patience(10_000)), `told after ${toldMs} ms`);
    assert.equal(told.reason, 'Unauthorized');
    assert.match(told.message, /cluster west refuses the token.*mesh multicluster link/);
    await federation.condition(federation.east, 'west', 'GatewayAlive', 'True');
    assert.deepEqual(await federation.mirrors(federation.east), mirrors);
    assert.deepEqual(failures(await federation.watch('west', 25, startedAt)), []);

    await linkClusters(federation.east, federation.west);
    await federation.condition(federation.east, 'west', 'CredentialsValid', 'True');
    await labelService(federation.west, 'pricing', { [EXPORTED]: 'true' });
    await serviceExists(federation.east, 'pricing-west', true);
    await labelService(federation.west, 'pricing', { [EXPORTED]: undefined });
    await serviceExists(federation.east, 'pricing-west', false);
    assert.deepEqual(await controllers(), before);
    assert.deepEqual(failures(await federation.watch('west', 25, startedAt)), []);
  });

  test('credentials whose account is gone are told, mirrors stay, and new ones heal without a restart', async () => {
    const startedAt = Date.now();
    const { items } = await federation.west.client.list(SERVICE_ACCOUNTS, { namespace: MC_NAMESPACE });
    const accounts = items.filter(({ metadata }) =>
      /^(mesh-peer-|linkerd-service-mirror-remote-access-)/.test(metadata.name),
    );
    assert.ok(accounts.length > 0, 'no account of a peer');
    for (const { metadata } of accounts) {
      const ref = { namespace: MC_NAMESPACE, name: metadata.name };
      await federation.west.client.delete(SERVICE_ACCOUNTS, ref);
      const { labels = {}, annotations = {} } = metadata;
      await federation.west.apply([
        { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { ...ref, labels, annotations } },
      ]);
    }
    await federation.condition(federation.east, 'west', 'CredentialsValid', 'False', { timeoutMs: 30_000 });
    assert.notEqual(await federation.service(federation.east, 'catalog-west'), undefined);
    const meanwhile = await federation.watch('west', 25, startedAt);
    assert.deepEqual(failures(meanwhile), []);

    const renewedAt = Date.now();
    const manifests = await federation.west.mesh([
      'multicluster',
      'link',
      '--cluster-name',
      'west',
      ...federation.west.linkFlags,
    ]);
    assert.equal(manifests.code, 0, manifests.stderr);
    await federation.east.apply(manifests.stdout);
    await federation.condition(federation.east, 'west', 'CredentialsValid', 'True');
    assert.ok(Date.now() - renewedAt < bound(10_000), `healed after ${Date.now() - renewedAt} ms`);
    await until(
      'exports to be followed again',
      async () => {
        await labelService(federation.west, 'cart', { [EXPORTED]: 'true' });
        return (await federation.service(federation.east, 'cart-west')) !== undefined;
      },
      { timeoutMs: patience(10_000) },
    );
    await labelService(federation.west, 'cart', { [EXPORTED]: undefined });
    await serviceExists(federation.east, 'cart-west', false);
    assert.deepEqual(failures(await federation.watch('west', 25, startedAt)), []);
  });
});

function rotation(text: string): readonly [number, number] {
  const [total = Number.NaN, every = Number.NaN] = text.split('/').map(Number);
  if (total > 0 && every > 0) return [total, every];
  throw new Error(`MESH_E2E_ROTATION is ${JSON.stringify(text)}: give SECONDS/EVERY, such as 600/30`);
}
