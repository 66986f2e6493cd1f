import assert from 'node:assert/strict';
import test from 'node:test';
import { matchGolden, mesh } from '../../testing/harness.ts';
import { installed } from '../../testing/multicluster-cluster.ts';
import { parseManifests } from '../../yaml.ts';

const named = (text: string): readonly string[] =>
  parseManifests(text).map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name ?? ''}`);

test('a peer gets a namespace, an account, and rights to what is exported to it and nothing else', async () => {
  const { code, stdout } = await mesh('mc allow --peer east', { api: installed() });
  assert.equal(code, 0);
  await matchGolden('allow-peer.yaml', stdout);
  assert.doesNotMatch(stdout, /ClusterRole|kind: Secret/);
});

test('a token that does not expire is there only when it is asked for', async () => {
  const { stdout } = await mesh('mc allow --peer east --static-credentials --trust-domain east.example', {
    api: installed(),
  });
  assert.ok(named(stdout).includes('Secret linkerd-multicluster/mesh-peer-east-token'));
  assert.match(stdout, /trustDomain: east\.example/);
});

test('an account alone has the rights of Linkerd, or those of everybody to exports', async () => {
  const all = await mesh('mc allow --service-account-name east-access', { api: installed() });
  assert.deepEqual(
    named(all.stdout).map((text) => text.split(' ')[0]),
    ['ServiceAccount', 'Secret', 'ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding', 'Role', 'RoleBinding'],
  );
  assert.ok(named(all.stdout).every((name) => name.includes('east-access')));
  const some = await mesh('mc allow --service-account-name east-access --access exports', { api: installed() });
  assert.doesNotMatch(some.stdout, /ClusterRole/);
  assert.ok(named(some.stdout).includes('Secret linkerd-multicluster/east-access-token'));
});

test('either a peer or an account must be named, by a name that a namespace can have', async () => {
  assert.match((await mesh('mc allow', { api: installed() })).stderr, /give either --peer NAME/);
  assert.match((await mesh('mc allow --peer East_1', { api: installed() })).stderr, /--peer East_1: it becomes part/);
  assert.match((await mesh(`mc allow --peer ${'a'.repeat(54)}`, { api: installed() })).stderr, /at most 53/);
});
