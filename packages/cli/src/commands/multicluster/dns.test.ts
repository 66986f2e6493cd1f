import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONFIG_MAPS, DEPLOYMENTS, PODS, SERVICES } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import type { FakeApi } from '@mesh/kube/testing';
import { formatResolveReport } from '../../probe/resolve.ts';
import type { ResolveReport } from '../../probe/resolve.ts';
import { mesh } from '../../testing/harness.ts';
import { installed, MC } from '../../testing/multicluster-cluster.ts';
import { parseManifests } from '../../yaml.ts';

const COREFILE = '.:53 {\n    errors\n    reload\n}\n';
const BLOCK = 'clusterset.local:53 {\n    errors\n    cache 10\n    forward . 10.96.0.7\n}\n';
const COREDNS = { namespace: 'kube-system', name: 'coredns' };

function cluster(corefile = COREFILE): FakeApi {
  const api = installed();
  api.seed(SERVICES, { metadata: { namespace: MC, name: 'linkerd-clusterset-dns' }, spec: { clusterIP: '10.96.0.7' } });
  api.seed(CONFIG_MAPS, { metadata: COREDNS, data: { Corefile: corefile, other: 'kept by who applies' } });
  api.seed(DEPLOYMENTS, {
    metadata: { namespace: MC, name: 'linkerd-clusterset-dns' },
    spec: { replicas: 1, template: { spec: { containers: [] } } },
    status: { availableReplicas: 1 },
  });
  return api;
}

function printed(stdout: string): unknown {
  const [object] = parseManifests(stdout);
  return object;
}

test('prints the Corefile with the zone forwarded to the name server, and nothing else of the ConfigMap', async () => {
  const api = cluster();
  const { code, stdout } = await mesh('multicluster dns', { api });
  assert.equal(code, 0);
  const wanted = { apiVersion: 'v1', kind: 'ConfigMap', metadata: COREDNS, data: { Corefile: COREFILE + BLOCK } };
  assert.deepEqual(printed(stdout), wanted);
  assert.equal(api.writes, 0);
});

test('a cluster that is configured already gets the same again, an old address is replaced, and --remove takes all out', async () => {
  const again = await mesh('mc dns', { api: cluster(COREFILE + BLOCK) });
  assert.deepEqual((printed(again.stdout) as { data: unknown }).data, { Corefile: COREFILE + BLOCK });
  const old = await mesh('mc dns', { api: cluster(BLOCK.replace('10.96.0.7', '10.96.0.1') + COREFILE) });
  assert.deepEqual((printed(old.stdout) as { data: unknown }).data, { Corefile: BLOCK + COREFILE });
  const removed = await mesh('mc dns --remove', { api: cluster(COREFILE + BLOCK) });
  assert.deepEqual((printed(removed.stdout) as { data: unknown }).data, { Corefile: COREFILE });
});

test('--block is for resolvers that are configured elsewhere', async () => {
  assert.equal((await mesh('mc dns --block', { api: cluster() })).stdout, BLOCK);
});

test('what is missing is named, with what to do', async () => {
  const bare = await mesh('mc dns', { api: installed() });
  assert.equal(bare.code, 1);
  assert.match(bare.stderr, /Service linkerd-multicluster\/linkerd-clusterset-dns is missing: apply the output/);
  const elsewhere = await mesh('mc dns --config-map dns/config', { api: cluster() });
  assert.match(elsewhere.stderr, /ConfigMap dns\/config with a Corefile is missing.*--block/);
  assert.match((await mesh('mc dns --config-map config', { api: cluster() })).stderr, /--config-map config: expected/);
});

/** Plays the pod of `--check`. */
async function checked(line: string, reports: readonly ResolveReport[]) {
  const api = cluster();
  api.onRaw((path) =>
    path.endsWith('/log?container=probe')
      ? { status: 200, text: reports.map(formatResolveReport).join('') }
      : undefined,
  );
  const running = mesh(line, { api });
  const pod = await eventually('the pod', () => api.peekAll(PODS)[0]);
  api.seed(PODS, { ...pod, status: { phase: 'Succeeded' } });
  const run = await running;
  assert.deepEqual(api.peekAll(PODS), [], 'the pod is deleted');
  return { ...run, args: pod.spec.containers[0]?.args };
}

test('--check asks from a pod for the version of the zone, and for a Service', async () => {
  const names = ['dns-version.clusterset.local', 'web.shop.svc.clusterset.local'] as const;
  const run = await checked('mc dns --check --service shop/web', [
    { name: names[0], type: 'TXT', records: ['1.0.0'] },
    { name: names[1], type: 'A', records: ['10.96.0.10'] },
  ]);
  assert.deepEqual(run.args, ['probe', 'resolve', `TXT:${names[0]}`, `A:${names[1]}`]);
  assert.equal(run.code, 0);
  assert.equal(run.stdout, `${names[0]} TXT 1.0.0\n${names[1]} A 10.96.0.10\n`);
});

test('--check tells a resolver that does not forward from a server that does not answer, and from a name that is not there', async () => {
  const failing = async (error: string, type: 'A' | 'TXT' = 'TXT') =>
    (await checked('mc dns --check', [{ name: 'x.clusterset.local', type, error }])).stderr;
  assert.match(await failing('ENOTFOUND'), /does not forward the zone; apply the output of mesh multicluster dns/);
  assert.match(await failing('ESERVFAIL'), /does not answer; Deployment .* has 1 of 1 pods available/);
  assert.match(await failing('ENOTFOUND', 'A'), /no ServiceImport of that name/);
});
