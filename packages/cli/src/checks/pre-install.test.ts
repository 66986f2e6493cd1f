import assert from 'node:assert/strict';
import test from 'node:test';
import { CUSTOM_RESOURCE_DEFINITIONS } from '@mesh/kube';
import { FakeApi } from '@mesh/kube/testing';
import { failures, installedCluster, outcomeOf, run, seedNode, stateOf } from '../testing/installed-cluster.ts';
import { mesh } from '../testing/harness.ts';
import { preInstallCategories } from './pre-install.ts';

function emptyCluster(allowed: (resource: string) => boolean = () => true): FakeApi {
  const api = new FakeApi();
  seedNode(api, 'node-1');
  api.onRaw((path, request) => {
    if (!path.endsWith('/selfsubjectaccessreviews')) return undefined;
    const { resource } = (request.body as { spec: { resourceAttributes: { resource: string } } }).spec
      .resourceAttributes;
    return { status: 201, text: JSON.stringify({ status: { allowed: allowed(resource), reason: 'no rule matches' } }) };
  });
  return api;
}

test('an empty cluster where all is allowed is ready for an installation', async () => {
  assert.deepEqual(failures(await run(preInstallCategories(stateOf(emptyCluster())))), []);
});

test('each right that is missing is named with the reason', async () => {
  const outcomes = await run(
    preInstallCategories(stateOf(emptyCluster((resource) => resource !== 'clusterroles' && resource !== 'secrets'))),
  );
  assert.equal(
    outcomeOf(outcomes, 'can create ClusterRoles')?.error,
    'missing permissions to create clusterroles: no rule matches',
  );
  assert.equal(
    outcomeOf(outcomes, 'can read Secrets')?.error,
    'missing permissions to get secrets in namespace linkerd: no rule matches',
  );
  assert.equal(failures(outcomes).length, 3);
});

test('what another installation left in the way is named', async () => {
  const outcomes = await run(preInstallCategories(stateOf(await installedCluster())));
  assert.match(
    outcomeOf(outcomes, 'control plane namespace does not already exist')?.error ?? '',
    /the "linkerd" namespace holds 3 deployments already/,
  );
  assert.match(outcomeOf(outcomes, 'no ClusterRoles exist')?.error ?? '', /linkerd-linkerd-identity/);
  assert.match(
    outcomeOf(outcomes, 'no MutatingWebhookConfigurations exist')?.error ?? '',
    /linkerd-proxy-injector-webhook-config/,
  );
});

test('clocks that are off are told before the installation, too', async () => {
  const api = emptyCluster();
  seedNode(api, 'node-2', 60_000);
  const outcome = outcomeOf(await run(preInstallCategories(stateOf(api))), 'no clock skew detected');
  assert.match(outcome?.error ?? '', /node node-2 is about \d\d s ahead/);
  assert.equal(outcome?.hint, 'docs/check.md#pre-k8s-clock-skew');
});

test('--pre, --crds and --extensions choose what runs', async () => {
  const pre = await mesh('check --pre --wait 0', { api: emptyCluster() });
  assert.equal(pre.code, 0, pre.stdout);
  assert.match(pre.stdout, /pre-linkerd-global-resources\n-+\n/);
  assert.doesNotMatch(pre.stdout, /linkerd-existence/);
  const api = await installedCluster();
  const crds = await mesh('check --crds --wait 0', { api });
  assert.equal(crds.code, 0, crds.stdout);
  assert.match(crds.stdout, /linkerd-crd\n/);
  assert.doesNotMatch(crds.stdout, /linkerd-existence/);
  const all = await mesh('check --wait 0 --extensions multicluster', { api });
  assert.match(all.stdout, /linkerd-multicluster\n/);
  assert.equal((await mesh('check --pre --proxy', { api })).code, 1);
});

test('the whole command fails with 1 in every format when one check fails, and passes with 0 on warnings', async () => {
  const api = await installedCluster({ change: (values) => ({ ...values, linkerdVersion: '0.0.1' }) });
  const warned = await mesh('check --wait 0 -o short', { api });
  assert.equal(warned.code, 0, warned.stdout);
  assert.match(warned.stdout, /‼ control plane and cli versions match/);
  api.remove(CUSTOM_RESOURCE_DEFINITIONS, 'servers.policy.linkerd.io');
  for (const format of ['table', 'short', 'json'])
    assert.equal((await mesh(`check --wait 0 -o ${format}`, { api })).code, 1);
  const { stdout } = await mesh('check --wait 0 -o json', { api });
  const parsed = JSON.parse(stdout) as {
    success: boolean;
    categories: {
      categoryName: string;
      checks: { description: string; result: string; hint?: string; error?: string }[];
    }[];
  };
  assert.equal(parsed.success, false);
  const failed = parsed.categories.at(-1)?.checks.at(-1);
  assert.equal(failed?.result, 'error');
  assert.equal(failed?.hint, 'docs/check.md#l5d-existence-crd');
});
