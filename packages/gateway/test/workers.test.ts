/** Several workers behind one port, as processes: one gateway to peers, probes and scrapes, whatever becomes of one of them. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { get, request as httpRequest } from 'node:http';
import { get as getSecurely } from 'node:https';
import { connect } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { once } from 'node:events';
import { test } from 'node:test';
import { eventually } from '@mesh/kube/testing';
import type { TlsMaterial } from '@mesh/net';
import { encodeTransportHeader, TRANSPORT_ALPN } from '@mesh/wire';
import { endpoint } from '../../proxy/test/control-plane-fixture.ts';
import { httpApp } from '../../proxy/test/harness.ts';
import {
  ADMIN_PORT,
  createGatewayPlace,
  EXPORTED,
  GATEWAY_MAIN,
  GATEWAY_NAME,
  GATEWAY_PORT,
  PROBE_PORT,
} from './process-harness.ts';

const IP = '127.0.58.1';
const WORKERS = 2;
const DEADLINE_MS = 120_000;

async function setup() {
  const place = await createGatewayPlace();
  const app = await httpApp('127.0.0.1', (_request, response) => response.end('from west'));
  place.plane.endpoints = [endpoint(app.port)];
  const child = spawn(process.execPath, [GATEWAY_MAIN, ...place.args], {
    env: { PATH: process.env['PATH'], ...place.env(IP, { MESH_GATEWAY_WORKERS: String(WORKERS) }) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const material = await place.certified('web');
  return {
    child,
    material,
    exited,
    said: () => said,
    ask: () => ask(material),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
      await app.close();
      await place[Symbol.asyncDispose]();
    },
  };
}

/** One request on a connection of its own, as a peer's sidecar sends it. */
async function ask({ key, chain, trust }: TlsMaterial): Promise<string> {
  const socket = await dial(key, chain, trust);
  socket.write(encodeTransportHeader({ ...EXPORTED, session: 'http1' }));
  return new Promise((resolve, reject) => {
    httpRequest({ createConnection: () => socket, headers: { host: 'app.test' } }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString()));
      response.on('end', () => {
        socket.destroy();
        resolve(body);
      });
    })
      .on('error', reject)
      .end();
  });
}

async function dial(key: string, cert: string, ca: string): Promise<TLSSocket> {
  const tls = { key, cert, ca, servername: GATEWAY_NAME, ALPNProtocols: [TRANSPORT_ALPN] };
  const socket = connect({ host: IP, port: GATEWAY_PORT, ...tls });
  await once(socket, 'secureConnect');
  return socket;
}

function status(port: number, url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get({ host: IP, port, path: url, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).on('error', reject);
  });
}

async function metric(name: string): Promise<number> {
  const page = await (await fetch(`http://${IP}:${ADMIN_PORT}/metrics`)).text();
  const lines = page.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);

test('workers share the traffic, look like one gateway, and one that dies is replaced while the others serve', async () => {
  await using gateway = await setup();
  await eventually(
    'all workers ready',
    async () => (await metric('mesh_gateway_workers_ready')) === WORKERS,
    DEADLINE_MS,
  );
  assert.equal(await status(PROBE_PORT, '/ready'), 200);
  const { key, chain: cert, trust: ca } = gateway.material;
  const overTls = await new Promise<number | undefined>((resolve, reject) => {
    const options = {
      host: IP,
      port: PROBE_PORT,
      path: '/ready',
      agent: false,
      key,
      cert,
      ca,
      servername: GATEWAY_NAME,
    };
    getSecurely(options, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on('error', reject);
  });
  assert.equal(overTls, 200);
  for (let at = 0; at < 20; at += 1) assert.equal(await gateway.ask(), 'from west');
  const requests = await metric('request_total');
  // As they come, and as they leave.
  assert.equal(requests, 40, gateway.said());

  const [first = 0, second] = childrenOf(gateway.child.pid ?? 0);
  assert.ok(second !== undefined);
  process.kill(first, 'SIGKILL');
  await eventually('one is left', async () => (await metric('mesh_gateway_workers_ready')) === WORKERS - 1);
  assert.equal(await gateway.ask(), 'from west');
  assert.equal(await status(PROBE_PORT, '/ready'), 200);
  assert.ok((await metric('request_total')) >= requests + 2, 'no counter goes back');
  await eventually('replaced', async () => (await metric('mesh_gateway_workers_ready')) === WORKERS, DEADLINE_MS);
  assert.equal(await metric('mesh_gateway_worker_restarts_total'), 1);
  for (let at = 0; at < 5; at += 1) assert.equal(await gateway.ask(), 'from west');

  const held = await dial(key, cert, ca);
  held.on('error', () => undefined);
  held.write(encodeTransportHeader({ ...EXPORTED, session: 'http1' }));
  gateway.child.kill('SIGTERM');
  await eventually('probes fail', async () => (await status(PROBE_PORT, '/ready').catch(() => 503)) === 503);
  assert.equal(await gateway.exited, 0, gateway.said());
});

test('workers end with their supervisor, also when that is killed', async () => {
  await using gateway = await setup();
  await eventually(
    'all workers ready',
    async () => (await metric('mesh_gateway_workers_ready')) === WORKERS,
    DEADLINE_MS,
  );
  const workers = childrenOf(gateway.child.pid ?? 0);
  assert.equal(workers.length, WORKERS);
  gateway.child.kill('SIGKILL');
  await gateway.exited;
  const isThere = (pid: number): boolean => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  };
  await eventually('gone', () => !workers.some(isThere));
});
