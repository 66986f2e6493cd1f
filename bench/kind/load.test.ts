import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { parseLoadReport } from './figures.ts';

const LOAD = path.join(import.meta.dirname, 'pod', 'load.mjs');

/** Runs the load program against a server that lives as long. */
async function load(listener: http.RequestListener, ...numbers: readonly number[]) {
  const server = http.createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    const args = [LOAD, `http://127.0.0.1:${port}/`, ...numbers.map(String)];
    return parseLoadReport((await promisify(execFile)(process.execPath, args)).stdout);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test('every request is sent, the uncounted ones have no time, and the caller is told', async () => {
  const report = await load((_request, response) => response.setHeader('x-caller', 'web').end('x'), 100, 0.3, 0.1);
  assert.equal(report.sent, 40);
  assert.equal(report.us.length, 30);
  assert.deepEqual([report.errors, report.caller], [0, 'web']);
});

test('answers other than 200 and broken connections are errors', async () => {
  let seen = 0;
  const report = await load(
    (request, response) => {
      seen += 1;
      if (seen % 2 === 0) request.socket.destroy();
      else response.writeHead(503).end();
    },
    100,
    0.1,
    0,
  );
  assert.equal(report.sent, 10);
  assert.equal(report.errors, 10);
});
