import assert from 'node:assert/strict';
import test from 'node:test';
import { TrafficLog } from '../home/traffic.ts';
import type { RequestRecord } from '../home/traffic.ts';
import { Accounting, failoverOutcome } from './accounting.ts';

function record(at: number, ms: number, status: number, cluster = 'east', target = 'federated'): RequestRecord {
  return { target, seq: at, at, ms, status, cluster };
}

test('requests count unless their life touches a window of their target', () => {
  const log = new TrafficLog();
  const accounting = new Accounting(log);
  accounting.exclude('west', 100)(200);
  for (const [at, ms] of [
    [50, 10],
    [95, 10],
    [150, 10],
    [199, 10],
    [200, 10],
  ] as const)
    log.add(record(at, ms, 503, 'west', 'west'));
  log.add(record(150, 1, 200));
  assert.equal(accounting.total().sent, 3);
  assert.equal(accounting.byTarget()['west']?.excluded, 3);
  assert.equal(accounting.byTarget()['federated']?.excluded, 0);
});

test('a window without an end excludes everything after its start', () => {
  const log = new TrafficLog();
  const accounting = new Accounting(log);
  accounting.exclude('west', 100);
  log.add(record(5000, 1, 503, 'west', 'west'));
  assert.equal(accounting.total().sent, 0);
});

test('recovery is when the other cluster answers and the last failure is over', () => {
  const outcome = failoverOutcome(
    [
      record(990, 5, 200),
      record(995, 20, 0),
      record(1005, 2, 200, 'west'),
      record(1010, 10, 503),
      record(1100, 2, 200, 'west'),
    ],
    1000,
    'west',
  );
  assert.deepEqual(outcome, { failed_during: 2, in_flight: 1, ms_to_recover: 20 });
});

test('without a single failure, recovery is the first answer of the other cluster', () => {
  assert.deepEqual(failoverOutcome([record(1003, 4, 200, 'west')], 1000, 'west'), {
    failed_during: 0,
    in_flight: 0,
    ms_to_recover: 7,
  });
});

test('no answer of the other cluster is no recovery', () => {
  assert.equal(failoverOutcome([record(1003, 4, 503)], 1000, 'west').ms_to_recover, -1);
});
