/** What both gateways of the benchmark have around them: certificates of one authority, a server that asks for mutual TLS, a client. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TlsMaterial } from '@mesh/net';
import { destination, tcpAddress } from '@mesh/proxy-api';
import { createGatewayPlace } from '../../packages/gateway/test/process-harness.ts';
import type { GatewayPlace } from '../../packages/gateway/test/process-harness.ts';
import { Backends } from '../lib/backends.ts';
import { claimLoopback } from '../lib/loopback.ts';
import { findProgram, LOAD_CPU, pinned, startProgram, untilListening } from '../lib/programs.ts';
import type { Program } from '../lib/programs.ts';
import { identityOf } from '../proxy/sidecar.ts';
import { haproxyServer } from './haproxy.ts';

export type GatewayProtocol = 'http1' | 'http2';
export const GATEWAY_PROTOCOLS: readonly GatewayProtocol[] = ['http1', 'http2'];

export interface Identity {
  readonly name: string;
  readonly material: TlsMaterial;
  /** Key and chain in one file, and the anchors, as HAProxy reads them. */
  readonly keyAndChain: string;
  readonly trust: string;
}

export interface GatewaySite {
  readonly place: GatewayPlace;
  readonly client: Identity;
  readonly gateway: Identity;
  readonly server: Identity;
  readonly nextIp: () => string;
  /** Where the server takes mutual TLS, by protocol; discovery knows it as the exported Service's only endpoint. */
  readonly serve: (protocol: GatewayProtocol) => { readonly host: string; readonly port: number };
  readonly file: (name: string, text: string) => string;
}

const SERVER_PORT = 8443;

export async function createGatewaySite(stack: AsyncDisposableStack): Promise<GatewaySite> {
  const place = stack.use(await createGatewayPlace());
  const loopback = stack.use(await claimLoopback());
  const backends = stack.use(new Backends());
  const folder = mkdtempSync(join(tmpdir(), 'mesh-bench-gateway-'));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const identity = async (account: string): Promise<Identity> => {
    const material = await place.certified(account);
    return {
      name: identityOf(account),
      material,
      keyAndChain: file(`${account}.pem`, material.chain + material.key),
      trust: file(`${account}-trust.pem`, material.trust),
    };
  };
  const [client, gateway, server] = await Promise.all([identity('web'), identity('gateway'), identity('catalog')]);
  // TLS of the server costs its own processor, not that of the gateways.
  const backend = await backends.start(stack, 'http1', loopback.next());
  const listen = { host: loopback.next(), port: SERVER_PORT };
  await startOn(stack, LOAD_CPU, file('server.cfg', haproxyServer(listen, backend, server, descriptorsMax())), listen);
  return {
    place,
    client,
    gateway,
    server,
    file,
    nextIp: () => loopback.next(),
    serve(protocol) {
      place.plane.endpoints = [endpointOf(listen, server.name, protocol)];
      return listen;
    },
  };
}

/** HAProxy with a configuration file. @param cpu Undefined: wherever there is room. */
export async function startOn(
  stack: AsyncDisposableStack,
  cpu: number | undefined,
  config: string,
  listen: { readonly host: string; readonly port: number },
): Promise<Program> {
  const command = withDescriptors([findProgram('haproxy') ?? 'haproxy', '-db', '-f', config]);
  const program = stack.use(startProgram(cpu === undefined ? command : pinned(cpu, command)));
  await untilListening(listen.host, listen.port, program);
  return program;
}

const MORE_DESCRIPTORS = 'ulimit -n 65536 2>/dev/null';

/** With as many descriptors as twenty thousand connections need, where that is allowed. */
export function withDescriptors(command: readonly string[]): readonly string[] {
  return ['/bin/sh', '-c', `${MORE_DESCRIPTORS}; exec "$@"`, 'sh', ...command];
}

/** How many descriptors one process may have so. */
export function descriptorsMax(): number {
  return Number(spawnSync('/bin/sh', ['-c', `${MORE_DESCRIPTORS}; ulimit -n`], { encoding: 'utf8' }).stdout.trim());
}

function endpointOf(
  { host, port }: { readonly host: string; readonly port: number },
  name: string,
  protocol: GatewayProtocol,
): destination.WeightedAddr {
  return destination.WeightedAddr.fromPartial({
    addr: tcpAddress(host, port),
    weight: 10_000,
    tlsIdentity: { strategy: { $case: 'dnsLikeIdentity', value: { name } } },
    ...(protocol === 'http2' ? { protocolHint: { protocol: { $case: 'h2', value: {} } } } : {}),
  });
}
