import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLEAN } from '@mesh/net';
import type { Conn, Handlers } from '@mesh/net';
import { systemClock } from '@mesh/runtime';
import type { Clock } from '@mesh/runtime';
import { turnAway } from './turn-away.ts';

/** What was done to a connection that is turned away, and its client's part. */
function turnedAway() {
  const done: string[] = [];
  let late: (() => void) | undefined;
  let handlers: Handlers<unknown> | undefined;
  const clock: Clock = {
    ...systemClock,
    after(_delayMs, callback) {
      late = callback;
      return { cancel: () => void done.push('timer cancelled') };
    },
  };
  const fake = {
    state: undefined as unknown,
    handOver(next: Handlers<unknown>, state: unknown) {
      handlers = next;
      fake.state = state;
      return fake;
    },
    end: () => void done.push('end'),
    resume: () => void done.push('resume'),
    reset: () => void done.push('reset'),
  };
  const conn = fake as unknown as Conn<unknown>;
  turnAway(conn, clock);
  return { done, conn, handlers: () => handlers as Handlers<unknown>, late: () => late?.() };
}

test('a client that leaves too is gone with two ends, and nothing is left', () => {
  const { done, conn, handlers } = turnedAway();
  handlers().end(conn);
  handlers().close(conn, CLEAN);
  assert.deepEqual(done, ['end', 'resume', 'end', 'timer cancelled']);
});

test('a client that speaks is reset', () => {
  const { done, conn, handlers } = turnedAway();
  handlers().data(conn, new Uint8Array(1));
  assert.deepEqual(done, ['end', 'resume', 'reset']);
});

test('a client that stays is reset in the end', () => {
  const { done, late } = turnedAway();
  late();
  assert.deepEqual(done, ['end', 'resume', 'reset']);
});
