/** Sidecars for the benchmarks: the real program with discovery, policy, metrics and balancing on, against a control plane in our process. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { destination, tcpAddress } from '@mesh/proxy-api';
import { bunBinary } from '@mesh/runtime/testing';
import { BUN_ENVIRONMENT } from '../../packages/proxy/tools/bun-environment.ts';
import { bundleProxy } from '../../packages/proxy/tools/bundle.ts';
import { proxyEnv, startPlane, TRUST_DOMAIN } from '../../packages/proxy/test/control-plane-fixture.ts';
import type { Plane } from '../../packages/proxy/test/control-plane-fixture.ts';
import { pinned, PROXY_CPU, startProgram, untilListening } from '../lib/programs.ts';
import type { Program } from '../lib/programs.ts';
import type { Address } from './haproxy-config.ts';

const MAIN = fileURLToPath(new URL('../../packages/proxy/src/main.ts', import.meta.url));
const REDIRECT = fileURLToPath(new URL('redirect.ts', import.meta.url));
/** One bundle, as the image has: a preloaded module would cost memory of its own. */
const REDIRECTED = { entry: fileURLToPath(new URL('redirected-sidecar.ts', import.meta.url)), name: 'bench-proxy.js' };
export const INBOUND_PORT = 4143;
export const OUTBOUND_PORT = 4140;
const SERVICE = { host: '10.0.0.80', port: 80 };

export interface Runtime {
  readonly name: 'bun' | 'node';
  /** The command before the program's file, or undefined where the runtime is missing. */
  readonly command: readonly string[] | undefined;
  /** The program: as its image ships it. */
  readonly main: () => string;
}

export const RUNTIMES: readonly Runtime[] = [
  { name: 'bun', command: bunCommand(), main: once(() => bundleProxy(REDIRECTED)) },
  { name: 'node', command: [process.execPath, '--import', REDIRECT], main: () => MAIN },
];

export function missingRuntime(runtime: Runtime): string | undefined {
  return runtime.command === undefined ? `no ${runtime.name} binary for this platform` : undefined;
}

/** The identity that sidecars of an account get. */
export const identityOf = (account: string): string => `${account}.shop.${TRUST_DOMAIN}`;

/** @param opaque Every outbound connection passes as bytes. */
export async function startControlPlane(stack: AsyncDisposableStack, opaque = false): Promise<Plane> {
  const plane = await startPlane();
  stack.defer(() => plane.plane.stop());
  if (opaque) {
    const profile = destination.DestinationProfile.fromPartial({ opaqueProtocol: true });
    plane.plane.getProfile = (stream) => stream.send(profile);
  }
  return plane;
}

export async function startSidecar(
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
    ...BUN_ENVIRONMENT,
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

export function endpoint(
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
