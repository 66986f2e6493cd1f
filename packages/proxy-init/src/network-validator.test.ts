import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { test } from 'node:test';
import { NOT_REDIRECTED_EXIT_CODE, parseValidatorConfig, runNetworkValidator } from './network-validator.ts';

async function validate(...args: readonly string[]): Promise<{ code: number; logs: string }> {
  const logs: string[] = [];
  const code = await runNetworkValidator(args, { print: () => undefined, logs: (line) => logs.push(line) });
  return { code, logs: logs.join('\n') };
}

async function listening(t: { after(end: () => void): void }, answer: string | undefined): Promise<string> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined);
    if (answer !== undefined) socket.end(answer);
    t.after(() => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A port that was free a moment ago. */
async function freeAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  await new Promise((resolve) => server.close(resolve));
  return address;
}

test('a connection that comes back to the validator is success', async () => {
  const address = await freeAddress();
  assert.equal((await validate('--listen-addr', address, '--connect-addr', address)).code, 0);
});

test('a connection that is refused was not redirected', async () => {
  const { code, logs } = await validate('--listen-addr', '127.0.0.1:0', '--connect-addr', await freeAddress());
  assert.equal(code, NOT_REDIRECTED_EXIT_CODE);
  assert.match(logs, /was not redirected \(ECONNREFUSED\): look at the CNI plugin/);
});

test('an answer of somebody else is no redirection', async (t) => {
  const other = await listening(t, 'SSH-2.0');
  const { code, logs } = await validate('--listen-addr', '127.0.0.1:0', '--connect-addr', other);
  assert.equal(code, NOT_REDIRECTED_EXIT_CODE);
  assert.match(logs, /something else answered/);
});

test('silence ends with the timeout', async (t) => {
  const silent = await listening(t, undefined);
  const args = ['--listen-addr', '127.0.0.1:0', '--connect-addr', silent, '--timeout', '50ms'];
  const { code, logs } = await validate(...args);
  assert.equal(code, NOT_REDIRECTED_EXIT_CODE);
  assert.match(logs, /within 50 ms/);
});

test('a port in use is told', async (t) => {
  const taken = await listening(t, '');
  const { code, logs } = await validate('--listen-addr', taken, '--connect-addr', taken);
  assert.equal(code, NOT_REDIRECTED_EXIT_CODE);
  assert.match(logs, /cannot listen on .*: stop what listens there/);
});

test('bad arguments are told, all at once', async () => {
  const { code, logs } = await validate('--connect-addr', 'example.com:80', '--timeout', 'soon', '--log-format', 'xml');
  assert.equal(code, 64);
  assert.match(logs, /--connect-addr: "example.com:80" is not an address/);
  assert.match(logs, /--timeout: "soon" is not a duration/);
  assert.match(logs, /--log-format: "xml" is not one of plain, json/);
});

test('by default it asks where nobody answers, and listens where the proxy will', () => {
  const { connect, listen, timeoutMs } = parseValidatorConfig([]);
  assert.deepEqual(
    [connect, listen, timeoutMs],
    [{ host: '1.1.1.1', port: 20_001 }, { host: '0.0.0.0', port: 4140 }, 10_000],
  );
});
