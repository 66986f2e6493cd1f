/** The rivals' rows and the row without a proxy. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram, PROXY_CPU, pinned, startProgram, untilListening, type Program } from '../lib/programs.ts';
import type { BenchCertificates } from '../lib/certificates.ts';
import { plainHop, tlsClient, tlsServer } from './haproxy-config.ts';
import type { Address, Mode } from './haproxy-config.ts';
import { nginxPlainHop, nginxTlsClient, nginxTlsServer } from './nginx-config.ts';
import type { Running, RowSpec } from './row.ts';

/** Loopback addresses of the rows; each row has its own so that all can be up at the same time. */
const at = (last: number, port: number): Address => ({ host: `127.9.0.${last}`, port });

export const lacking = (name: string) => () =>
  findProgram(name) === undefined ? `${name} is not installed (Debian package ${name})` : undefined;

export async function startHaproxy(config: string, listen: Address): Promise<Program> {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-bench-haproxy-'));
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, config);
  const program = startProgram(pinned(PROXY_CPU, [findProgram('haproxy') ?? 'haproxy', '-db', '-f', file]));
  return ready(program, listen, folder);
}

async function startNginx(makeConfig: (folder: string) => string, listen: Address): Promise<Program> {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-bench-nginx-'));
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, makeConfig(folder));
  const program = startProgram(pinned(PROXY_CPU, [findProgram('nginx') ?? 'nginx', '-c', file, '-p', folder]));
  return ready(program, listen, folder);
}

async function ready(program: Program, listen: Address, folder: string): Promise<Program> {
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
  program.child.once('exit', removeFolder);
  try {
    await untilListening(listen.host, listen.port, program);
  } catch (error) {
    await program[Symbol.asyncDispose]();
    throw error;
  }
  return program;
}

function running(entry: Address, programs: readonly Program[]): Running {
  return {
    entry,
    pids: programs.map((program) => program.pid),
    async [Symbol.asyncDispose]() {
      for (const program of programs) await program[Symbol.asyncDispose]();
    },
  };
}

export function haproxyPair(certificates: BenchCertificates, mode: Mode, last: number): Omit<RowSpec, 'scenario'> {
  const { client, server, serverName } = certificates;
  const [entry, between] = [at(last, 8000 + last), at(last, 8443)];
  return {
    proxy: 'haproxy',
    runtime: 'native',
    missing: lacking('haproxy'),
    start: async (backend) => {
      const back = await startHaproxy(tlsServer(between, backend, server, mode), between);
      const front = await startHaproxy(tlsClient(entry, between, client, serverName, mode), entry);
      return running(entry, [front, back]);
    },
  };
}

export function rivalRows(certificates: BenchCertificates): RowSpec[] {
  const native = { runtime: 'native' };
  const { client, server, serverName } = certificates;
  return [
    {
      scenario: 'none',
      proxy: 'none',
      runtime: '-',
      missing: () => undefined,
      start: async (backend) => running(backend, []),
    },
    {
      ...native,
      scenario: 'hop',
      proxy: 'haproxy',
      missing: lacking('haproxy'),
      start: async (backend) => running(at(1, 8001), [await startHaproxy(plainHop(at(1, 8001), backend), at(1, 8001))]),
    },
    {
      ...native,
      scenario: 'hop',
      proxy: 'nginx',
      missing: lacking('nginx'),
      start: async (backend) =>
        running(at(2, 8002), [await startNginx((folder) => nginxPlainHop(folder, at(2, 8002), backend), at(2, 8002))]),
    },
    { ...haproxyPair(certificates, 'http', 3), scenario: 'mtls-pair' },
    { ...haproxyPair(certificates, 'tcp', 5), scenario: 'tcp-pair' },
    {
      ...native,
      scenario: 'mtls-pair',
      proxy: 'nginx',
      missing: lacking('nginx'),
      start: async (backend) => {
        const back = await startNginx((folder) => nginxTlsServer(folder, at(4, 8443), backend, server), at(4, 8443));
        const front = await startNginx(
          (folder) => nginxTlsClient(folder, at(4, 8004), at(4, 8443), client, serverName),
          at(4, 8004),
        );
        return running(at(4, 8004), [front, back]);
      },
    },
  ];
}
