/**
 * Fuzzes the codecs: inputs of the kept corpus, damaged, whole and in pieces.
 *
 * Usage: npm run fuzz -- [--cases N] [--codec NAME] [--seed N] [--from INDEX] [--json]
 *   --cases  per codec (100000)   --codec  one of the targets, or the beginning of its name (all)
 *   --seed, --from  as a failure reports them: the same cases again
 *
 * Reports crashes and wrong readings (with the input, to be kept in the corpus), cases of more than 20 s, and growth of memory by more
 * than 8 MB over the last nine tenths of a run. Exit status 1 if there is any.
 */
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import type { Failure } from '../test/fuzz/run.ts';
import { TARGETS } from '../test/fuzz/targets.ts';
import type { WorkerTask } from '../test/fuzz/worker.ts';

const HANG_MS = 20_000;
const GROWTH_BYTES_MAX = 8 * 1024 * 1024;

interface Outcome {
  readonly target: string;
  readonly cases: number;
  readonly seconds: number;
  readonly grownBytes: number;
  readonly problem: string | undefined;
}

function fuzz(target: string, seed: number, from: number, count: number): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const progress = new SharedArrayBuffer(4);
  const task: WorkerTask = { target, seed, from, count, progress };
  const worker = new Worker(new URL('../test/fuzz/worker.ts', import.meta.url), { workerData: task });
  const startedAt = performance.now();
  let last = -1;
  let lastAt = startedAt;
  const finish = (grownBytes: number, problem: string | undefined): void => {
    clearInterval(timer);
    const seconds = (performance.now() - startedAt) / 1000;
    resolve({ target, cases: count, seconds, grownBytes, problem });
    void worker.terminate();
  };
  const timer = setInterval(() => {
    const at = new Int32Array(progress)[0] ?? 0;
    if (at !== last) {
      last = at;
      lastAt = performance.now();
    } else if (performance.now() - lastAt > HANG_MS) finish(0, `hangs: --seed ${seed} --from ${at} --cases 1`);
  }, 500);
  worker.on('message', (result: { failure: Failure | undefined; grownBytes: number }) => {
    const { failure, grownBytes } = result;
    if (failure !== undefined)
      finish(
        grownBytes,
        `--seed ${seed} --from ${failure.index} --cases 1\ninput ${failure.input}\n${failure.message}`,
      );
    else if (grownBytes > GROWTH_BYTES_MAX) finish(grownBytes, `memory grew by ${grownBytes} bytes`);
    else finish(grownBytes, undefined);
  });
  worker.on('error', (error) => finish(0, error instanceof Error ? (error.stack ?? error.message) : String(error)));
  return promise;
}

function number(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0) return value;
  process.stderr.write(`--${name}: ${text} is not a whole number\n`);
  process.exit(64);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      cases: { type: 'string', default: '100000' },
      codec: { type: 'string', default: '' },
      seed: { type: 'string', default: '1' },
      from: { type: 'string', default: '0' },
      json: { type: 'boolean', default: false },
    },
  });
  const targets = Object.keys(TARGETS).filter((name) => name.startsWith(values.codec));
  if (targets.length === 0) {
    process.stderr.write(`--codec: ${values.codec} is none of ${Object.keys(TARGETS).join(', ')}\n`);
    return 64;
  }
  const outcomes: Outcome[] = [];
  for (const target of targets) {
    const outcome = await fuzz(
      target,
      number('seed', values.seed),
      number('from', values.from),
      number('cases', values.cases),
    );
    outcomes.push(outcome);
    if (!values.json) {
      const figures = `${outcome.cases} cases, ${outcome.seconds.toFixed(1)} s, heap ${(outcome.grownBytes / 1024).toFixed(0)} KiB`;
      process.stdout.write(`${target}: ${outcome.problem === undefined ? 'ok' : 'FAILED'} (${figures})\n`);
      if (outcome.problem !== undefined) process.stdout.write(`${outcome.problem}\n`);
    }
  }
  if (values.json) process.stdout.write(`${JSON.stringify(outcomes, null, 2)}\n`);
  const failed = outcomes.filter((outcome) => outcome.problem !== undefined).length;
  if (!values.json) process.stdout.write(`fuzz: ${outcomes.length - failed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
