/** Real sidecars in processes of their own, as they run in a pod, with a control plane in this one. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { destination, tcpAddress } from '@mesh/proxy-api';
import { startProgram, untilListening } from '../../bench/lib/programs.ts';
import { proxyEnv, startPlane } from '../../packages/proxy/test/control-plane-fixture.ts';

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
const INBOUND_PORT = 4143;
const OUTBOUND_PORT = 4140;
/** The Service that clients of an outbound proxy seem to have called. */
const SERVICE: Address = { host: '10.0.0.80', port: 80 };
/** A cold start on a busy machine. */
const START_MS = 60_000;

/** Client → sidecar's outbound side → server, plain text. */
export function startOutbound(server: Address): Promise<Target> {
  return startSidecar('127.9.5.1', OUTBOUND_PORT, SERVICE, server);
}

/** Client → sidecar's inbound side → server beside it, plain text. */
export function startInbound(server: Address): Promise<Target> {
  return startSidecar('127.9.6.1', INBOUND_PORT, server, server);
}

async function startSidecar(ip: string, port: number, original: Address, server: Address): Promise<Target> {
  await using stack = new AsyncDisposableStack();
  const plane = await startPlane();
  stack.defer(() => plane.plane.stop());
  plane.endpoints = [
    destination.WeightedAddr.fromPartial({
      addr: tcpAddress(server.host, server.port),
      weight: 10_000,
      metricLabels: { deployment: 'conformance' },
    }),
  ];
  const folder = mkdtempSync(join(tmpdir(), 'mesh-conformance-'));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const token = join(folder, 'token');
  writeFileSync(token, 'token');
  const env = {
    ...proxyEnv(plane, 'web', token),
    LINKERD2_PROXY_INBOUND_LISTEN_ADDR: `${ip}:${INBOUND_PORT}`,
    LINKERD2_PROXY_OUTBOUND_LISTEN_ADDR: `${ip}:${OUTBOUND_PORT}`,
    LINKERD2_PROXY_ADMIN_LISTEN_ADDR: `${ip}:4191`,
    LINKERD2_PROXY_LOG: 'warn',
    MESH_BENCH_REDIRECT: `${port} ${original.host} ${original.port}`,
  };
  const program = stack.use(startProgram([process.execPath, '--import', REDIRECT, MAIN], env));
  await untilListening(ip, port, program, START_MS);
  const owned = stack.move();
  return { entry: { host: ip, port }, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
