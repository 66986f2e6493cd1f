/**
 * A sidecar process behind real iptables rules, in a network namespace of its own; prints JSON lines `{ name, error? }`. As root:
 *
 *      unshare --net --pid --fork --kill-child -- node intercepted-main.ts RUNTIME [MAIN]
 *
 * The application's connections to 10.21.0.0/16 and fd21::/64 have a route (into a cable that ends in the void) but nobody there:
 * only the sidecar answers for them.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { until } from '@mesh/control-client/testing';
import { endpoint, proxyEnv, startPlane } from './control-plane-fixture.ts';

const [, , runtime = process.execPath, main = join(import.meta.dirname, '..', 'src', 'main.ts')] = process.argv;
const ADMIN = 4191;
/** Far more than it takes: the machine may be busy. */
const START_MS = 45_000;
/** The sidecar is root here, so that it can read its sources wherever they are; rules know it by its group. */
const PROXY_GID = 2102;

function sh(line: string): void {
  const [command = '', ...args] = line.split(' ');
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

function openNetwork(): void {
  sh('ip link set lo up');
  sh('ip link add name cable0 type veth peer name cable1');
  for (const end of ['cable0', 'cable1']) sh(`ip link set ${end} up`);
  sh('ip address add 10.9.0.2/24 dev cable0');
  sh('ip address add fd09::2/64 dev cable0 nodad');
  sh('ip route add 10.21.0.0/16 dev cable0');
  sh('ip -6 route add fd21::/64 dev cable0');
  for (const program of ['iptables', 'ip6tables']) {
    sh(`${program} -t nat -A OUTPUT -m owner --gid-owner ${PROXY_GID} -j RETURN`);
    sh(`${program} -t nat -A OUTPUT -o lo -j RETURN`);
    sh(`${program} -t nat -A OUTPUT -p tcp -j REDIRECT --to-ports 4140`);
  }
}

/** Status and body, or the code of the error. */
function ask(host: string, port: number, path = '/'): Promise<string> {
  return new Promise((resolve) => {
    const question = httpRequest({ host, port, path, agent: false }, (answer) => {
      let body = '';
      answer.setEncoding('utf8').on('data', (part: string) => (body += part));
      answer.on('end', () => resolve(`${answer.statusCode} ${body}`));
    });
    question.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
    question.end();
  });
}

async function check(name: string, body: () => Promise<void>): Promise<void> {
  const error = await body().then(
    () => undefined,
    (reason: unknown) => String(reason),
  );
  process.stdout.write(`${JSON.stringify({ name, ...(error === undefined ? {} : { error }) })}\n`);
}

function startSidecar(env: Readonly<Record<string, string>>): void {
  spawn(runtime, [main], { env: { ...env }, gid: PROXY_GID, stdio: ['ignore', 'ignore', 'inherit'] });
}

openNetwork();
const folder = mkdtempSync(join(tmpdir(), 'mesh-proxy-'));
writeFileSync(join(folder, 'token'), 'token');
const control = await startPlane();
const asked: string[] = [];
const { watchOutbound } = control.plane;
control.plane.watchOutbound = (stream) => {
  asked.push(inspect(stream.request.target, { depth: 5 }));
  watchOutbound(stream);
};
const application = createServer((_request, response) => response.end('from the application'));
await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve));
control.endpoints = [endpoint((application.address() as AddressInfo).port)];
startSidecar({
  ...proxyEnv(control, 'web', join(folder, 'token')),
  LINKERD2_PROXY_INBOUND_LISTEN_ADDR: '[::]:4143',
  LINKERD2_PROXY_OUTBOUND_LISTEN_ADDRS: '127.0.0.1:4140,[::1]:4140',
  LINKERD2_PROXY_ADMIN_LISTEN_ADDR: `127.0.0.1:${ADMIN}`,
  LINKERD2_PROXY_LOG: 'warn',
});
let ready = '';
await until(
  'the sidecar to be ready',
  () => {
    void ask('127.0.0.1', ADMIN, '/ready').then((answer) => (ready = answer));
    return ready.startsWith('200');
  },
  START_MS,
);

await check('an IPv4 connection of the application reaches the sidecar, which knows where it was going', async () => {
  assert.equal(await ask('10.21.3.4', 8080), '200 from the application');
  assert.match(await ask('127.0.0.1', ADMIN, '/metrics'), /tcp_open_total\{[^}]*target_addr="10\.21\.3\.4:8080"/);
});
await check('an IPv6 connection, too', async () => {
  assert.equal(await ask('fd21::3:4', 81), '200 from the application');
  assert.match(await ask('127.0.0.1', ADMIN, '/metrics'), /tcp_open_total\{[^}]*target_addr="\[fd21::3:4\]:81"/);
});
await check('the control plane is asked about the addresses that were dialled, and no others', async () => {
  await until('both questions', () => asked.length >= 2);
  assert.equal(asked.length, 2, asked.join('\n'));
});
await check('who dials the outbound port itself is refused as a loop', async () => {
  assert.equal(await ask('127.0.0.1', 4140), 'ECONNRESET');
  assert.equal(await ask('::1', 4140), 'ECONNRESET');
  const metrics = await ask('127.0.0.1', ADMIN, '/metrics');
  assert.match(metrics, /outbound_tcp_errors_total\{[^}]*error="loop"[^}]*\} 1\n/);
});

rmSync(folder, { recursive: true });
process.exit(0);
