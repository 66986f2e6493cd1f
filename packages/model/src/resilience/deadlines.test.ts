import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Deadlines } from './deadlines.ts';
import { NO_TIMEOUTS } from './policy.ts';

test('without limits there is nothing to wait for', () => {
  const deadlines = new Deadlines();
  deadlines.begin(NO_TIMEOUTS, 100);
  deadlines.beginTry(undefined, 100);
  deadlines.requestSent(110);
  assert.equal(deadlines.nextMs, Number.POSITIVE_INFINITY);
  assert.equal(deadlines.overdue(1e9), undefined);
});

test('the request’s limit runs from its start, through all tries', () => {
  const deadlines = new Deadlines();
  deadlines.begin({ ...NO_TIMEOUTS, requestMs: 1000 }, 100);
  deadlines.beginTry(400, 100);
  assert.equal(deadlines.nextMs, 500);
  assert.equal(deadlines.overdue(500), 'try');
  deadlines.beginTry(400, 600);
  assert.equal(deadlines.overdue(999), undefined);
  assert.equal(deadlines.overdue(1100), 'request', 'no retry can help then');
});

test('a response head ends the limit of the try, not the others', () => {
  const deadlines = new Deadlines();
  deadlines.begin({ requestMs: undefined, responseMs: 500, idleMs: undefined }, 0);
  deadlines.beginTry(100, 0);
  deadlines.requestSent(50);
  deadlines.responded();
  assert.equal(deadlines.overdue(200), undefined);
  assert.equal(deadlines.nextMs, 550);
  deadlines.requestSent(300);
  assert.equal(deadlines.overdue(550), 'response', 'counted from the first time that the request was sent');
});

test('idleness is counted from the last frame of either side', () => {
  const deadlines = new Deadlines();
  deadlines.begin({ ...NO_TIMEOUTS, idleMs: 100 }, 0);
  deadlines.progressed(90);
  assert.equal(deadlines.overdue(189), undefined);
  assert.equal(deadlines.overdue(190), 'idle');
});

test('used again, it remembers nothing', () => {
  const deadlines = new Deadlines();
  deadlines.begin({ requestMs: 10, responseMs: 10, idleMs: 10 }, 0);
  deadlines.requestSent(1);
  deadlines.begin(NO_TIMEOUTS, 1000);
  assert.equal(deadlines.nextMs, Number.POSITIVE_INFINITY);
});
