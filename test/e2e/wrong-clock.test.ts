/**
 * The mirror controller of one cluster runs with a wrong clock. It is the importer of one Link and the exporter of the other: both ends go on, renew
 * their credentials in time, keep one leader, and say that the clocks differ.
 */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { DEPLOYMENTS, EVENTS, kubeConfigToken, LEASES, PEERS, SECRETS, SERVICES } from '@mesh/kube';
import { okOutput } from '../../scripts/home/cli.ts';
import type { HomeCluster } from '../../scripts/home/home.ts';
import { MC_NAMESPACE } from '../../scripts/home/install-mesh.ts';
import { podsOf, rolloutDone } from '../../scripts/home/rollout.ts';
import { labelService, scale, serviceExists } from '../../scripts/home/shop.ts';
import { failures, Federation, patience, until } from './federation.ts';
import { shiftedClock } from './shifted-clock.ts';

const EXPORTED = 'mirror.linkerd.io/exported';
const MIRROR = { namespace: MC_NAMESPACE, name: 'linkerd-service-mirror' } as const;
const OFF_MS = 10 * 60_000;
/** Tokens that live as long as the clock is off, the least there is, and are renewed at this age. */
const TOKEN_LIFE = '10m';
const RENEW_AFTER_S = 10;
/** Peers look at each other each half minute. */
const SAID_MS = 90_000;

