/** Credentials of a Link renew themselves, with no more rights than `allow` and `link` print: the Secret, its copy, and what is followed with them. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DEPLOYMENTS, SECRETS } from '@mesh/kube';
import { linkClusters, MC_NAMESPACE } from '../../scripts/home/install-mesh.ts';
import { rolloutDone } from '../../scripts/home/rollout.ts';
import { labelService, serviceExists } from '../../scripts/home/shop.ts';
import { failures, Federation, patience, until } from './federation.ts';

let federation: Federation;

before(async () => {
  federation = await Federation.open();
  await federation.deployShops();
  await renewAfter({ value: '1s' });
  await rolloutDone(federation.east.client, MC_NAMESPACE, ['linkerd-service-mirror']);
  await linkClusters(federation.east, federation.west);
  await labelService(federation.west, 'catalog', { 'mirror.linkerd.io/exported': 'true' });
  await federation.customer('load', { west: 'http://web/browse?store=west' });
  await federation.request('west', 0);
});

after(async () => {
  if (federation === undefined) return;
  // Clusters of a home that stays keep nothing of this.
  await renewAfter({ $patch: 'delete' });
  await federation[Symbol.asyncDispose]();
});

async function renewAfter(change: Readonly<Record<string, string>>): Promise<void> {
  const env = [{ name: 'MESH_CREDENTIALS_RENEW_AFTER', ...change }];
  const body = { spec: { template: { spec: { containers: [{ name: 'mirror', env }] } } } };
  const ref = { namespace: MC_NAMESPACE, name: 'linkerd-service-mirror' };
  await federation.east.client.patch(DEPLOYMENTS, ref, { type: 'strategic', body });
}

async function kubeconfig(namespace: string): Promise<string> {
  const secret = await federation.east.client.get(SECRETS, { namespace, name: 'cluster-credentials-west' });
  return secret?.data?.['kubeconfig'] ?? '';
}

test('tokens are replaced again and again, in both Secrets, and nobody notices', async () => {
  const startedAt = Date.now();
  const seen = new Set<string>();
  await until(
    'several tokens',
    async () => {
      seen.add(await kubeconfig(MC_NAMESPACE));
      return seen.size >= 4;
    },
    { timeoutMs: patience(60_000), everyMs: 100 },
  );
  await until(
    'the copy to be one of them',
    async () => {
      const copy = await kubeconfig('linkerd');
      seen.add(await kubeconfig(MC_NAMESPACE));
      return copy !== [...seen][0] && seen.has(copy);
    },
    { timeoutMs: patience(20_000), everyMs: 50 },
  );
  await federation.condition(federation.east, 'west', 'CredentialsValid', 'True', { message: /renewed at/ });
  await labelService(federation.west, 'cart', { 'mirror.linkerd.io/exported': 'true' });
  await serviceExists(federation.east, 'cart-west', true);
  assert.deepEqual(failures(await federation.watch('west', 25, startedAt)), []);
});

test('the Link says what the other cluster says of itself', async () => {
  await federation.condition(federation.east, 'west', 'VersionSupported', 'True');
  await federation.condition(federation.east, 'west', 'ViewCurrent', 'True');
  await federation.condition(federation.east, 'west', 'ExportsSeen', 'True', { message: /\d gateway/ });
});
