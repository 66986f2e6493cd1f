/** The rivals' flows and those without a proxy. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchCertificates } from '../lib/certificates.ts';
import { envoy } from '../lib/envoy.ts';
import { findProgram, PROXY_CPU, pinned, startProgram, untilListening, type Program } from '../lib/programs.ts';
import { PROTOCOLS } from '../lib/protocols.ts';
import type { Protocol } from '../lib/protocols.ts';
import { envoyConfig } from './envoy-config.ts';
import type { EnvoyConfig } from './envoy-config.ts';
import { running } from './flow.ts';
import type { FlowSpec, Running, Site } from './flow.ts';
import { plainHop, tlsClient, tlsServer } from './haproxy-config.ts';
import type { Address, Mode } from './haproxy-config.ts';
import { nginxPlainHop, nginxTlsClient, nginxTlsServer } from './nginx-config.ts';

const ENTRY_PORT = 8000;
const BETWEEN_PORT = 8443;

/** Starts the program that has its whole configuration in one file. */
type Starter = (config: (folder: string) => string, listen: Address) => Promise<Program>;

/** Flows of one rival: `hop`, `mtls-pair` and, where it can pass bytes, `tcp-pair`. */
interface Rival {
  readonly name: string;
  readonly missing: () => string | undefined;
  readonly note?: (protocol: Protocol) => string | undefined;
  readonly hop: (site: Site, protocol: Protocol) => Promise<Running>;
  readonly pair: (site: Site, protocol: Protocol) => Promise<Running>;
  readonly tcpPair?: (site: Site) => Promise<Running>;
}

export const lacking = (name: string) => () =>
  findProgram(name) === undefined ? `${name} is not installed (Debian package ${name})` : undefined;

function starter(command: (file: string, folder: string) => readonly string[]): Starter {
  return async (config, listen) => {
    const folder = mkdtempSync(join(tmpdir(), 'mesh-bench-rival-'));
    // Envoy goes by the ending, the others by the text.
    const file = join(folder, 'proxy.json');
    writeFileSync(file, config(folder));
    const program = startProgram(pinned(PROXY_CPU, command(file, folder)));
    program.child.once('exit', () => rmSync(folder, { recursive: true, force: true }));
    try {
      await untilListening(listen.host, listen.port, program);
    } catch (error) {
      await program[Symbol.asyncDispose]();
      throw error;
    }
    return program;
  };
}

const startHaproxyFile = starter((file) => [findProgram('haproxy') ?? 'haproxy', '-db', '-f', file]);
const startNginx = starter((file, folder) => [findProgram('nginx') ?? 'nginx', '-c', file, '-p', folder]);
const startEnvoyFile = starter((file) => {
  const found = envoy();
  const program = 'program' in found ? found.program : 'envoy';
  // The shared memory of hot restarts would be in the way of several at a time.
  const alone = ['--concurrency', '1', '--log-level', 'error', '--disable-hot-restart'];
  return [program, '--config-path', file, ...alone];
});

export function startHaproxy(config: string, listen: Address): Promise<Program> {
  return startHaproxyFile(() => config, listen);
}

const hopAt = (site: Site): Address => ({ host: site.nextIp(), port: ENTRY_PORT });

/** Entry of the pair, and the TLS listener between its two. */
function pairAt(site: Site): { readonly entry: Address; readonly between: Address } {
  return { entry: hopAt(site), between: { host: site.nextIp(), port: BETWEEN_PORT } };
}

export async function startHaproxyPair(certificates: BenchCertificates, site: Site, mode: Mode): Promise<Running> {
  const { client, server, serverName } = certificates;
  const { entry, between } = pairAt(site);
  const back = await startHaproxy(tlsServer(between, site.backend, server, mode), between);
  const front = await startHaproxy(tlsClient(entry, between, client, serverName, mode), entry);
  return running(entry, [front, back]);
}

