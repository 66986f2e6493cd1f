/** The arithmetic of controllers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nextRun } from './cron-schedule.ts';
import { rollout, surgeAndUnavailable } from './deployment-rollout.ts';
import { groupEndpoints, mirrorGroups, toSubsets } from './endpoint-groups.ts';
import { type Deployment, matchesSelector, type Pod, type ReplicaSet, type Service } from './kinds.ts';

function deployment(replicas: number, strategy?: Deployment['spec']['strategy']): Deployment {
  const template = { spec: { containers: [] } };
  const spec = { replicas, selector: {}, template, ...(strategy === undefined ? {} : { strategy }) };
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd' }, spec };
}

function set(replicas: number, available: number): ReplicaSet {
  const template = { spec: { containers: [] } };
  const status = { replicas, availableReplicas: available };
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name: 's' },
    spec: { replicas, selector: {}, template },
    status,
  };
}

test('surge rounds up, unavailable rounds down, never both zero', () => {
  assert.deepEqual(surgeAndUnavailable(deployment(3)), { surge: 1, unavailable: 0 });
  assert.deepEqual(surgeAndUnavailable(deployment(10)), { surge: 3, unavailable: 2 });
  const none = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: '10%' } };
  assert.deepEqual(surgeAndUnavailable(deployment(3, none)), { surge: 0, unavailable: 1 });
});

test('a rollout ends with the new set alone, and keeps its bounds at each step', () => {
  const numbers = {
    replicas: fc.integer({ min: 1, max: 20 }),
    surge: fc.integer({ min: 0, max: 5 }),
    unavailable: fc.integer({ min: 0, max: 5 }),
  };
  fc.assert(
    fc.property(fc.record(numbers), ({ replicas, surge, unavailable }) => {
      const wanted = deployment(replicas, {
        type: 'RollingUpdate',
        rollingUpdate: { maxSurge: surge, maxUnavailable: unavailable },
      });
      const bounds = surgeAndUnavailable(wanted);
      let current = set(0, 0);
      let old = set(replicas, replicas);
      for (let step = 0; step < 100; step += 1) {
        const next = rollout(wanted, current, [old], old.spec.replicas ?? 0);
        const [newSize, oldSize] = [next.get(current) ?? 0, next.get(old) ?? 0];
        assert.ok(newSize + oldSize <= replicas + bounds.surge);
        // Available now: what was available of each set and is kept.
        const kept =
          Math.min(current.status?.availableReplicas ?? 0, newSize) +
          Math.min(old.status?.availableReplicas ?? 0, oldSize);
        assert.ok(kept >= replicas - bounds.unavailable);
        if (newSize === replicas && oldSize === 0) return;
        current = set(newSize, newSize);
        old = set(oldSize, oldSize);
      }
      assert.fail('the rollout never ended');
    }),
  );
});

test('Recreate waits for old pods', () => {
  const wanted = deployment(2, { type: 'Recreate' });
  const [current, old] = [set(0, 0), set(2, 2)];
  assert.deepEqual([...rollout(wanted, current, [old], 2).values()], [0]);
  const empty = set(0, 0);
  assert.equal(rollout(wanted, current, [empty], 0).get(current), 2);
});

const SERVICE: Service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'shop' },
  spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
};

function pod(name: string, ip: string, port: number, more: { ready?: boolean; deleted?: boolean } = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'shop',
      uid: name,
      ...(more.deleted ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
    },
    spec: { nodeName: 'n', containers: [{ name: 'm', image: 'x', ports: [{ name: 'http', containerPort: port }] }] },
    status: {
      podIP: ip,
      phase: 'Running',
      conditions: [{ type: 'Ready', status: more.ready === false ? 'False' : 'True' }],
    },
  };
}

test('pods with different numbers for a named port are in different slices', () => {
  const groups = groupEndpoints(
    SERVICE,
    [pod('a', '1.1.1.1', 80), pod('b', '1.1.1.2', 81), pod('c', '1.1.1.3', 80)],
    () => 'z',
  );
  assert.deepEqual(
    groups.map((group) => [group.ports[0]?.port, group.endpoints.length]),
    [
      [80, 2],
      [81, 1],
    ],
  );
  assert.equal(groups[0]?.endpoints[0]?.zone, 'z');
});

test('conditions tell ready, serving and terminating apart', () => {
  const pods = [
    pod('a', '1.1.1.1', 80),
    pod('b', '1.1.1.2', 80, { ready: false }),
    pod('c', '1.1.1.3', 80, { deleted: true }),
  ];
  const [group] = groupEndpoints(SERVICE, pods, () => undefined);
  assert.deepEqual(
    group?.endpoints.map((each) => each.conditions),
    [
      { ready: true, serving: true, terminating: false },
      { ready: false, serving: false, terminating: false },
      { ready: false, serving: true, terminating: true },
    ],
  );
  const [subset] = toSubsets(group === undefined ? [] : [group]);
  assert.deepEqual([subset?.addresses?.length, subset?.notReadyAddresses?.length], [1, 1]);
});

test('a slice has at most 100 endpoints', () => {
  const pods = Array.from({ length: 250 }, (_each, index) => pod(`p${index}`, `1.1.${index >> 8}.${index & 255}`, 80));
  assert.deepEqual(
    groupEndpoints(SERVICE, pods, () => undefined).map((group) => group.endpoints.length),
    [100, 100, 50],
  );
});

test('hand-made Endpoints are mirrored by address family', () => {
  const groups = mirrorGroups({
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name: 'web' },
    subsets: [
      {
        addresses: [{ ip: '1.1.1.1' }, { ip: 'fd00::1' }],
        notReadyAddresses: [{ ip: '1.1.1.2' }],
        ports: [{ port: 80 }],
      },
    ],
  });
  assert.deepEqual(
    groups.map((group) => [group.addressType, group.endpoints.length]),
    [
      ['IPv4', 2],
      ['IPv6', 1],
    ],
  );
  assert.deepEqual(groups[0]?.ports, [{ port: 80, name: '', protocol: 'TCP' }]);
});

test("selectors match as the API's do", () => {
  assert.ok(matchesSelector({ matchLabels: { a: '1' } }, { a: '1', b: '2' }));
  assert.ok(!matchesSelector(undefined, { a: '1' }));
  assert.ok(matchesSelector({ matchExpressions: [{ key: 'a', operator: 'NotIn', values: ['x'] }] }, {}));
  assert.ok(!matchesSelector({ matchExpressions: [{ key: 'a', operator: 'Exists' }] }, {}));
});

test('cron expressions give the next minute that matches, in UTC', () => {
  const from = Date.UTC(2026, 0, 1, 12, 30, 15);
  const next = (schedule: string): string => new Date(nextRun(schedule, from) ?? 0).toISOString().slice(0, 16);
  assert.equal(next('* * * * *'), '2026-01-01T12:31');
  assert.equal(next('*/20 * * * *'), '2026-01-01T12:40');
  assert.equal(next('0 0 1 * *'), '2026-02-01T00:00');
  assert.equal(next('0 9-17/4 * * mon'), '2026-01-05T09:00');
  assert.equal(next('@yearly'), '2027-01-01T00:00');
  assert.equal(next('0 0 13 * 5'), '2026-01-02T00:00');
  assert.equal(nextRun('0 0 31 2 *', from), undefined);
  for (const bad of ['', '* * * *', '60 * * * *', 'x * * * *', '*/0 * * * *'])
    assert.throws(() => nextRun(bad, from), { code: 'bad_schedule' });
});
