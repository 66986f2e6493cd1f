import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Readiness } from '../lifecycle.ts';
import { silentLogger } from '../logger.ts';
import type { LogControl } from '../logger.ts';
import { MetricRegistry } from '../metrics/registry.ts';
import { AdminServer } from './admin-server.ts';

async function withAdmin(
  run: (admin: { url: string; readiness: Readiness; metrics: MetricRegistry; logControl: LogControl }) => Promise<void>,
): Promise<void> {
  const readiness = new Readiness();
  const metrics = new MetricRegistry();
  const logControl: LogControl = { level: 'info' };
  await using server = new AdminServer(
    { host: '127.0.0.1', port: 0 },
    { readiness, metrics, logControl, logger: silentLogger },
  );
  await server.start();
  await run({ url: `http://127.0.0.1:${server.port}`, readiness, metrics, logControl });
}

test('readiness names what it waits for', () =>
  withAdmin(async ({ url, readiness }) => {
    const block = readiness.block('identity');
    const waiting = await fetch(`${url}/ready`);
    assert.equal(waiting.status, 503);
    assert.equal(await waiting.text(), 'waiting for identity\n');
    block[Symbol.dispose]();
    assert.equal((await fetch(`${url}/ready`)).status, 200);
    assert.equal((await fetch(`${url}/live`)).status, 200);
  }));

test('a scrape has our cells and what Node.js tells about itself, each name once', () =>
  withAdmin(async ({ url, metrics }) => {
    metrics.counter({ name: 'example_total', help: 'An example.' }).bind({ kind: 'a' }).add(2);
    const answer = await fetch(`${url}/metrics`);
    const text = await answer.text();
    assert.match(answer.headers.get('content-type') ?? '', /version=0\.0\.4/);
    assert.match(text, /^example_total\{kind="a"\} 2$/m);
    assert.match(text, /^nodejs_eventloop_lag_seconds /m);
    assert.match(text, /^nodejs_heap_size_used_bytes /m);
    const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]);
    assert.deepEqual(names, [...new Set(names)]);
  }));

test('the log level changes at run time, and only to a level', () =>
  withAdmin(async ({ url, logControl }) => {
    assert.equal((await fetch(`${url}/log-level`, { method: 'PUT', body: 'loud' })).status, 400);
    assert.equal((await fetch(`${url}/log-level`, { method: 'PUT', body: 'debug' })).status, 204);
    assert.equal(logControl.level, 'debug');
    assert.equal(await (await fetch(`${url}/log-level`)).text(), 'debug\n');
  }));

test('other paths and methods are refused with a hint', () =>
  withAdmin(async ({ url }) => {
    assert.equal((await fetch(`${url}/metrics`, { method: 'POST' })).status, 405);
    assert.equal((await fetch(`${url}/nothing`)).status, 404);
  }));
