/** Whatever happens in whatever order, and whenever a mirror dies: the end is the same, and the same in all clusters. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ENDPOINT_SLICES, SERVICE_EXPORTS, SERVICE_IMPORTS, SERVICES } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import { ClusterSet, HTTP } from '../src/testing/cluster-set.ts';
import type { SetCluster } from '../src/testing/cluster-set.ts';
import { crashAfterEachWrite, stateOf } from '../src/testing/crash-injection.ts';

const NAMES = ['east', 'north', 'west'] as const;
const POD: Readonly<Record<string, string>> = { east: '10.1.0.1', north: '10.2.0.1', west: '10.3.0.1' };

interface Shape {
  readonly isHeadless: boolean;
  readonly ports: readonly (readonly [string, number])[];
  readonly createdAt: string;
  readonly label: string;
}

const shape: fc.Arbitrary<Shape> = fc.record({
  isHeadless: fc.boolean(),
  ports: fc.uniqueArray(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 1, max: 3 })), {
    minLength: 1,
    maxLength: 3,
    selector: ([name]) => name,
  }),
  createdAt: fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z'),
  label: fc.constantFrom('x', 'y'),
});

/** What one cluster does, in time: exports in a shape, or takes its export away. */
const plan = fc.array(fc.option(shape, { nil: undefined, freq: 3 }), { minLength: 1, maxLength: 3 });

function act(cluster: SetCluster, wanted: Shape | undefined): void {
  if (wanted === undefined) {
    cluster.unexport('web');
    return;
  }
  const ports = wanted.ports.map(([name, port]) => ({ ...HTTP, name, port, targetPort: 8000 + port }));
  const clusterIP = wanted.isHeadless ? 'None' : '10.96.255.1';
  cluster.service('web', { [`pod-${cluster.name}`]: POD[cluster.name] ?? '' }, { spec: { ports, clusterIP } });
  cluster.export('web', { createdAt: wanted.createdAt, exported: { exportedLabels: { l: wanted.label } } });
}

/** What must be the same in all clusters. */
function view(cluster: SetCluster): unknown {
  const found = cluster.serviceImport('web');
  if (found === undefined)
    return { slices: cluster.slices('web').length, derived: cluster.derived('web') !== undefined };
  const { ips, ...spec } = found.spec;
  const endpoints = cluster.slices('web').flatMap((slice) =>
    slice.endpoints.map(
      ({ addresses }) =>
        `${slice.metadata.labels?.['multicluster.kubernetes.io/source-cluster']} ${addresses[0]} ${(slice.ports ?? [])
          .map(({ name, port }) => `${name}=${port}`)
          .toSorted()
          .join()}`,
    ),
  );
  return {
    spec,
    hasAddress: (ips ?? []).length > 0,
    labels: found.metadata.labels,
    clusters: found.status?.clusters,
    endpoints: endpoints.toSorted(),
  };
}

function conflictsOf(cluster: SetCluster): unknown {
  const found = cluster.condition('web', 'Conflict');
  return found === undefined ? undefined : [found.status, found.reason, found.message];
}

/** The same end, reached at once by mirrors that start afterwards. */
async function fresh(last: ReadonlyMap<string, Shape | undefined>): Promise<unknown> {
  await using set = new ClusterSet(NAMES);
  for (const cluster of set.all) act(cluster, last.get(cluster.name));
  await set.start();
  return await settled(set);
}

async function settled(set: ClusterSet): Promise<unknown> {
  let seen = '';
  let sinceMs = performance.now();
  return eventually('at rest, and the same everywhere', () => {
    const views = set.all.map(view);
    const now = JSON.stringify([views, set.all.map(conflictsOf)]);
    if (now !== seen || !set.isIdle) {
      seen = now;
      sinceMs = performance.now();
    }
    if (performance.now() - sinceMs < 60) return undefined;
    for (const other of views) assert.deepEqual(other, views[0]);
    return [views[0], set.all.map(conflictsOf)];
  });
}

describe('imports', () => {
  it('are the same in all clusters, and what a fresh start would make, after any changes in any order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.tuple(plan, plan, plan), fc.infiniteStream(fc.nat({ max: 2 })), async (plans, turns) => {
        await using set = new ClusterSet(NAMES);
        await set.start();
        const queues = plans.map((steps) => [...steps]);
        const last = new Map<string, Shape | undefined>();
        for (const turn of turns) {
          if (queues.every((queue) => queue.length === 0)) break;
          const queue = queues[turn];
          const name = NAMES[turn];
          if (queue === undefined || name === undefined || queue.length === 0) continue;
          const step = queue.shift();
          last.set(name, step);
          act(set.cluster(name), step);
          // Sometimes the mirrors see it at once, sometimes several changes are one to them.
          if (turn > 0) await new Promise((resolve) => setImmediate(resolve));
        }
        assert.deepEqual(await settled(set), await fresh(last));
      }),
      { numRuns: 15 },
    );
  });

  it('survive a crash after each write', async () => {
    const kinds = [SERVICE_EXPORTS, SERVICE_IMPORTS, SERVICES, ENDPOINT_SLICES];
    const crashes = await crashAfterEachWrite({
      world: async () => {
        const set = new ClusterSet(['east', 'west']);
        for (const name of ['east', 'west'] as const) {
          set.cluster(name).service('web', { [`pod-${name}`]: POD[name] ?? '' });
        }
        await set.start('east');
        return set;
      },
      api: (set) => set.cluster('west').api,
      start: (set, client) => set.startIn('west', client),
      act: async (set) => {
        const [east, west] = [set.cluster('east'), set.cluster('west')];
        east.export('web', { createdAt: '2026-01-01T00:00:00Z' });
        west.export('web', { createdAt: '2026-01-01T00:00:01Z' });
        await eventually('both', () => west.serviceImport('web')?.status?.clusters?.length === 2);
        west.unexport('web');
        await eventually('one', () => west.serviceImport('web')?.status?.clusters?.length === 1);
        west.service('gone', { g: '10.3.0.9' });
        west.export('gone');
        await eventually('gone comes', () => west.serviceImport('gone') !== undefined);
        west.unexport('gone');
      },
      state: (set) => addressless(stateOf(set.cluster('west').api, kinds)),
    });
    assert.ok(crashes > 8, `${crashes} crashes`);
  });
});

/** Which address a Service gets differs with how often one was asked for. */
function addressless(state: unknown): unknown {
  return JSON.parse(JSON.stringify(state).replaceAll(/10\.96\.0\.\d+/g, 'ADDRESS'));
}
