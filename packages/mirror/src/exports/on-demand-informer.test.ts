import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Informer, PODS } from '@mesh/kube';
import type { Pod } from '@mesh/kube';
import { eventually, FakeApi } from '@mesh/kube/testing';
import { silentLogger, systemClock } from '@mesh/runtime';
import type { Clock } from '@mesh/runtime';
import { OnDemandInformer } from './on-demand-informer.ts';

const POD: Pod = { metadata: { name: 'a', namespace: 'shop' }, spec: { containers: [] } };

/** Timers that a test fires. */
class Lingering implements Clock {
  readonly now = (): number => systemClock.now();
  readonly monotonic = (): number => systemClock.monotonic();
  readonly waiting = new Set<() => void>();

  after(_delayMs: number, callback: () => void): { cancel: () => void } {
    this.waiting.add(callback);
    return { cancel: () => this.waiting.delete(callback) };
  }

  pass(): void {
    for (const callback of this.waiting) callback();
    this.waiting.clear();
  }
}

function informerOf(api: FakeApi, clock: Clock, heard: string[]): OnDemandInformer<Pod> {
  const deps = { client: api.client(), clock: systemClock, logger: silentLogger };
  return new OnDemandInformer<Pod>({
    create: () => new Informer({ kind: PODS }, deps),
    clock,
    onChange: ({ type, object }) => heard.push(`${type} ${object.metadata.name}`),
    onStatus: () => undefined,
  });
}

test('nothing is asked for until somebody needs it, and then all of it', async () => {
  const api = new FakeApi();
  api.seed(PODS, POD);
  const heard: string[] = [];
  await using informer = informerOf(api, new Lingering(), heard);
  informer.run();
  assert.equal(informer.synced, true, 'nobody lacks anything');
  assert.equal(informer.store, undefined);
  assert.equal(api.calls.length, 0);
  informer.need('x', true);
  assert.equal(informer.synced, false);
  await eventually('synced', () => informer.synced);
  assert.deepEqual(heard, ['added a']);
});

test('needs from before it runs count', async () => {
  const api = new FakeApi();
  await using informer = informerOf(api, new Lingering(), []);
  informer.need('x', true);
  assert.equal(api.calls.length, 0);
  informer.run();
  await eventually('synced', () => informer.synced);
});

test('the last need that goes ends it after a while, and one that comes back in time keeps it', async () => {
  const api = new FakeApi();
  const clock = new Lingering();
  await using informer = informerOf(api, clock, []);
  informer.run();
  informer.need('x', true);
  informer.need('y', true);
  await eventually('watches', () => api.openWatches === 1);
  informer.need('x', false);
  assert.equal(clock.waiting.size, 0, 'y needs it still');
  informer.need('y', false);
  informer.need('x', true);
  clock.pass();
  assert.notEqual(informer.store, undefined);
  informer.need('x', false);
  clock.pass();
  assert.equal(informer.store, undefined);
  await eventually('watches no more', () => api.openWatches === 0);
  informer.need('x', true);
  await eventually('again', () => informer.synced && api.openWatches === 1);
});
