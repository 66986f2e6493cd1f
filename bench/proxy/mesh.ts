/** Our own rows: the real sidecar, with discovery, policy, metrics and balancing on, on Bun and on Node. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { destination, tcpAddress } from '@mesh/proxy-api';
import { bunBinary } from '@mesh/runtime/testing';
import { bundleProxy } from '../../packages/proxy/tools/bundle.ts';
import { proxyEnv, startPlane, TRUST_DOMAIN } from '../../packages/proxy/test/control-plane-fixture.ts';
import type { Plane } from '../../packages/proxy/test/control-plane-fixture.ts';
import type { BenchCertificates } from '../lib/certificates.ts';
import { pinned, PROXY_CPU, startProgram, untilListening } from '../lib/programs.ts';
import type { Program } from '../lib/programs.ts';
import type { Address } from './haproxy-config.ts';
import type { Running, RowSpec } from './row.ts';

const MAIN = fileURLToPath(new URL('../../packages/proxy/src/main.ts', import.meta.url));
const REDIRECT = fileURLToPath(new URL('redirect.ts', import.meta.url));
/** One bundle, as the image has: a preloaded module would cost memory of its own. */
const REDIRECTED = { entry: fileURLToPath(new URL('redirected-sidecar.ts', import.meta.url)), name: 'bench-proxy.js' };
const INBOUND_PORT = 4143;
const OUTBOUND_PORT = 4140;
const SERVICE = { host: '10.0.0.80', port: 80 };

interface Runtime {
  readonly name: 'bun' | 'node';
  /** The command before the program's file, or undefined where the runtime is missing. */
  readonly command: readonly string[] | undefined;
  /** The program: as its image ships it. */
  readonly main: () => string;
}

/** The certificates of the rivals are not used: our sidecars get theirs as they always do, from an identity service. */
export function meshRows(_certificates: BenchCertificates): RowSpec[] {
  const runtimes: readonly Runtime[] = [
    { name: 'bun', command: bunCommand(), main: once(() => bundleProxy(REDIRECTED)) },
    { name: 'node', command: [process.execPath, '--import', REDIRECT], main: () => MAIN },
  ];
  return runtimes.flatMap((runtime, index) => [
    row('hop', runtime, (backend) => startHop(runtime, `127.9.1.${index + 1}`, backend)),
    row('mtls-pair', runtime, (backend) => startPair(runtime, `127.9.2.${index + 1}`, `127.9.3.${index + 1}`, backend)),
    row('tcp-pair', runtime, (backend) =>
      startPair(runtime, `127.9.4.${index + 1}`, `127.9.5.${index + 1}`, backend, { opaque: true }),
    ),
  ]);
}

function row(scenario: string, runtime: Runtime, start: RowSpec['start']): RowSpec {
  return {
    scenario,
    proxy: 'mesh',
    runtime: runtime.name,
    missing: () => (runtime.command === undefined ? `no ${runtime.name} binary for this platform` : undefined),
    start,
  };
}

async function startHop(runtime: Runtime, ip: string, backend: Address): Promise<Running> {
  await using stack = new AsyncDisposableStack();
  const plane = await startControlPlane(stack);
  plane.endpoints = [endpoint(backend)];
  const sidecar = await startSidecar(stack, runtime, plane, 'web', ip);
  return running({ host: ip, port: OUTBOUND_PORT }, [sidecar], stack.move());
}

async function startPair(
  runtime: Runtime,
  clientIp: string,
  serverIp: string,
  backend: Address,
  { opaque = false }: { readonly opaque?: boolean } = {},
): Promise<Running> {
  await using stack = new AsyncDisposableStack();
  const plane = await startControlPlane(stack);
  if (opaque) {
    const profile = destination.DestinationProfile.fromPartial({ opaqueProtocol: true });
    plane.plane.getProfile = (stream) => stream.send(profile);
  }
  // The program's address is the server-side sidecar's own, as in a pod; the backend of all rows is elsewhere, so the
  // sidecar is told that it lives there too.
  const meshed = { identity: `catalog.shop.${TRUST_DOMAIN}`, sidecar: serverIp };
  plane.endpoints = [endpoint({ host: serverIp, port: backend.port }, meshed)];
  const program = fileURLToPath(new URL('../lib/backend.ts', import.meta.url));
  const own = stack.use(startProgram(pinned(1, [process.execPath, program, serverIp, String(backend.port)])));
  await untilListening(serverIp, backend.port, own);
  const back = await startSidecar(stack, runtime, plane, 'catalog', serverIp);
  const front = await startSidecar(stack, runtime, plane, 'web', clientIp);
  return running({ host: clientIp, port: OUTBOUND_PORT }, [front, back], stack.move());
}

function running(entry: Address, programs: readonly Program[], stack: AsyncDisposableStack): Running {
  return {
    entry,
    pids: programs.map((program) => program.pid),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function startControlPlane(stack: AsyncDisposableStack): Promise<Plane> {
  const plane = await startPlane();
  stack.defer(() => plane.plane.stop());
  return plane;
}

async function startSidecar(
  stack: AsyncDisposableStack,
  runtime: Runtime,
  plane: Plane,
  account: string,
  ip: string,
): Promise<Program> {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-bench-sidecar-'));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const token = join(folder, 'token');
  writeFileSync(token, 'token');
  const env = {
    ...proxyEnv(plane, account, token),
    LINKERD2_PROXY_INBOUND_LISTEN_ADDR: `${ip}:${INBOUND_PORT}`,
    LINKERD2_PROXY_OUTBOUND_LISTEN_ADDR: `${ip}:${OUTBOUND_PORT}`,
    LINKERD2_PROXY_ADMIN_LISTEN_ADDR: `${ip}:4191`,
    LINKERD2_PROXY_LOG: 'warn',
    MESH_BENCH_REDIRECT: `${OUTBOUND_PORT} ${SERVICE.host} ${SERVICE.port}`,
  };
  const program = stack.use(startProgram(pinned(PROXY_CPU, [...(runtime.command ?? []), runtime.main()]), env));
  await untilListening(ip, OUTBOUND_PORT, program);
  return program;
}

function endpoint(
  to: Address,
  meshed?: { readonly identity: string; readonly sidecar: string },
): destination.WeightedAddr {
  return destination.WeightedAddr.fromPartial({
    addr: tcpAddress(to.host, to.port),
    weight: 10_000,
    metricLabels: { deployment: 'catalog' },
    ...(meshed === undefined
      ? {}
      : {
          tlsIdentity: { strategy: { $case: 'dnsLikeIdentity' as const, value: { name: meshed.identity } } },
          protocolHint: { opaqueTransport: { inboundPort: INBOUND_PORT } },
        }),
  });
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

function bunCommand(): readonly string[] | undefined {
  const binary = bunBinary();
  return binary === undefined ? undefined : [binary];
}
