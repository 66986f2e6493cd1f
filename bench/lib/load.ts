/** Closed-loop load: a fixed number of connections, each sends its next request when an answer is complete. wrk for HTTP/1.1, h2load for HTTP/2 and gRPC. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseH2load, parseWrk, WRK_REPORT_SCRIPT } from './load-report.ts';
import type { LoadResult } from './load-report.ts';
import { findProgram, LOAD_CPU, pinned } from './programs.ts';
import { answerBytes, GRPC_REQUEST, requestPath } from './protocols.ts';
import type { Body, Protocol } from './protocols.ts';

export interface Load {
  readonly host: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly body: Body;
  readonly connections: number;
  readonly durationS: number;
}

/** Requests at a time on a connection of HTTP/2. Large bodies take turns, as they do with HTTP/1.1. */
export const STREAMS: Readonly<Record<Body, number>> = { small: 10, '1m': 1 };

/** Why no load of that protocol can be made here, or undefined. */
export function loadMissing(protocol: Protocol): string | undefined {
  const [program, debian] = protocol === 'http1' ? ['wrk', 'wrk'] : ['h2load', 'nghttp2-client'];
  return findProgram(program) === undefined ? `${program} is not installed (Debian package ${debian})` : undefined;
}

export async function runLoad(load: Load): Promise<LoadResult> {
  const missing = loadMissing(load.protocol);
  if (missing !== undefined) throw new Error(missing);
  const folder = mkdtempSync(join(tmpdir(), 'mesh-bench-'));
  try {
    return await (load.protocol === 'http1' ? runWrk(load, folder) : runH2load(load, folder));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const urlOf = ({ host, port, protocol, body }: Load): string => `http://${host}:${port}${requestPath(protocol, body)}`;

async function runWrk(load: Load, folder: string): Promise<LoadResult> {
  const script = join(folder, 'report.lua');
  writeFileSync(script, WRK_REPORT_SCRIPT);
  const size = ['-t1', `-c${load.connections}`, `-d${load.durationS}s`];
  // Its default of 2 s is less than 32 large bodies take on a machine with other work.
  return parseWrk(await capture(['wrk', ...size, '--timeout', '30s', '-s', script, urlOf(load)]));
}

async function runH2load(load: Load, folder: string): Promise<LoadResult> {
  const log = join(folder, 'requests');
  const request = join(folder, 'request');
  writeFileSync(request, GRPC_REQUEST);
  const call = ['-d', request, '-H', 'content-type: application/grpc', '-H', 'te: trailers'];
  const output = await capture([
    'h2load',
    '-t1',
    `-c${load.connections}`,
    `-m${STREAMS[load.body]}`,
    `-D${load.durationS}`,
    `--log-file=${log}`,
    ...(load.protocol === 'grpc' ? call : []),
    urlOf(load),
  ]);
  const bytes = answerBytes(load.protocol, load.body);
  return parseH2load(output, readFileSync(log), { durationS: load.durationS, answerBytes: bytes });
}

function capture(command: readonly string[]): Promise<string> {
  const [file = '', ...args] = pinned(LOAD_CPU, command);
  return new Promise((resolve, reject) => {
    let text = '';
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
    child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve(text) : reject(new Error(`${command.join(' ')} ended with ${code}: ${text}`)),
    );
  });
}
