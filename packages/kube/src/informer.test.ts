import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger, systemClock } from '@mesh/runtime';
import type { Change } from './informer.ts';
import { Informer } from './informer.ts';
import { SERVICES } from './kinds.ts';
import type { Service } from './core-types.ts';
import { FakeApi } from './testing/fake-api.ts';
import { eventually } from './testing/eventually.ts';

function service(name: string, labels: Record<string, string> = {}): Service {
  return { metadata: { name, namespace: 'shop', labels }, spec: { ports: [{ port: 80 }] } };
}

function setup(api: FakeApi): { informer: Informer<Service>; changes: string[] } {
  const informer = new Informer(
    {
      kind: SERVICES,
      backoff: { minMs: 5, maxMs: 20, jitterRatio: 0 },
      indexes: { app: (object) => [object.metadata.labels?.['app'] ?? ''] },
    },
    { client: api.client(), clock: systemClock, logger: silentLogger },
  );
  const changes: string[] = [];
  informer.onChange((change: Change<Service>) => changes.push(`${change.type} ${change.object.metadata.name}`));
  return { informer, changes };
}

test('it lists, then follows changes', async () => {
  const api = new FakeApi();
  api.seed(SERVICES, service('a'));
  const { informer, changes } = setup(api);
  await using _informer = informer;
  await informer.start(AbortSignal.timeout(5000));
  assert.deepEqual(changes, ['added a']);
  await eventually('watch is open', () => api.openWatches === 1);
  api.seed(SERVICES, service('b'));
  api.seed(SERVICES, service('a', { app: 'x' }));
  api.remove(SERVICES, 'shop/b');
  await eventually('changes arrive', () => changes.length === 4);
  assert.deepEqual(changes, ['added a', 'added b', 'updated a', 'deleted b']);
  assert.deepEqual(
    informer.byIndex('app', 'x').map((object) => object.metadata.name),
    ['a'],
  );
  assert.deepEqual(informer.byIndex('app', ''), []);
});

test('a late handler sees every known object as added', async () => {
  const api = new FakeApi();
  api.seed(SERVICES, service('a'));
  const { informer } = setup(api);
  await using _informer = informer;
  await informer.start(AbortSignal.timeout(5000));
  const seen: string[] = [];
  informer.onChange((change) => seen.push(change.type));
  assert.deepEqual(seen, ['added']);
});

test('while the API is away the last known state stays, and what was missed is repaired afterwards', async () => {
  const api = new FakeApi();
  api.seed(SERVICES, service('a'));
  api.seed(SERVICES, service('b'));
  const { informer, changes } = setup(api);
  await using _informer = informer;
  await informer.start(AbortSignal.timeout(5000));
  api.goDown();
  await eventually('loss is noticed', () => !informer.connected);
  assert.equal(informer.size, 2);
  assert.equal(informer.lastError?.code, 'unreachable');
  assert.ok(informer.stalenessMs >= 0);
  api.remove(SERVICES, 'shop/a');
  api.seed(SERVICES, service('c'));
  api.comeBack();
  await eventually('repair', () => changes.includes('deleted a') && changes.includes('added c'));
  assert.equal(informer.connected, true);
  assert.equal(informer.lastError, undefined);
});

test('an expired version makes it list again without losing or repeating changes', async () => {
  const api = new FakeApi();
  api.seed(SERVICES, service('a'));
  const { informer, changes } = setup(api);
  await using _informer = informer;
  await informer.start(AbortSignal.timeout(5000));
  await eventually('watch is open', () => api.openWatches === 1);
  api.seed(SERVICES, service('b'));
  api.compact();
  api.seed(SERVICES, service('c'));
  await eventually('c arrives', () => changes.includes('added c'));
  assert.deepEqual(changes, ['added a', 'added b', 'added c']);
});

test('an object that was replaced by another of the same name is deleted first', async () => {
  const api = new FakeApi();
  api.seed(SERVICES, service('a'));
  const { informer, changes } = setup(api);
  await using _informer = informer;
  await informer.start(AbortSignal.timeout(5000));
  api.goDown();
  await eventually('loss is noticed', () => !informer.connected);
  api.remove(SERVICES, 'shop/a');
  api.seed(SERVICES, service('a'));
  api.comeBack();
  await eventually('replacement arrives', () => changes.length === 3);
  assert.deepEqual(changes, ['added a', 'deleted a', 'added a']);
});

test('start waits for an API that comes up later, and gives up with its signal', async () => {
  const api = new FakeApi();
  api.goDown();
  const { informer } = setup(api);
  await using _informer = informer;
  await assert.rejects(informer.start(AbortSignal.timeout(30)));
  api.comeBack();
  await informer.start(AbortSignal.timeout(5000));
  assert.equal(informer.synced, true);
});

test('disposing ends the watch', async () => {
  const api = new FakeApi();
  const { informer } = setup(api);
  await informer.start(AbortSignal.timeout(5000));
  await eventually('watch is open', () => api.openWatches === 1);
  await informer[Symbol.asyncDispose]();
  assert.equal(api.openWatches, 0);
});