function haproxy(certificates: BenchCertificates): Rival {
  const mode = (protocol: Protocol): Mode => (protocol === 'http1' ? 'http' : 'http2');
  return {
    name: 'haproxy',
    missing: lacking('haproxy'),
    async hop(site, protocol) {
      const entry = hopAt(site);
      return running(entry, [await startHaproxy(plainHop(entry, site.backend, mode(protocol)), entry)]);
    },
    pair: (site, protocol) => startHaproxyPair(certificates, site, mode(protocol)),
    tcpPair: (site) => startHaproxyPair(certificates, site, 'tcp'),
  };
}

function nginx({ client, server, serverName }: BenchCertificates): Rival {
  return {
    name: 'nginx',
    missing: lacking('nginx'),
    note: (protocol) => (protocol === 'http2' ? 'HTTP/2 from the client only, HTTP/1.1 behind' : undefined),
    async hop(site, protocol) {
      const entry = hopAt(site);
      const backend = protocol === 'grpc' ? site.backend : site.http1Backend;
      const program = await startNginx((folder) => nginxPlainHop(folder, entry, backend, protocol), entry);
      return running(entry, [program]);
    },
    async pair(site, protocol) {
      const { entry, between } = pairAt(site);
      const backend = protocol === 'grpc' ? site.backend : site.http1Backend;
      const back = await startNginx((folder) => nginxTlsServer(folder, between, backend, server, protocol), between);
      const front = await startNginx(
        (folder) => nginxTlsClient(folder, entry, between, client, serverName, protocol),
        entry,
      );
      return running(entry, [front, back]);
    },
  };
}

function envoyRival({ client, server, serverName }: BenchCertificates): Rival {
  const start = (config: EnvoyConfig): Promise<Program> => startEnvoyFile(() => envoyConfig(config), config.listen);
  const pair = async (site: Site, mode: EnvoyConfig['mode']): Promise<Running> => {
    const { entry, between } = pairAt(site);
    const back = await start({ listen: between, upstream: site.backend, mode, accept: server });
    const front = await start({ listen: entry, upstream: between, mode, connect: { ...client, serverName } });
    return running(entry, [front, back]);
  };
  const mode = (protocol: Protocol): EnvoyConfig['mode'] => (protocol === 'http1' ? 'http1' : 'http2');
  return {
    name: 'envoy',
    missing() {
      const found = envoy();
      return 'missing' in found ? found.missing : undefined;
    },
    async hop(site, protocol) {
      const listen = hopAt(site);
      return running(listen, [await start({ listen, upstream: site.backend, mode: mode(protocol) })]);
    },
    pair: (site, protocol) => pair(site, mode(protocol)),
    tcpPair: (site) => pair(site, 'tcp'),
  };
}

export function rivalFlows(certificates: BenchCertificates): FlowSpec[] {
  const rivals = [haproxy(certificates), nginx(certificates), envoyRival(certificates)];
  return [...PROTOCOLS.map(withoutProxy), ...rivals.flatMap(flowsOf)];
}

function withoutProxy(protocol: Protocol): FlowSpec {
  const start = async ({ backend }: Site): Promise<Running> => running(backend, []);
  return { scenario: 'none', protocol, proxy: 'none', runtime: '-', missing: () => undefined, start };
}

function flowsOf({ name, missing, note, hop, pair, tcpPair }: Rival): FlowSpec[] {
  const common = { proxy: name, runtime: 'native', missing };
  const http = PROTOCOLS.flatMap((protocol): FlowSpec[] => {
    const text = note?.(protocol);
    const noted = { ...common, protocol, ...(text === undefined ? {} : { note: text }) };
    return [
      { ...noted, scenario: 'hop', start: (site) => hop(site, protocol) },
      { ...noted, scenario: 'mtls-pair', start: (site) => pair(site, protocol) },
    ];
  });
  return tcpPair === undefined
    ? http
    : [...http, { ...common, scenario: 'tcp-pair', protocol: 'http1', start: (site) => tcpPair(site) }];
}
