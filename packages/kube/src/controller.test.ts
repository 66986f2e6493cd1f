import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MeshError, silentLogger, systemClock } from '@mesh/runtime';
import { Controller, TerminalError } from './controller.ts';
import type { ReconcileResult } from './controller.ts';
import { eventually } from './testing/eventually.ts';
import { WorkQueue } from './work-queue.ts';

function controllerOf(reconcile: (key: string) => Promise<ReconcileResult>, concurrency = 4): Controller {
  return new Controller(
    { name: 'test', reconcile, concurrency, backoff: { minMs: 1, maxMs: 8, jitterRatio: 0 } },
    { clock: systemClock, logger: silentLogger },
  );
}

test('one key never runs twice at once, and changes during a run cause exactly one more', async () => {
  let running = 0;
  let runs = 0;
  const gate = Promise.withResolvers<void>();
  await using controller = controllerOf(async () => {
    running += 1;
    assert.equal(running, 1);
    runs += 1;
    if (runs === 1) await gate.promise;
    running -= 1;
  });
  await controller.start(AbortSignal.timeout(1000));
  controller.enqueue('a');
  await eventually('first run', () => runs === 1);
  for (let index = 0; index < 5; index += 1) controller.enqueue('a');
  gate.resolve();
  await eventually('idle', () => controller.idle);
  assert.equal(runs, 2);
});

test('failures are retried with backoff until they succeed', async () => {
  let runs = 0;
  await using controller = controllerOf(async () => {
    runs += 1;
    if (runs < 4) throw new MeshError({ code: 'nope' });
  });
  await controller.start(AbortSignal.timeout(1000));
  controller.enqueue('a');
  await eventually('success', () => runs === 4 && controller.idle);
});

test('a terminal failure is not retried before something changes', async () => {
  let runs = 0;
  await using controller = controllerOf(async () => {
    runs += 1;
    throw new TerminalError('no way');
  });
  await controller.start(AbortSignal.timeout(1000));
  controller.enqueue('a');
  await eventually('idle', () => runs === 1 && controller.idle);
  controller.enqueue('a');
  await eventually('ran again', () => runs === 2 && controller.idle);
});

test('a result may ask for another run', async () => {
  let runs = 0;
  await using controller = controllerOf(async () => {
    runs += 1;
    return runs === 1 ? { requeueAfterMs: 1 } : undefined;
  });
  await controller.start(AbortSignal.timeout(1000));
  controller.enqueue('a');
  await eventually('second run', () => runs === 2);
});

test('edits overtake resyncs', async () => {
  const queue = new WorkQueue(systemClock);
  queue.add('resync', 'low');
  queue.add('edit');
  queue.add('resync-2', 'low');
  queue.add('resync-2');
  assert.deepEqual([await queue.take(), await queue.take(), await queue.take()], ['edit', 'resync-2', 'resync']);
  queue.close();
  assert.equal(await queue.take(), undefined);
});

test('of several delays for a key the earliest counts', async () => {
  const queue = new WorkQueue(systemClock);
  queue.addAfter('a', 60_000);
  queue.addAfter('a', 1);
  assert.equal(await queue.take(), 'a');
  queue.done('a');
  assert.equal(queue.idle, true);
});
