import assert from 'node:assert/strict';
import test from 'node:test';
import { parseRecord, quantile, summarise, TrafficLog } from './traffic.ts';

test('a summary counts failures, shares and quantiles of answered requests', () => {
  const record = (ms: number, status: number, cluster?: string) => ({
    target: 'home',
    seq: 1,
    at: 1,
    ms,
    status,
    ...(cluster === undefined ? {} : { cluster }),
  });
  const summary = summarise([record(1, 200, 'east'), record(3, 200, 'west'), record(2, 200, 'east'), record(900, 503)]);
  assert.deepEqual(summary, { sent: 4, failed: 1, p50_ms: 2, p99_ms: 3, by_cluster: { east: 2, west: 1 } });
});

test('quantiles of nothing are zero', () => assert.equal(quantile([], 0.99), 0));

test('lines that are no records are skipped', () => {
  assert.equal(parseRecord('load: started'), undefined);
  assert.equal(parseRecord('{"target":1}'), undefined);
  assert.equal(parseRecord('{broken'), undefined);
  assert.equal(parseRecord('{"target":"home","seq":1,"at":5,"ms":1,"status":200}')?.at, 5);
});

test('records are selected by target and by the time they were sent', () => {
  const log = new TrafficLog();
  for (const at of [1, 2, 3]) log.add({ target: at === 2 ? 'west' : 'home', seq: at, at, ms: 1, status: 200 });
  assert.deepEqual(
    log.select({ targets: ['home'], fromMs: 2 }).map((record) => record.at),
    [3],
  );
  assert.deepEqual(
    log.select({ toMs: 3 }).map((record) => record.at),
    [1, 2],
  );
});
