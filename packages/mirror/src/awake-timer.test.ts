import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '@mesh/runtime';
import { afterAwake } from './awake-timer.ts';

/** Time that stands still until it is moved; timers are heard when it has moved, however far. */
class JumpingClock implements Clock {
  #ms = 0;
  readonly #timers = new Map<symbol, { readonly dueMs: number; readonly callback: () => void }>();

  now(): number {
    return this.#ms;
  }

  monotonic(): number {
    return this.#ms;
  }

  after(delayMs: number, callback: () => void): { cancel(): void } {
    const id = Symbol('timer');
    this.#timers.set(id, { dueMs: this.#ms + delayMs, callback });
    return { cancel: () => this.#timers.delete(id) };
  }

  /** The process stood still for so long, and hears of it once. */
  jump(ms: number): void {
    this.#ms += ms;
    for (const [id, { dueMs, callback }] of [...this.#timers].toSorted(([, a], [, b]) => a.dueMs - b.dueMs)) {
      if (dueMs <= this.#ms && this.#timers.delete(id)) callback();
    }
  }
}

test('without pauses the limit is what it says', () => {
  const clock = new JumpingClock();
  const expiredAt: number[] = [];
  afterAwake(clock, 450, () => expiredAt.push(clock.now()));
  for (let step = 0; step < 100; step += 1) clock.jump(10);
  assert.deepEqual(expiredAt, [450]);
});

test('time in which the process stood still does not count, at the end of the limit neither', () => {
  const clock = new JumpingClock();
  let expired = false;
  afterAwake(clock, 500, () => (expired = true));
  clock.jump(5000);
  assert.equal(expired, false);
  for (let step = 0; step < 30; step += 1) clock.jump(10);
  assert.equal(expired, false);
  clock.jump(5000);
  assert.equal(expired, false, 'what lies in the socket is read first');
  for (let step = 0; step < 11; step += 1) clock.jump(10);
  assert.equal(expired, true);
});

test('a limit that was taken back is not heard of', () => {
  const clock = new JumpingClock();
  let expired = false;
  const timer = afterAwake(clock, 250, () => (expired = true));
  clock.jump(120);
  timer.cancel();
  for (let step = 0; step < 100; step += 1) clock.jump(10);
  assert.equal(expired, false);
});
