/**
 * Runs the tests, ring by ring, and prints one line per ring and a closing `N passed, N failed, N skipped` line.
 *
 * Usage: tools/test.ts [--only RING[,RING…]] [--skip REASON] [PATTERN…]
 *   RING      unit, integration, e2e (default: these three, which need neither Docker nor root), kind (docs/testing.md)
 *   --skip    run nothing: count the tests of the rings as skipped, for this reason
 *   PATTERN   run only test files whose path contains one of these
 */
import { spawn } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = resolve(fileURLToPath(import.meta.url), '../..');

interface Ring {
  readonly name: string;
  readonly files: readonly string[];
  readonly exclude?: readonly string[];
  /** Runs only when it is asked for. */
  readonly byName?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** Pure tests share one process (they are many and small); the others get one each. */
  readonly isolated: boolean;
  /** Test files at the same time. Rings that start whole clusters take turns: two cores are shared. */
  readonly concurrency: number;
  /** A test above this is stuck, not slow. */
  readonly timeoutMs: number;
  /** So is the whole ring above this: a process that does not end after its tests would hold everything up. */
  readonly ringTimeoutMs: number;
}

const MINUTE = 60_000;

const RINGS: readonly Ring[] = [
  {
    name: 'unit',
    files: [
      'packages/*/src/**/*.test.ts',
      'packages/*/src/**/*.fuzz.test.ts',
      'tools/**/*.test.ts',
      'scripts/**/*.test.ts',
      'examples/**/*.test.ts',
      'bench/**/*.test.ts',
    ],
    isolated: true,
    concurrency: 2,
    timeoutMs: MINUTE,
    ringTimeoutMs: 6 * MINUTE,
  },
  {
    name: 'integration',
    files: ['packages/*/test/**/*.test.ts', 'test/embedded-conformance/**/*.test.ts', 'test/conformance/*.test.ts'],
    isolated: true,
    concurrency: 2,
    timeoutMs: 2 * MINUTE,
    ringTimeoutMs: 8 * MINUTE,
  },
  {
    name: 'e2e',
    files: ['test/e2e/*.test.ts'],
    isolated: true,
    concurrency: 1,
    timeoutMs: 4 * MINUTE,
    ringTimeoutMs: 20 * MINUTE,
  },
  {
    name: 'kind',
    files: ['test/e2e/**/*.test.ts'],
    // Removes everything from a cluster that it has for itself.
    exclude: ['test/e2e/install.test.ts'],
    byName: true,
    env: { MESH_E2E_HOME: 'kind' },
    isolated: true,
    concurrency: 1,
    // The limit is for a file as a whole, too.
    timeoutMs: 15 * MINUTE,
    ringTimeoutMs: 45 * MINUTE,
  },
];

interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

/** Runs one ring; the runner's own summary lines are read, its output goes through. */
async function runRing(ring: Ring, files: readonly string[]): Promise<Totals> {
  const totals: Totals = { passed: 0, failed: 0, skipped: 0 };
  const args = [
    '--test',
    // Tests of what is let go need to collect garbage themselves.
    '--expose-gc',
    `--test-isolation=${ring.isolated ? 'process' : 'none'}`,
    `--test-concurrency=${ring.concurrency}`,
    `--test-timeout=${ring.timeoutMs}`,
    `--test-reporter=${join(ROOT, 'tools/test-reporter.ts')}`,
    '--test-reporter-destination=stdout',
    ...files,
  ];
  // A process group of its own, so that an end by force takes the test files' processes along.
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...process.env, ...ring.env },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const kill = (): void => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
  };
  const stop = (signal: NodeJS.Signals): void => {
    kill();
    process.kill(process.pid, signal);
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  const deadline = setTimeout(() => {
    console.log(
      `${ring.name}: not over after ${ring.ringTimeoutMs / MINUTE} minutes: a test file's process does not end`,
    );
    kill();
  }, ring.ringTimeoutMs);
  for await (const line of createInterface({ input: child.stdout })) {
    const summary = /^summary passed=(\d+) failed=(\d+) skipped=(\d+)$/.exec(line);
    if (summary === null) console.log(line);
    else Object.assign(totals, { passed: Number(summary[1]), failed: Number(summary[2]), skipped: Number(summary[3]) });
  }
  const code =
    child.exitCode ?? (await new Promise<number>((done) => child.once('exit', (status) => done(status ?? 1))));
  clearTimeout(deadline);
  process.off('SIGINT', stop).off('SIGTERM', stop);
  // A runner that dies without a summary, or that found fault with a file as a whole, is a failure too.
  if (code !== 0 && totals.failed === 0) totals.failed = 1;
  if (totals.passed + totals.failed === 0) totals.failed = 1;
  return totals;
}

function filesOf(ring: Ring, patterns: readonly string[]): readonly string[] {
  return globSync([...ring.files], { cwd: ROOT, exclude: (name) => name.includes('node_modules') })
    .filter((file) => ring.exclude?.includes(file) !== true)
    .filter((file) => patterns.length === 0 || patterns.some((pattern) => file.includes(pattern)))
    .toSorted();
}

/** As many as the files call `test`; a test in a loop counts once. */
function skipRing(files: readonly string[]): Totals {
  const calls = files.map((file) => readFileSync(join(ROOT, file), 'utf8').match(/^ *test\(/gm)?.length ?? 0);
  return { passed: 0, failed: 0, skipped: calls.reduce((sum, count) => sum + count, 0) };
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { only: { type: 'string' }, skip: { type: 'string' } },
    allowPositionals: true,
  });
  const only = values.only?.split(',');
  const unknown = only?.filter((name) => !RINGS.some((ring) => ring.name === name)) ?? [];
  if (unknown.length > 0) {
    console.error(`--only: unknown ring ${unknown.join(', ')}; rings are ${RINGS.map((ring) => ring.name).join(', ')}`);
    return 64;
  }
  const sum: Totals = { passed: 0, failed: 0, skipped: 0 };
  for (const ring of RINGS) {
    if (only === undefined ? ring.byName === true : !only.includes(ring.name)) continue;
    const files = filesOf(ring, positionals);
    if (files.length === 0) continue;
    const startedAt = performance.now();
    const totals = values.skip === undefined ? await runRing(ring, files) : skipRing(files);
    const took = values.skip ?? `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
    console.log(
      `${ring.name}: ${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped (${files.length} files, ${took})`,
    );
    sum.passed += totals.passed;
    sum.failed += totals.failed;
    sum.skipped += totals.skipped;
  }
  console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
  return sum.failed === 0 && (sum.passed > 0 || values.skip !== undefined) ? 0 : 1;
}

process.exitCode = await main();
