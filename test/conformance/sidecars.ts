/** Real sidecars in processes of their own, as they run in a pod, with a control plane in this one. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { destination, tcpAddress } from '@mesh/proxy-api';
import { bunBinary } from '@mesh/runtime/testing';
import { startProgram, untilListening } from '../../bench/lib/programs.ts';
import { bundleProxy } from '../../packages/proxy/tools/bundle.ts';
import { proxyEnv, startPlane, TRUST_DOMAIN } from '../../packages/proxy/test/control-plane-fixture.ts';
import type { Plane } from '../../packages/proxy/test/control-plane-fixture.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Target extends AsyncDisposable {
  /** Where a client connects. */
  readonly entry: Address;
}

const MAIN = fileURLToPath(new URL('../../packages/proxy/src/main.ts', import.meta.url));
const REDIRECT = fileURLToPath(new URL('../../bench/proxy/redirect.ts', import.meta.url));
const REDIRECTED = {
  entry: fileURLToPath(new URL('../../bench/proxy/redirected-sidecar.ts', import.meta.url)),
  name: 'conformance-proxy.js',
};
/** Loopback addresses of this run alone, so that several can run side by side. */
export function ownIp(last: number): string {
  return `127.${128 + ((process.pid >> 8) % 100)}.${process.pid & 255}.${last}`;
}

const INBOUND_PORT = 4143;
const OUTBOUND_PORT = 4140;
/** The Service that clients of an outbound proxy seem to have called. */
const SERVICE: Address = { host: '10.0.0.80', port: 80 };
/** A cold start on a busy machine. */
const START_MS = 60_000;

/** Client → sidecar's outbound side → server, plain text. */
export async function startOutbound(server: Address): Promise<Target> {
  await using stack = new AsyncDisposableStack();
  const plane = await startControlPlane(stack);
  plane.endpoints = [endpoint(server)];
  const sidecar = { ip: ownIp(1), account: 'web', redirect: { port: OUTBOUND_PORT, to: SERVICE } };
  await startSidecar(stack, plane, sidecar);
  return target({ host: sidecar.ip, port: OUTBOUND_PORT }, stack.move());
}

/** Client → sidecar's inbound side → server beside it, plain text. */
export async function startInbound(server: Address): Promise<Target> {
  await using stack = new AsyncDisposableStack();
  const plane = await startControlPlane(stack);
  const sidecar = { ip: ownIp(2), account: 'catalog', redirect: { port: INBOUND_PORT, to: server } };
  await startSidecar(stack, plane, sidecar);
  return target({ host: sidecar.ip, port: INBOUND_PORT }, stack.move());
}

/** Both sides of a sidecar, by name. */
export const SIDES = [
  ['outbound', startOutbound],
  ['inbound', startInbound],
] as const;

/**
 * Client → sidecar → mutual TLS → sidecar → server, which listens on this port on all addresses. `undefined` where there is no such
 * runtime.
 */
export async function startPair(serverPort: number, runtime: 'node' | 'bun'): Promise<Target | undefined> {
  const bun = bunBinary();
  if (runtime === 'bun' && bun === undefined) return undefined;
  const command = bun === undefined || runtime === 'node' ? undefined : [bun, bundleProxy(REDIRECTED)];
  const [front, back] = runtime === 'node' ? [ownIp(3), ownIp(4)] : [ownIp(5), ownIp(6)];
  await using stack = new AsyncDisposableStack();
  const plane = await startControlPlane(stack);
  // The program's address is the server-side sidecar's own, as in a pod.
  plane.endpoints = [endpoint({ host: back, port: serverPort }, `catalog.shop.${TRUST_DOMAIN}`)];
  await startSidecar(stack, plane, { ip: back, account: 'catalog', redirect: { port: 1, to: SERVICE }, command });
  await startSidecar(stack, plane, {
    ip: front,
    account: 'web',
    redirect: { port: OUTBOUND_PORT, to: SERVICE },
    command,
  });
  return target({ host: front, port: OUTBOUND_PORT }, stack.move());
}

function target(entry: Address, stack: AsyncDisposableStack): Target {
  return { entry, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function startControlPlane(stack: AsyncDisposableStack): Promise<Plane> {
  const plane = await startPlane();
  stack.defer(() => plane.plane.stop());
  return plane;
}

interface Sidecar {
  readonly ip: string;
  readonly account: string;
  /** Connections accepted on this port look as if they had been redirected from there. */
  readonly redirect: { readonly port: number; readonly to: Address };
  readonly command?: readonly string[] | undefined;
}

async function startSidecar(stack: AsyncDisposableStack, plane: Plane, sidecar: Sidecar): Promise<void> {
  const { ip, redirect } = sidecar;
  const folder = mkdtempSync(join(tmpdir(), 'mesh-conformance-'));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const token = join(folder, 'token');
  writeFileSync(token, 'token');
  const env = {
    ...proxyEnv(plane, sidecar.account, token),
    LINKERD2_PROXY_INBOUND_LISTEN_ADDR: `${ip}:${INBOUND_PORT}`,
    LINKERD2_PROXY_OUTBOUND_LISTEN_ADDR: `${ip}:${OUTBOUND_PORT}`,
    LINKERD2_PROXY_ADMIN_LISTEN_ADDR: `${ip}:4191`,
    LINKERD2_PROXY_LOG: process.env['MESH_CONFORMANCE_LOG'] ?? 'warn',
    MESH_BENCH_REDIRECT: `${redirect.port} ${redirect.to.host} ${redirect.to.port}`,
  };
  const command = sidecar.command ?? [process.execPath, '--import', REDIRECT, MAIN];
  const program = stack.use(startProgram(command, env));
  // MESH_CONFORMANCE_LOG=debug shows what the sidecar said.
  if (process.env['MESH_CONFORMANCE_LOG'] !== undefined)
    for (const stream of [program.child.stdout, program.child.stderr]) stream?.pipe(process.stderr, { end: false });
  await untilListening(ip, OUTBOUND_PORT, program, START_MS);
}

function endpoint(to: Address, identity?: string): destination.WeightedAddr {
  return destination.WeightedAddr.fromPartial({
    addr: tcpAddress(to.host, to.port),
    weight: 10_000,
    metricLabels: { deployment: 'conformance' },
    ...(identity === undefined
      ? {}
      : {
          tlsIdentity: { strategy: { $case: 'dnsLikeIdentity' as const, value: { name: identity } } },
          protocolHint: { opaqueTransport: { inboundPort: INBOUND_PORT } },
        }),
  });
}
