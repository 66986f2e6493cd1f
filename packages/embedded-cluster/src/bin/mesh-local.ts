/** `mesh local up|status|down|kubeconfig`: embedded clusters in the background, for development. */
import { spawn } from 'node:child_process';
import { existsSync, openSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { createLogger, messageOf, stderrSink } from '@mesh/runtime';
import type { Cluster, Images } from '../index.ts';
import { isOurs, LocalState, type LocalStatus } from './local-state.ts';

const USAGE = `usage: mesh local COMMAND

  up NAME... [--images FILE] [--data FOLDER] [--foreground]
                start clusters and return when they are ready; Ctrl-C ends those in the foreground
  status [-o json]
                what runs, and where
  kubeconfig [--path]
                a kubeconfig with a context per cluster, or the file that holds it
  down          end all clusters and everything in them

FILE is a module that exports images: a table, or a function without arguments that returns it; or JSON.
FOLDER keeps the state of cluster NAME in FOLDER/NAME.
`;
const READY_MS = 60_000;
const POLL_MS = 25;
const USAGE_ERROR = 64;

class UsageError extends Error {
  override readonly name = 'UsageError';
}

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args);
  const [command, ...names] = positionals;
  const state = LocalState.ofUser(process.env);
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  switch (command) {
    case 'up':
      return values.foreground ? serve(names, values, state) : up(names, args, state);
    case 'serve':
      return serve(names, values, state);
    case 'status':
      return showStatus(state, values.output === 'json');
    case 'kubeconfig':
      return showKubeconfig(state, values.path === true);
    case 'down':
      return down(state);
    default:
      throw new UsageError(
        command === undefined ? 'a command is needed' : `unknown command ${JSON.stringify(command)}`,
      );
  }
}

interface Flags {
  readonly images?: string | undefined;
  readonly data?: string | undefined;
  readonly output?: string | undefined;
  readonly path?: boolean | undefined;
  readonly foreground?: boolean | undefined;
  readonly help?: boolean | undefined;
}

