import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SECRETS } from '@mesh/kube';
import { FakeApi } from '@mesh/kube/testing';
import { silentLogger, systemClock } from '@mesh/runtime';
import { LocalCluster } from './local-cluster.ts';
import { MirrorMetrics } from './metrics.ts';

const REF = { namespace: 'linkerd-multicluster', name: 'cluster-credentials-west' };

function localCluster(api: FakeApi): LocalCluster {
  const deps = { client: api.client(), clock: systemClock, logger: silentLogger };
  return new LocalCluster(REF.namespace, { ...deps, metrics: new MirrorMetrics() });
}

test('a Secret that the watch has not told of yet is asked for before it counts as missing', async () => {
  const api = new FakeApi();
  await using local = localCluster(api);
  api.seed(SECRETS, { metadata: { namespace: REF.namespace, name: 'another' }, data: { kubeconfig: 'bm8=' } });
  assert.equal(await local.secret(REF), undefined);
  api.seed(SECRETS, { metadata: REF, data: { kubeconfig: 'eWVz' } });
  assert.equal(local.secrets.list().length, 0, 'nothing was heard of by watching');
  assert.equal((await local.secret(REF))?.data?.['kubeconfig'], 'eWVz');
});

test('an API server that is away makes no Secret appear and fails nothing', async () => {
  const api = new FakeApi();
  await using local = localCluster(api);
  api.seed(SECRETS, { metadata: REF });
  api.goDown();
  assert.equal(await local.secret(REF), undefined);
});
