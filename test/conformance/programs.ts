/**
 * Other people's programs and data that suites run: got by version from the registries that carry them into `dist/conformance`, never kept in
 * the repository. What cannot be got (no Go, no network) is a reason to skip, not a failure.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const DIST = resolve(fileURLToPath(import.meta.url), '../../../dist/conformance');
const BIN = join(DIST, 'bin');

/** Versions are commits or releases; the module proxy's checksum database vouches for them. */
const GO_PROGRAMS = {
  h2spec: 'github.com/summerwind/h2spec/cmd/h2spec@v0.0.0-20200804131034-70ac22940108',
  h2specd: 'github.com/summerwind/h2spec/cmd/h2specd@v0.0.0-20200804131034-70ac22940108',
  'grpc-interop-client': 'google.golang.org/grpc/interop/client@v1.85.0',
  'grpc-interop-server': 'google.golang.org/grpc/interop/server@v1.85.0',
} as const;

export interface Missing {
  readonly missing: string;
}
export interface Finished {
  readonly status: number;
  readonly output: string;
}

/** Runs a command to its end, or to the deadline. Standard output and error together. */
export function run(
  command: readonly string[],
  options: { readonly timeoutMs: number; readonly cwd?: string; readonly env?: Readonly<Record<string, string>> },
): Promise<Finished> {
  const { promise, resolve: done } = Promise.withResolvers<Finished>();
  const [file = '', ...args] = command;
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const chunks: Buffer[] = [];
  let bytes = 0;
  const keep = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes < OUTPUT_BYTES_MAX) chunks.push(chunk);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs);
  const finish = (status: number, extra: string): void => {
    clearTimeout(timer);
    done({ status, output: Buffer.concat(chunks).toString('utf8') + extra });
  };
  child.on('error', (error) => finish(127, error.message));
  child.on('close', (code) => finish(code ?? 1, ''));
  return promise;
}

const OUTPUT_BYTES_MAX = 8 * 1024 * 1024;
const BUILD_MS = 600_000;

/** The path of a program written in Go, built when it is not there yet. */
export async function goProgram(name: keyof typeof GO_PROGRAMS): Promise<string | Missing> {
  const path = join(BIN, name);
  if (existsSync(path)) return path;
  const version = await run(['go', 'version'], { timeoutMs: 20_000 });
  if (version.status !== 0) return { missing: `${name} needs Go to be built, and there is none on PATH` };
  // `go install` names the program after its folder, so each gets a folder of its own to be built into.
  const folder = join(DIST, 'go', name);
  mkdirSync(folder, { recursive: true });
  mkdirSync(BIN, { recursive: true });
  const built = await run(['go', 'install', '-trimpath', '-ldflags=-s -w', GO_PROGRAMS[name]], {
    timeoutMs: BUILD_MS,
    cwd: DIST,
    env: { GOBIN: folder, CGO_ENABLED: '0', GOTOOLCHAIN: 'local', GOFLAGS: '' },
  });
  if (built.status !== 0) return { missing: `${name} could not be built: ${lastLine(built.output)}` };
  const base = /([^/@]+)@/.exec(GO_PROGRAMS[name])?.[1] ?? name;
  const moved = await run(['mv', join(folder, base), path], { timeoutMs: 20_000 });
  return moved.status === 0 ? path : { missing: `${name} was not built: ${lastLine(moved.output)}` };
}

/** The folder of a package from npm that was got before. */
export function keptNpmPackage(name: string, version: string): string | Missing {
  const folder = join(npmFolder(name, version), 'package');
  return existsSync(folder) ? folder : { missing: `${name}@${version} was not got from npm yet` };
}

const npmFolder = (name: string, version: string): string => join(DIST, 'npm', `${name}-${version}`);

/** The folder of a package from npm, unpacked; nothing in it is run. */
export async function npmPackage(name: string, version: string): Promise<string | Missing> {
  const kept = keptNpmPackage(name, version);
  if (typeof kept === 'string') return kept;
  const folder = npmFolder(name, version);
  mkdirSync(folder, { recursive: true });
  const packed = await run(['npm', 'pack', '--silent', `${name}@${version}`], { timeoutMs: 120_000, cwd: folder });
  if (packed.status !== 0)
    return { missing: `${name}@${version} could not be got from npm: ${lastLine(packed.output)}` };
  const tar = await run(['tar', '-xzf', `${name}-${version}.tgz`], { timeoutMs: 60_000, cwd: folder });
  return tar.status === 0 ? join(folder, 'package') : { missing: `tar failed: ${lastLine(tar.output)}` };
}

/** A repository at a commit. */
export async function gitCheckout(name: string, url: string, commit: string): Promise<string | Missing> {
  const folder = join(DIST, 'git', `${name}-${commit.slice(0, 12)}`);
  if (existsSync(join(folder, '.complete'))) return folder;
  mkdirSync(folder, { recursive: true });
  const steps = [
    ['git', 'init', '--quiet'],
    ['git', 'fetch', '--quiet', '--depth', '1', url, commit],
    ['git', 'checkout', '--quiet', 'FETCH_HEAD'],
    ['touch', '.complete'],
  ];
  for (const step of steps) {
    const result = await run(step, { timeoutMs: 60_000, cwd: folder });
    if (result.status !== 0) return { missing: `${url} could not be fetched: ${lastLine(result.output)}` };
  }
  return folder;
}

function lastLine(output: string): string {
  return output.trim().split('\n').at(-1) ?? '';
}