function parse(args: readonly string[]): { values: Flags; positionals: string[] } {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        images: { type: 'string' },
        data: { type: 'string' },
        output: { type: 'string', short: 'o' },
        path: { type: 'boolean' },
        foreground: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

/** Starts this program again, detached, and waits until it says that the clusters are ready. */
async function up(names: readonly string[], args: readonly string[], state: LocalState): Promise<number> {
  checkNames(names);
  const running = state.read();
  if (running !== undefined) return refuse(`already running: ${namesOf(running)}; end them first: mesh local down`);
  state.create();
  const log = openSync(state.logPath, 'w', 0o600);
  const child = spawn(
    process.execPath,
    [fileURLToPath(import.meta.url), 'serve', ...args.filter((each) => each !== 'up')],
    {
      detached: true,
      stdio: ['ignore', log, log],
    },
  );
  const deadline = Date.now() + READY_MS;
  while (Date.now() < deadline && child.exitCode === null && child.signalCode === null) {
    const status = state.read();
    if (status !== undefined) {
      child.unref();
      process.stdout.write(`${describe(status)}\nexport KUBECONFIG=${state.kubeconfigPath}\n`);
      return 0;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const exited = child.exitCode !== null || child.signalCode !== null;
  if (!exited) child.kill('SIGTERM');
  process.stderr.write(readFileSync(state.logPath, 'utf8'));
  state.remove();
  return refuse(exited ? 'the clusters did not start' : `the clusters were not ready after ${READY_MS / 1000} s`);
}

/** Runs the clusters in this process until a signal comes. */
async function serve(names: readonly string[], flags: Flags, state: LocalState): Promise<number> {
  checkNames(names);
  const running = state.read();
  if (running !== undefined) return refuse(`already running: ${namesOf(running)}; end them first: mesh local down`);
  // The other commands need none of this and should answer at once.
  const { createCluster, mergeKubeconfigs } = await import('../index.ts');
  const images = await loadImages(flags.images);
  const log = createLogger({ control: { level: 'warn' }, format: 'plain', sink: stderrSink });
  const ended = Promise.withResolvers<void>();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => ended.resolve());
  await using stack = new AsyncDisposableStack();
  const clusters: Cluster[] = await Promise.all(
    names.map(async (name) => {
      const data = flags.data === undefined ? {} : { dataFolder: join(resolve(flags.data), name) };
      return stack.use(await createCluster({ name, images, log, ...data }));
    }),
  );
  const status: LocalStatus = {
    pid: process.pid,
    startedAt: new Date().toISOString(),
    kubeconfig: state.kubeconfigPath,
    clusters: clusters.map(({ name, apiServer, addresses }) => ({
      name,
      server: apiServer.url,
      podCidr: addresses.podCidr,
      serviceCidr: addresses.serviceCidr,
    })),
  };
  stack.defer(() => state.remove());
  state.write(status, mergeKubeconfigs(clusters.map((cluster) => cluster.kubeconfig)));
  if (flags.foreground) process.stdout.write(`${describe(status)}\nexport KUBECONFIG=${state.kubeconfigPath}\n`);
  await ended.promise;
  return 0;
}

function showStatus(state: LocalState, json: boolean): number {
  const status = state.read();
  if (json) process.stdout.write(`${JSON.stringify(status ?? { clusters: [] }, undefined, 2)}\n`);
  else
    process.stdout.write(
      `${status === undefined ? 'no clusters run; start some: mesh local up NAME...' : describe(status)}\n`,
    );
  return status === undefined ? 1 : 0;
}

function showKubeconfig(state: LocalState, path: boolean): number {
  if (state.read() === undefined) return refuse('no clusters run; start some: mesh local up NAME...');
  process.stdout.write(path ? `${state.kubeconfigPath}\n` : readFileSync(state.kubeconfigPath, 'utf8'));
  return 0;
}

async function down(state: LocalState): Promise<number> {
  const status = state.read();
  if (status === undefined) {
    process.stdout.write('no clusters run\n');
    return 0;
  }
  process.kill(status.pid, 'SIGTERM');
  const deadline = Date.now() + READY_MS;
  while (isOurs(status.pid)) {
    if (Date.now() > deadline) return refuse(`process ${status.pid} does not end`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  state.remove();
  process.stdout.write(`ended: ${namesOf(status)}\n`);
  return 0;
}

/** The images of `file`, or those that this workspace composes for its own clusters. */
async function loadImages(file: string | undefined): Promise<Images> {
  const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', '..');
  const path = file === undefined ? join(root, 'scripts', 'home', 'images.ts') : resolve(file);
  const base: Images = { node: { command: [process.execPath], programs: { node: process.execPath } } };
  if (file === undefined && !existsSync(path)) return base;
  if (path.endsWith('.json')) return { ...base, ...(JSON.parse(readFileSync(path, 'utf8')) as Images) };
  const module = (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  const table = module['images'] ?? module['embeddedImages'];
  if (table === undefined) throw new UsageError(`--images: ${path} exports neither images nor embeddedImages`);
  return { ...base, ...((typeof table === 'function' ? (table as () => Images)() : table) as Images) };
}

function checkNames(names: readonly string[]): void {
  if (names.length === 0)
    throw new UsageError('up needs at least one cluster name, for example: mesh local up east west');
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new UsageError(`cluster name ${JSON.stringify(twice)} is given twice`);
}

function describe(status: LocalStatus): string {
  const rows = [
    ['NAME', 'SERVER', 'PODS', 'SERVICES'],
    ...status.clusters.map((each) => [each.name, each.server, each.podCidr, each.serviceCidr]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function namesOf(status: LocalStatus): string {
  return status.clusters.map((each) => each.name).join(', ');
}

function refuse(message: string): number {
  process.stderr.write(`mesh local: ${message}\n`);
  return 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const usage = error instanceof UsageError;
  process.stderr.write(`mesh local: ${messageOf(error)}\n${usage ? `\n${USAGE}` : ''}`);
  process.exitCode = usage ? USAGE_ERROR : 1;
}
