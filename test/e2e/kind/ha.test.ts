/**
 * What `--ha` promises, on three nodes: parts apart from each other, evictions that take one of them at a time, and neither customers nor new pods
 * that notice when one of each dies.
 */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { DEPLOYMENTS } from '@mesh/kube';
import type { Pod } from '@mesh/kube';
import { installMesh, MC_NAMESPACE, persistentTrust } from '../../../scripts/home/install-mesh.ts';
import { nodesOf } from '../../../scripts/home/kind-home.ts';
import type { KindHome, KindMember } from '../../../scripts/home/kind-home.ts';
import { tryProgram } from '../../../scripts/home/program.ts';
import { podsOf, rolloutDone } from '../../../scripts/home/rollout.ts';
import { labelService, serviceExists, SHOP } from '../../../scripts/home/shop.ts';
import { removeTraces, uninstall } from '../clean-slate.ts';
import { failures } from '../federation.ts';
import type { Federation } from '../federation.ts';
import { HOME_KIND } from '../homes.ts';
import { isMeshed, openKindFederation, podOf, restart, SKIP } from './workloads.ts';

const NODES_MIN = 3;
const PARTS = [
  { namespace: 'linkerd', name: 'linkerd-identity', replicas: 3 },
  { namespace: 'linkerd', name: 'linkerd-destination', replicas: 3 },
  { namespace: 'linkerd', name: 'linkerd-proxy-injector', replicas: 3 },
  { namespace: MC_NAMESPACE, name: 'linkerd-gateway', replicas: 3 },
  { namespace: MC_NAMESPACE, name: 'linkerd-service-mirror', replicas: 2 },
  { namespace: MC_NAMESPACE, name: 'linkerd-clusterset-dns', replicas: 2 },
] as const;

type Part = (typeof PARTS)[number];

suite('high availability', { skip: await reasonToSkip() }, () => {
  let federation: Federation;
  let home: KindHome;
  let east: KindMember;

  before(async () => {
    ({ federation, home } = await openKindFederation());
    east = home.cluster('east');
    const trust = (await persistentTrust(home)).get('east') ?? [];
    await uninstall(east);
    await installMesh(east, trust, { ha: true });
    await Promise.all([federation.deployShops(), federation.linkBoth()]);
    await labelService(federation.west, 'catalog', { 'mirror.linkerd.io/exported': 'true' });
    await serviceExists(east, 'catalog-west', true);
    await federation.customer('load', { home: 'http://web/', west: 'http://web/browse?store=west' });
    await federation.request('home', 0);
    await federation.request('west', 0);
  });

  after(async () => {
    // What is opened next finds east without mesh and installs the usual one.
    if (east !== undefined) {
      // The extension is not removed from under Links.
      await removeTraces(home);
      await uninstall(east);
    }
    await federation?.[Symbol.asyncDispose]();
  });

  test('the pods of every part run on nodes of their own', async () => {
    for (const part of PARTS) {
      const nodes = (await podsOfPart(east, part)).map((pod) => pod.spec.nodeName);
      assert.equal(nodes.length, part.replicas, `${part.name} has ${nodes.length} pods`);
      assert.equal(new Set(nodes).size, part.replicas, `${part.name} runs on ${nodes.join(', ')}`);
    }
  });

  test('mesh check finds high availability as it should be', async () => {
    const { code, stdout } = await east.mesh(['check']);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /PodDisruptionBudgets exist/);
  });

  test('of each part one pod may be evicted at a time', async () => {
    for (const part of PARTS) {
      const [first, second] = await podsOfPart(east, part);
      assert.ok(first !== undefined && second !== undefined);
      const allowed = await evict(first);
      assert.equal(allowed.code, 0, allowed.stderr);
      const refused = await evict(second);
      assert.notEqual(refused.code, 0, `a second pod of ${part.name} was evicted, too`);
      assert.match(refused.stderr, /disruption budget/);
      await rolloutDone(east.client, part.namespace, [part.name]);
    }
  });

  test('one pod of each part dies: no request fails, and a pod that starts meanwhile is meshed', async () => {
    const startedAt = Date.now();
    for (const part of PARTS) {
      const [victim] = await podsOfPart(east, part);
      assert.ok(victim !== undefined);
      const ref = { namespace: part.namespace, name: victim.metadata.name };
      await Promise.all(victim.spec.containers.map(({ name }) => east.killContainer(ref, name, 'SIGKILL')));
    }
    await restart(east, SHOP, 'catalog');
    assert.ok(isMeshed(await podOf(east, SHOP, 'catalog')));
    for (const part of PARTS) await rolloutDone(east.client, part.namespace, [part.name]);
    const now = Date.now();
    await Promise.all([federation.watch('home', 50, now), federation.watch('west', 50, now)]);
    const failed = ['home', 'west'].flatMap((target) => failures(federation.requests(target, startedAt)));
    assert.deepEqual(failed.slice(0, 20), [], `${failed.length} requests failed`);
  });

  /** As `kubectl drain` does it: the budget is asked. */
  async function evict(pod: Pod) {
    const { namespace = '', name } = pod.metadata;
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { namespace, name } };
    const where = ['--kubeconfig', home.kubeconfig, '--context', east.name];
    const path = `/api/v1/namespaces/${namespace}/pods/${name}/eviction`;
    return tryProgram('kubectl', [...where, 'create', '--raw', path, '-f', '-'], { stdin: JSON.stringify(eviction) });
  }
});

async function podsOfPart(cluster: KindMember, { namespace, name }: Part): Promise<readonly Pod[]> {
  const deployment = await cluster.client.get(DEPLOYMENTS, { namespace, name });
  const labels = Object.entries(deployment?.spec.selector?.matchLabels ?? {});
  assert.ok(labels.length > 0, `Deployment ${namespace}/${name} is missing`);
  return podsOf(cluster.client, namespace, labels.map(([key, value]) => `${key}=${value}`).join(','));
}

async function reasonToSkip(): Promise<string | false> {
  if (SKIP !== false || HOME_KIND !== 'kind') return SKIP;
  const { length } = await nodesOf('east');
  if (length >= NODES_MIN) return false;
  return `east has ${length} nodes: npm run kind -- up --clusters east --nodes ${NODES_MIN}, then up --clusters east,west`;
}
