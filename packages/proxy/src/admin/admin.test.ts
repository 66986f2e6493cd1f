import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { afterEach, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { createNodeDriver } from '@mesh/net';
import { MetricRegistry, Readiness } from '@mesh/runtime';
import type { LogControl } from '@mesh/runtime';
import { Admin } from './admin.ts';
import { LogFilter, parseLogFilter } from './log-filter.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

interface Answer {
  readonly status: number;
  readonly body: Buffer;
  readonly encoding: string | undefined;
}

async function start(shutdownEnabled = false): Promise<{
  readonly ask: (
    method: string,
    path: string,
    options?: { body?: string; headers?: Record<string, string> },
  ) => Promise<Answer>;
  readonly readiness: Readiness;
  readonly control: LogControl;
  readonly shutdowns: () => number;
  readonly admin: Admin;
  readonly registry: MetricRegistry;
}> {
  const readiness = new Readiness();
  const control: LogControl = { level: 'warn' };
  const registry = new MetricRegistry();
  registry.counter({ name: 'request_total', help: 'Requests.' }).bind({ direction: 'inbound' }).add(1);
  let shutdowns = 0;
  const admin = new Admin(
    { listen: { ip: '127.0.0.1', port: 0 }, shutdownEnabled, config: { a: 1 } },
    {
      driver: createNodeDriver(),
      registry,
      readiness,
      logFilter: new LogFilter(control, 'warn,linkerd=info'),
      env: { LINKERD2_PROXY_LOG: 'info', SECRET: 'x' },
      tls: () => undefined,
      shutdown: () => (shutdowns += 1),
    },
  );
  await admin.start();
  cleanups.push(() => admin[Symbol.asyncDispose]());
  const { port } = admin.address;
  return {
    readiness,
    control,
    admin,
    registry,
    shutdowns: () => shutdowns,
    ask: (method, path, options = {}) =>
      new Promise((resolve, reject) => {
        const request = httpRequest(
          { port, method, path, agent: false, headers: options.headers ?? {} },
          (response) => {
            const parts: Buffer[] = [];
            response.on('data', (part: Buffer) => parts.push(part));
            response.on('end', () =>
              resolve({
                status: response.statusCode ?? 0,
                body: Buffer.concat(parts),
                encoding: response.headers['content-encoding'],
              }),
            );
          },
        );
        request.on('error', reject);
        request.end(options.body);
      }),
  };
}

const said = (answer: Answer): string => `${answer.status} ${answer.body.toString()}`;

test('it is alive at once and ready when nothing holds readiness back', async () => {
  const { ask, readiness } = await start();
  assert.equal(said(await ask('GET', '/live')), '200 live\n');
  const block = readiness.block('identity');
  assert.equal(said(await ask('GET', '/ready')), '503 not ready\n');
  block[Symbol.dispose]();
  assert.equal(said(await ask('GET', '/ready')), '200 ready\n');
  assert.equal((await ask('HEAD', '/ready')).body.length, 0);
  assert.equal(said(await ask('GET', '/other')), '404 not found\n');
});

test('metrics are exposed, and compressed from the second scrape on when they are large', async () => {
  const { ask, registry } = await start();
  const gzip = { headers: { 'accept-encoding': 'gzip' } };
  assert.match(said(await ask('GET', '/metrics')), /^200 [^]*request_total\{direction="inbound"\} 1\n/);
  assert.equal((await ask('GET', '/metrics', gzip)).encoding, undefined, 'a small text is not worth a compressor');
  const family = registry.counter({ name: 'large_total', help: 'Large.' });
  const held = Array.from({ length: 5000 }, (_, index) => family.bind({ name: 'x'.repeat(200), index: String(index) }));
  const plain = await ask('GET', '/metrics', gzip);
  assert.equal(plain.encoding, undefined);
  const zipped = await ask('GET', '/metrics', gzip);
  assert.equal(zipped.encoding, 'gzip');
  const text = gunzipSync(zipped.body).toString();
  assert.equal(text.match(/^large_total\{/gm)?.length, held.length);
  assert.ok(zipped.body.length < plain.body.length / 5);
  assert.equal((await ask('HEAD', '/metrics')).body.length, 0);
  assert.equal((await ask('GET', '/metrics')).encoding, undefined, 'only for those who accept it');
});

test('a scraper that goes away in the middle, or takes nothing, leaves the admin port as it was', async () => {
  const { admin, ask, registry } = await start();
  const family = registry.counter({ name: 'large_total', help: 'Large.' });
  const held = Array.from({ length: 9000 }, (_, index) =>
    family.bind({ name: 'x'.repeat(2000), index: String(index) }),
  );
  for (let round = 0; round < 5; round += 1) {
    const socket = connect(admin.address.port, '127.0.0.1');
    socket.write('GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n');
    await new Promise((resolve) => socket.once('data', resolve));
    socket.pause();
    assert.equal(said(await ask('GET', '/ready')), '200 ready\n');
    socket.destroy();
  }
  const whole = await ask('GET', '/metrics');
  assert.equal(whole.body.toString().match(/^large_total\{/gm)?.length, held.length);
});

test('an HTTP/1.0 scraper gets the text until the connection ends', async () => {
  const { admin } = await start();
  const socket = connect(admin.address.port, '127.0.0.1');
  let text = '';
  socket.on('data', (bytes: Buffer) => (text += bytes.toString()));
  socket.write('GET /metrics HTTP/1.0\r\n\r\n');
  await new Promise((resolve) => socket.once('close', resolve));
  assert.match(text, /connection: close\r\n[^]*\r\n\r\n# HELP/);
  assert.match(text, /request_total\{direction="inbound"\} 1\n$/);
});

test('the log level is read and changed, and a bad filter changes nothing', async () => {
  const { ask, control } = await start();
  assert.equal(control.level, 'info');
  assert.equal(said(await ask('GET', '/proxy-log-level')), '200 warn,linkerd=info\n');
  assert.equal((await ask('PUT', '/proxy-log-level', { body: 'linkerd=debug' })).status, 204);
  assert.equal(control.level, 'debug');
  assert.match(said(await ask('PUT', '/proxy-log-level', { body: 'loud' })), /^400 the filter "loud"/);
  assert.equal(control.level, 'debug');
});

test('shutdown needs POST and to be enabled', async () => {
  const off = await start(false);
  assert.equal((await off.ask('GET', '/shutdown')).status, 405);
  assert.equal((await off.ask('POST', '/shutdown')).status, 404);
  const on = await start(true);
  assert.equal(said(await on.ask('POST', '/shutdown')), '200 shutdown\n');
  assert.deepEqual([off.shutdowns(), on.shutdowns()], [0, 1]);
});

test('clients from elsewhere may not change or stop anything', async () => {
  const { admin } = await start(true);
  const from = { query: '', body: '', clientIp: '10.1.2.3', acceptsGzip: false };
  for (const [method, path] of [
    ['POST', '/shutdown'],
    ['PUT', '/proxy-log-level'],
    ['GET', '/config'],
  ] as const)
    assert.equal((await admin.handle({ ...from, method, path })).status, 403, path);
});

test('the environment shows the proxy’s own variables only', async () => {
  const { ask } = await start();
  assert.deepEqual(JSON.parse((await ask('GET', '/env.json')).body.toString()), { LINKERD2_PROXY_LOG: 'info' });
  assert.deepEqual(JSON.parse((await ask('GET', '/env.json?SECRET&LINKERD2_PROXY_LOG')).body.toString()), {
    SECRET: null,
    LINKERD2_PROXY_LOG: 'info',
  });
  assert.equal((await ask('GET', '/env.json?A=b')).status, 400);
});

async function raw(port: number, ...pieces: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  const parts: Buffer[] = [];
  socket.on('data', (part: Buffer) => parts.push(part));
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  socket.end();
  await new Promise((resolve) => socket.once('close', resolve));
  return Buffer.concat(parts).toString();
}

test('requests in pieces and requests in a row are answered in order; malformed and oversized ones end the connection', async () => {
  const { admin } = await start();
  const { port } = admin.address;
  assert.match(
    await raw(port, 'GET /li', 've HTTP/1.1\r\nHost', ': x\r\nconnection: close\r\n\r\n'),
    /^HTTP\/1.1 200 OK[^]*live\n$/,
  );
  const two = await raw(
    port,
    'GET /live HTTP/1.1\r\nhost: x\r\n\r\nGET /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
  );
  assert.match(two, /live\n[^]*ready\n$/);
  assert.match(await raw(port, 'BAD\r\n\r\n'), /^HTTP\/1.1 400/);
  assert.match(
    await raw(port, `PUT /proxy-log-level HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n${'a'.repeat(5000)}`),
    /^HTTP\/1.1 413/,
  );
});

test('log filters are read as Linkerd writes them', () => {
  assert.equal(parseLogFilter('warn,linkerd=info,hickory=error,[{headers}]=off'), 'info');
  assert.equal(parseLogFilter('trace'), 'debug');
  assert.equal(parseLogFilter('off'), 'off');
  assert.equal(parseLogFilter('info,linkerd=loud'), undefined);
  assert.equal(parseLogFilter(''), undefined);
});
