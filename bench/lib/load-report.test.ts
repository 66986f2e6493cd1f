import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseH2load, parseWrk } from './load-report.ts';

test("wrk's figures are read and scaled", () => {
  const result = parseWrk('Running 2s test\nfigures 20000 2000000 1500 9000 12000 3\n');
  assert.deepEqual(result, {
    requests: 20_000,
    durationS: 2,
    rps: 10_000,
    p50Ms: 1.5,
    p99Ms: 9,
    p999Ms: 12,
    errors: 3,
  });
});

const H2LOAD = `
finished in 1.01s, 2.00 req/s, 8.44MB/s
requests: 3 total, 4 started, 3 done, 2 succeeded, 1 failed, 0 errored, 0 timeout
status codes: 2 2xx, 0 3xx, 0 4xx, 1 5xx
traffic: 8.44MB (8847852) total, 686.89KB (703372) headers (space savings 93.61%), 6.07MB (200) data
`;
const LOG = Buffer.from('1795305904457112\t200\t597\n1795305904457113\t503\t20\n1795305904457113\t200\t1628\n');

test("h2load's summary and log of requests make the same figures", () => {
  assert.deepEqual(parseH2load(H2LOAD, LOG, { durationS: 2, answerBytes: 100 }), {
    requests: 2,
    durationS: 2,
    rps: 1,
    p50Ms: 0.597,
    p99Ms: 1.628,
    p999Ms: 1.628,
    errors: 1,
  });
});

test('answers without their message count as failed, though their status is 200', () => {
  assert.equal(parseH2load(H2LOAD, LOG, { durationS: 2, answerBytes: 105 }).errors, 2);
});

test('a run without figures is an error that shows the output', () => {
  assert.throws(() => parseWrk('unable to connect'), /unable to connect/);
  assert.throws(
    () => parseH2load('unable to connect', Buffer.alloc(0), { durationS: 1, answerBytes: 1 }),
    /unable to connect/,
  );
});
