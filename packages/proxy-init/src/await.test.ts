import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { askReady, NOT_READY_EXIT_CODE, runAwait } from './await.ts';

interface Waited {
  readonly code: number;
  readonly waitedMs: number;
  readonly logs: string;
}

/** Runs on virtual time, against the answers given (the last one for good). */
async function wait(args: readonly string[], answers: readonly number[]): Promise<Waited> {
  let now = 0;
  let asked = 0;
  const logs: string[] = [];
  const code = await runAwait(args, {
    now: () => now,
    pause: (ms) => {
      now += ms;
      return Promise.resolve();
    },
    ask: () => Promise.resolve(answers[Math.min(asked++, answers.length - 1)] ?? 0),
    print: () => undefined,
    logs: (line) => logs.push(line),
  });
  return { code, waitedMs: now, logs: logs.join('\n') };
}

test('a proxy that is ready is not waited for', async () => {
  assert.deepEqual(await wait([], [200]), { code: 0, waitedMs: 0, logs: '' });
});

test('it asks until the proxy is ready', async () => {
  const { code, waitedMs, logs } = await wait(['--timeout=2m', '--port=4191', '-v'], [0, 503, 200]);
  assert.deepEqual([code, waitedMs], [0, 500]);
  assert.match(logs, /no answer on port 4191\n.*status 503 on port 4191/);
});

test('a proxy that does not become ready ends it with code 69, within the timeout', async () => {
  const { code, waitedMs, logs } = await wait(['--timeout=2m', '--backoff=1s'], [503]);
  assert.equal(code, NOT_READY_EXIT_CODE);
  assert.ok(waitedMs <= 120_000 && waitedMs > 115_000);
  assert.match(logs, /not ready within 120000 ms \(status 503 on port 4191\): look at the log of linkerd-proxy/);
});

test('bad arguments are told', async () => {
  const { code, logs } = await wait(['--timeout=soon', '--port=0'], [200]);
  assert.equal(code, 64);
  assert.match(logs, /--timeout: "soon".*\n?/);
  assert.match(logs, /--port: "0"/);
});

test('readiness is the answer of the admin port', async (t) => {
  const server = createServer((request, response) => {
    response.statusCode = request.url === '/ready' ? 200 : 404;
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  assert.equal(await askReady(port), 200);
  await new Promise((resolve) => server.close(resolve));
  assert.equal(await askReady(port), 0);
});