suite('a wrong clock', () => {
  let federation: Federation;
  let startedAt: number;
  let uids: ReadonlyMap<string, string>;

  before(async () => {
    federation = await Federation.open();
    const { east, west } = federation;
    await federation.deployShops();
    await federation.linkBoth();
    await labelService(west, 'catalog', { [EXPORTED]: 'true' });
    await labelService(west, 'cart', { [EXPORTED]: 'remote-discovery' });
    await serviceExists(east, 'catalog-west', true);
    await serviceExists(east, 'cart-west', true);
    await federation.customer('load', { west: 'http://web/browse?store=west', cart: 'http://cart-west/items' });
    await Promise.all([federation.request('west', 0), federation.request('cart', 0)]);
    startedAt = Date.now();
    uids = await mirrorUids();
    await scale(east, MC_NAMESPACE, MIRROR.name, 2);
  });

  after(async () => {
    if (federation === undefined) return;
    // Clusters of a home that stays keep nothing of this.
    await environment({ NODE_OPTIONS: undefined, MESH_CREDENTIALS_RENEW_AFTER: undefined });
    await scale(federation.east, MC_NAMESPACE, MIRROR.name, 1);
    await federation[Symbol.asyncDispose]();
  });

  for (const [where, aheadMs] of [
    ['ahead', OFF_MS],
    ['behind', -OFF_MS],
  ] as const) {
    test(`ten minutes ${where}: both ends say so, follow each other, and nothing that is there goes`, async () => {
      const { east, west } = federation;
      await linkShortly();
      await environment({
        NODE_OPTIONS: shiftedClock(aheadMs),
        MESH_CREDENTIALS_RENEW_AFTER: `${RENEW_AFTER_S}s`,
      });
      await rolloutDone(east.client, MC_NAMESPACE, [MIRROR.name]);
      const renewals = tokensSeen(3);

      const other = where === 'ahead' ? 'behind' : 'ahead';
      await Promise.all([saysClock(east, west, other), saysClock(west, east, where)]);

      for (const [exporter, importer] of [
        [west, east],
        [east, west],
      ] as const) {
        await labelService(exporter, 'pricing', { [EXPORTED]: 'true' });
        await serviceExists(importer, `pricing-${exporter.name}`, true);
        await labelService(exporter, 'pricing', { [EXPORTED]: undefined });
        await serviceExists(importer, `pricing-${exporter.name}`, false);
      }
      await oneLeads();
      const issued = await renewals;
      const gaps = issued.slice(1).map((at, index) => at - (issued[index] ?? 0));
      // The one that was found may be old by a wrong clock, and is replaced at once.
      assert.ok(
        gaps.slice(1).every((gapS) => gapS >= RENEW_AFTER_S - 1),
        `tokens of ${issued.join(', ')}`,
      );
      await federation.condition(east, 'west', 'CredentialsValid', 'True', { message: /renewed at/ });
      await federation.condition(east, 'west', 'GatewayAlive', 'True');
      assert.deepEqual(await mirrorUids(), uids);
      for (const target of ['west', 'cart'])
        assert.deepEqual(failures(await federation.watch(target, 25, startedAt)), []);
    });
  }

  /** The Link in `cluster` and the Peer there tell where the clock of `other` is by its own. */
  async function saysClock(cluster: HomeCluster, other: HomeCluster, side: 'ahead' | 'behind'): Promise<void> {
    await federation.condition(cluster, other.name, 'ViewCurrent', 'True', {
      message: new RegExp(`its clock is about (9|10|11) min ${side === 'ahead' ? 'ahead of' : 'behind'} ours`),
      timeoutMs: SAID_MS,
    });
    await until(
      `Peer ${other.name} in ${cluster.name} to tell of the clock`,
      async () => {
        const peer = await cluster.client.get(PEERS, { namespace: MC_NAMESPACE, name: other.name });
        const seen = peer?.status?.conditions?.find(({ type }) => type === 'Seen');
        assert.match(seen?.message ?? '', new RegExp(`^its clock is about (9|10|11) min ${side}$`));
        assert.equal(seen?.status, 'True');
        return true;
      },
      { timeoutMs: patience(SAID_MS) },
    );
    const { items } = await cluster.client.list(EVENTS, { namespace: MC_NAMESPACE });
    const alarms = items.filter(
      ({ reason, metadata }) => reason === 'Silent' && Date.parse(metadata.creationTimestamp ?? '') > startedAt,
    );
    assert.deepEqual(alarms, []);
  }

  /** As a person does who wants tokens that end soon. */
  async function linkShortly(): Promise<void> {
    const { east, west } = federation;
    const flags = ['--cluster-name', 'west', '--peer', 'east', '--credentials-duration', TOKEN_LIFE, ...west.linkFlags];
    await east.apply(okOutput(await west.mesh(['multicluster', 'link', ...flags]), 'mesh multicluster link'));
  }

  /** Of east's mirror controllers. */
  async function environment(values: Readonly<Record<string, string | undefined>>): Promise<void> {
    const env = Object.entries(values).map(([name, value]) =>
      value === undefined ? { name, $patch: 'delete' } : { name, value },
    );
    const body = { spec: { template: { spec: { containers: [{ name: 'mirror', env }] } } } };
    await federation.east.client.patch(DEPLOYMENTS, MIRROR, { type: 'strategic', body });
  }

  /** When the next `count` different tokens of east's Link were issued, seconds by west's clock. */
  async function tokensSeen(count: number): Promise<readonly number[]> {
    const issued = new Map<string, number>();
    await until(
      `${count} tokens`,
      async () => {
        const ref = { namespace: MC_NAMESPACE, name: 'cluster-credentials-west' };
        const secret = await federation.east.client.get(SECRETS, ref);
        const text = Buffer.from(secret?.data?.['kubeconfig'] ?? '', 'base64').toString('utf8');
        const token = kubeConfigToken(text, ref.name) ?? '';
        if (!issued.has(token)) issued.set(token, issuedAt(token));
        return issued.size >= count;
      },
      { timeoutMs: patience(SAID_MS), everyMs: 200 },
    );
    return [...issued.values()];
  }

  /** Exactly one of east's two mirror controllers leads, and it is the one that holds the Lease. */
  async function oneLeads(): Promise<void> {
    const { client } = federation.east;
    await until(
      'one leader among two',
      async () => {
        const pods = await podsOf(client, MC_NAMESPACE, `component=${MIRROR.name}`);
        const scraped = await Promise.all(
          pods.map(({ metadata }) =>
            client.raw(`/api/v1/namespaces/${MC_NAMESPACE}/pods/${metadata.name}:9999/proxy/metrics`),
          ),
        );
        const leading = pods.filter((_, index) => /^mesh_mirror_leading 1$/m.test(scraped[index]?.text ?? ''));
        const lease = await client.get(LEASES, MIRROR);
        const names = leading.map(({ metadata }) => metadata.name);
        assert.equal(pods.length, 2);
        assert.deepEqual(names, [lease?.spec?.holderIdentity]);
        return true;
      },
      { timeoutMs: patience(20_000) },
    );
  }

  async function mirrorUids(): Promise<ReadonlyMap<string, string>> {
    const labelSelector = 'mirror.linkerd.io/mirrored-service=true';
    const { items } = await federation.east.client.list(SERVICES, { labelSelector });
    return new Map(items.map(({ metadata }) => [metadata.name, metadata.uid ?? '']));
  }
});

function issuedAt(token: string): number {
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as { iat: number };
  return claims.iat;
}
