/** Clusters that share no trust anchor: said clearly on the Link and by the command line, and healed by giving both a common one. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CONFIG_MAPS } from '@mesh/kube';
import { okOutput } from '../../scripts/home/cli.ts';
import { createSeparateTrust, MC_NAMESPACE } from '../../scripts/home/install-mesh.ts';
import { Federation } from './federation.ts';

let federation: Federation;

before(async () => {
  federation = await Federation.open(createSeparateTrust);
});

after(() => federation?.[Symbol.asyncDispose]());

/** A kubelet renews the files of a ConfigMap with its periodic sync, a minute apart, from a cache as old again: so much on kind, a quarter elsewhere. */
const FILES_FOLLOW_MS = 45_000;

test('a link between clusters of different anchors says that they share none', async () => {
  const flags = ['--cluster-name', 'west', ...federation.west.linkFlags];
  const manifests = await federation.west.mesh(['multicluster', 'link', ...flags]);
  await federation.east.apply(okOutput(manifests, 'mesh multicluster link'));
  await federation.condition(federation.east, 'west', 'Reachable', 'True');
  await federation.condition(federation.east, 'west', 'GatewayAlive', 'False', { message: /anchor/ });
  const check = await federation.east.mesh(['multicluster', 'check', '--wait', '0']);
  assert.equal(check.code, 1);
  assert.match(check.stdout, /× all gateways are alive/);
});

test('with both anchors in both bundles the link heals without a restart', async () => {
  const bundles = await Promise.all(
    federation.home.clusters.map(async (cluster) => {
      const roots = await cluster.client.get(CONFIG_MAPS, {
        namespace: 'linkerd',
        name: 'linkerd-identity-trust-roots',
      });
      return roots?.data?.['ca-bundle.crt'] ?? '';
    }),
  );
  const body = { data: { 'ca-bundle.crt': bundles.join('') } };
  for (const cluster of federation.home.clusters) {
    for (const namespace of ['linkerd', MC_NAMESPACE]) {
      const ref = { namespace, name: 'linkerd-identity-trust-roots' };
      await cluster.client.patch(CONFIG_MAPS, ref, { type: 'merge', body });
    }
  }
  await federation.condition(federation.east, 'west', 'GatewayAlive', 'True', { timeoutMs: FILES_FOLLOW_MS });
});
