/** The gateways that are compared: HAProxy, and ours on each runtime, each with as many workers. */
import { encodeTransportHeader, TRANSPORT_ALPN } from '@mesh/wire';
import { EXPORTED, GATEWAY_MAIN, GATEWAY_NAME, GATEWAY_PORT } from '../../packages/gateway/test/process-harness.ts';
import { BUN_ENVIRONMENT } from '../../packages/proxy/tools/bun-environment.ts';
import { bunBinary } from '@mesh/runtime/testing';
import { pinned, PROXY_CPU, startProgram, untilListening } from '../lib/programs.ts';
import type { Program } from '../lib/programs.ts';
import { lacking } from '../proxy/rivals.ts';
import { haproxyGateway } from './haproxy.ts';
import type { LoadPlan } from './load.ts';
import { descriptorsMax, startOn, withDescriptors } from './site.ts';
import type { GatewayProtocol, GatewaySite } from './site.ts';

export interface GatewayFlow {
  readonly proxy: 'haproxy' | 'mesh';
  readonly runtime: string;
  readonly workers: number;
  readonly missing: () => string | undefined;
  /** Starts it; `stack` ends it. */
  readonly start: (
    stack: AsyncDisposableStack,
    site: GatewaySite,
    protocol: GatewayProtocol,
  ) => Promise<RunningGateway>;
}

/** A gateway that is up, and how clients speak to it. */
export interface RunningGateway {
  readonly program: Program;
  readonly entry: Pick<LoadPlan, 'ip' | 'port' | 'serverName' | 'alpn' | 'preface'>;
}

const WORKERS_READY_MS = 60_000;

/** One worker has a processor of its own, beside load and server; several take turns with these. */
const cpuFor = (workers: number): number | undefined => (workers === 1 ? PROXY_CPU : undefined);

export function gatewayFlows(workers: readonly number[]): readonly GatewayFlow[] {
  const bun = bunBinary();
  return workers.flatMap((count) => [
    haproxy(count),
    mesh('node', [process.execPath], count),
    mesh('bun', bun === undefined ? undefined : [bun], count),
  ]);
}

function haproxy(workers: number): GatewayFlow {
  return {
    proxy: 'haproxy',
    runtime: 'native',
    workers,
    missing: lacking('haproxy'),
    async start(stack, site, protocol) {
      const listen = { host: site.nextIp(), port: GATEWAY_PORT };
      const server = { ...site.serve(protocol), name: site.server.name };
      const config = haproxyGateway(listen, server, site.gateway, protocol, workers, descriptorsMax());
      const program = await startOn(stack, cpuFor(workers), site.file(`${listen.host}.cfg`, config), listen);
      const alpn = protocol === 'http2' ? 'h2' : '';
      return {
        program,
        entry: { ip: listen.host, port: listen.port, serverName: site.gateway.name, alpn, preface: '' },
      };
    },
  };
}

function mesh(runtime: string, command: readonly string[] | undefined, workers: number): GatewayFlow {
  return {
    proxy: 'mesh',
    runtime,
    workers,
    missing: () => (command === undefined ? `no ${runtime} binary for this platform` : undefined),
    async start(stack, site, protocol) {
      site.serve(protocol);
      const ip = site.nextIp();
      const env = {
        ...BUN_ENVIRONMENT,
        ...site.place.env(ip, {
          MESH_GATEWAY_WORKERS: String(workers),
          MESH_GATEWAY_MAX_CONNECTIONS_PER_CLIENT: '0',
        }),
      };
      const cpu = cpuFor(workers);
      const full = withDescriptors([...(command ?? []), GATEWAY_MAIN, ...site.place.args]);
      const program = stack.use(startProgram(cpu === undefined ? full : pinned(cpu, full), env));
      await untilReady(ip, program, workers);
      const preface = encodeTransportHeader({ ...EXPORTED, session: protocol });
      return {
        program,
        entry: {
          ip,
          port: GATEWAY_PORT,
          serverName: GATEWAY_NAME,
          alpn: TRANSPORT_ALPN,
          preface: Buffer.from(preface).toString('base64'),
        },
      };
    },
  };
}

/** The port of the probes is the program's own; behind it all workers must be ready. */
async function untilReady(ip: string, program: Program, workers: number): Promise<void> {
  await untilListening(ip, 9994, program);
  const deadline = performance.now() + WORKERS_READY_MS;
  const ready = workers === 1 ? /$^/ : new RegExp(`^mesh_gateway_workers_ready ${workers}$`, 'm');
  while (performance.now() < deadline) {
    const url = `http://${ip}:9994`;
    if (workers === 1 && (await fetch(`${url}/ready`)).status === 200) return;
    if (workers > 1 && ready.test(await (await fetch(`${url}/metrics`)).text())) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${program.name} is not ready after ${WORKERS_READY_MS} ms: ${program.output()}`);
}
