/** `mesh check` on live clusters: all green, real traffic proven at both ends, nothing left behind. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { NAMESPACES, PODS, SERVICE_ACCOUNTS, SERVICES } from '@mesh/kube';
import type { ResourceKind } from '@mesh/kube';
import { labelService, SHOP } from '../../scripts/home/shop.ts';
import { Federation, patience, until } from './federation.ts';

let federation: Federation;

before(async () => {
  federation = await Federation.open();
  await federation.linkBoth();
});

after(() => federation?.[Symbol.asyncDispose]());

/** Whatever carries the probe's label in `east`. */
async function leftOvers(): Promise<readonly string[]> {
  const options = { labelSelector: 'federation.mesh.dev/check=traffic' };
  const lists = await Promise.all(
    ([NAMESPACES, PODS, SERVICES, SERVICE_ACCOUNTS] as readonly ResourceKind[]).map((kind) =>
      federation.east.client.list(kind, options),
    ),
  );
  return lists.flatMap(({ items }) => items.map((item) => `${item.metadata.namespace ?? ''}/${item.metadata.name}`));
}

test('an installation passes every check, with proof of traffic between pods', async () => {
  const { code, stdout } = await federation.east.mesh(['check', '--proxy', '--traffic', '--wait', '120s']);
  assert.equal(code, 0, stdout);
  assert.doesNotMatch(stdout, /[×‼]/);
  assert.match(
    stdout,
    /√ requests between meshed pods are answered\n {4}20 requests to http:\S+: HTTP\/1\.1 200, latency p50/,
  );
  assert.match(stdout, /√ requests between meshed pods are encrypted\n {4}mTLS/);
  assert.match(
    stdout,
    /√ client and server know each other by identity\n {4}client mesh-check-client-(\w+)\.mesh-check-\1\.serviceaccount\.identity\.linkerd\.cluster\.local\n {4}server mesh-check-server-\1\./,
  );
  assert.deepEqual(await leftOvers(), []);
});

test('with nothing exported there is nothing to call through a gateway, which is a warning', async () => {
  const { code, stdout } = await federation.east.mesh(['multicluster', 'check', '--traffic', '--wait', '30s']);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /‼ an exported service of west can be called\n {4}no service of west is mirrored here/);
  assert.deepEqual(await leftOvers(), []);
});

test('traffic through the gateway of a linked cluster is proven with the identity of the gateway', async () => {
  await federation.deployShops();
  await labelService(federation.west, 'catalog', { 'mirror.linkerd.io/exported': 'true' });
  await until('the mirror', async () => (await federation.readyAddresses(federation.east, 'catalog-west')).length > 0, {
    timeoutMs: patience(20_000),
  });
  const { code, stdout } = await federation.east.mesh(['multicluster', 'check', '--traffic', '--wait', '120s']);
  assert.equal(code, 0, stdout);
  assert.match(
    stdout,
    /√ requests through the gateway of west are answered\n {4}20 requests to http:\/\/catalog-west\.shop/,
  );
  assert.match(stdout, /it is who the Link says\n {4}gateway linkerd-gateway\.linkerd-multicluster\./);
  assert.deepEqual(await leftOvers(), []);
});

test('a probe in a namespace of the user leaves the namespace', async () => {
  const { code, stdout } = await federation.east.mesh([
    'check',
    '--traffic',
    '--traffic-namespace',
    SHOP,
    '--wait',
    '60s',
    '-o',
    'short',
  ]);
  assert.equal(code, 0, stdout);
  assert.deepEqual(await leftOvers(), []);
  assert.notEqual(await federation.east.client.get(NAMESPACES, { name: SHOP }), undefined);
});

test('where the injector is not asked, the probe says that its pods got no sidecar', async () => {
  const name = 'exempt';
  await federation.namespace(federation.east, name, { labels: { 'config.linkerd.io/admission-webhooks': 'disabled' } });
  const { code, stdout } = await federation.east.mesh([
    'check',
    '--traffic',
    '--traffic-namespace',
    name,
    '--wait',
    '10s',
    '-o',
    'short',
  ]);
  assert.equal(code, 1, stdout);
  assert.match(stdout, /× traffic probe is injected\n {4}pod exempt\/mesh-check-server-\w+, \S+ got no linkerd-proxy/);
  await until('the probe to go', async () => (await leftOvers()).length === 0, { timeoutMs: patience(20_000) });
});

test('Ctrl-C while the probe runs ends the command when everything is taken back', async () => {
  const main = path.resolve(import.meta.dirname, '..', '..', 'packages', 'cli', 'src', 'main.ts');
  const flags = ['--kubeconfig', federation.home.kubeconfig, '--context', 'east'];
  const mesh = spawn(process.execPath, [main, ...flags, 'check', '--traffic', '--wait', '120s'], { stdio: 'ignore' });
  const exited = once(mesh, 'exit');
  await until('the probe to appear', async () => (await leftOvers()).length > 0, {
    timeoutMs: patience(60_000),
    everyMs: 10,
  });
  mesh.kill('SIGINT');
  assert.deepEqual(await exited, [130, null]);
  await until('the probe to go', async () => (await leftOvers()).length === 0, { timeoutMs: patience(20_000) });
});
