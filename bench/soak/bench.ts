/**
 * Constant mixed load through sidecars with mutual TLS for a long time, while certificates are renewed and endpoints change: no request may fail, no memory and no descriptor
 * may grow.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { claimLoopback } from '../lib/loopback.ts';
import { openDescriptors, treeMemory } from '../lib/process-cost.ts';
import { LOAD_CPU, ofRunning, pinned } from '../lib/programs.ts';
import type { Program } from '../lib/programs.ts';
import { formatTable, round } from '../lib/report.ts';
import type { RUNTIME_NAMES } from '../proxy/matrix.ts';
import { missingRuntime, RUNTIMES } from '../proxy/sidecar.ts';
import type { Runtime } from '../proxy/sidecar.ts';
import type { SoakCount } from './load.ts';
import { startSoakPair } from './pair.ts';
import type { SoakPair } from './pair.ts';
import { faults, growth } from './verdict.ts';
import type { Growth, Sample } from './verdict.ts';

export interface SoakOptions {
  readonly minutes: number;
  readonly runtimes: readonly (typeof RUNTIME_NAMES)[number][];
  readonly say: (line: string) => void;
}

interface SoakMinute {
  readonly minute: number;
  readonly process: string;
  readonly private_mb: number;
  readonly rss_mb: number;
  readonly descriptors: number;
  /** In this minute, of all. */
  readonly answered: number;
  readonly failed: number;
}

interface RuntimeSoak {
  readonly runtime: string;
  readonly minutes: readonly SoakMinute[];
  readonly growth: readonly Growth[];
  readonly requests: SoakCount;
  /** That were issued: each sidecar's first, and renewals. */
  readonly certificates: number;
  /** Empty when all is well. */
  readonly faults: readonly string[];
}

export interface SoakResult {
  readonly runtimes: readonly RuntimeSoak[];
  readonly isGood: boolean;
}

/** Runtimes have their turn one after the other. */
export async function benchSoak(options: SoakOptions): Promise<SoakResult> {
  const runtimes: RuntimeSoak[] = [];
  for (const runtime of RUNTIMES.filter(({ name }) => options.runtimes.includes(name))) {
    const missing = missingRuntime(runtime);
    if (missing === undefined) runtimes.push(await soak(runtime, options));
    else options.say(`skipped: ${runtime.name}: ${missing}`);
  }
  return { runtimes, isGood: runtimes.length > 0 && runtimes.every((each) => each.faults.length === 0) };
}

async function soak(runtime: Runtime, { minutes, say }: SoakOptions): Promise<RuntimeSoak> {
  await using stack = new AsyncDisposableStack();
  const loopback = stack.use(await claimLoopback());
  const pair = await startSoakPair(stack, runtime, loopback);
  const watch = new Watch(pair, say);
  const requests = await load(pair, minutes, (count, minute) => watch.sample(count, minute));
  const all = pair.sidecars.flatMap(({ name }) => growth(name, watch.samples.get(name) ?? [], minutes));
  const found = faults(requests, all);
  for (const fault of found) say(`${runtime.name}: ${fault}`);
  return {
    runtime: runtime.name,
    minutes: watch.minutes,
    growth: all,
    requests,
    certificates: pair.certificates(),
    faults: found,
  };
}

/** Samples the sidecars at each report of the load, and keeps a line for each minute. */
class Watch {
  readonly samples = new Map<string, Sample[]>();
  readonly minutes: SoakMinute[] = [];
  readonly #pair: SoakPair;
  readonly #say: (line: string) => void;
  #before: Pick<SoakCount, 'answered' | 'failed'> = { answered: 0, failed: 0 };

  constructor(pair: SoakPair, say: (line: string) => void) {
    this.#pair = pair;
    this.#say = say;
  }

  sample(count: SoakCount, minute: number): void {
    const isFullMinute = Math.floor(minute) > (this.minutes.at(-1)?.minute ?? 0);
    const answered = count.answered - this.#before.answered;
    const failed = count.failed - this.#before.failed;
    for (const { name, program } of this.#pair.sidecars) {
      const sample = sampleOf(program, minute);
      const list = this.samples.get(name) ?? [];
      this.samples.set(name, [...list, sample]);
      if (!isFullMinute) continue;
      const private_mb = round(sample.privateMb, 1);
      const rss_mb = round(sample.rssMb, 1);
      const { descriptors } = sample;
      this.minutes.push({
        minute: Math.floor(minute),
        process: name,
        private_mb,
        rss_mb,
        descriptors,
        answered,
        failed,
      });
      this.#say(
        `minute ${Math.floor(minute)}, ${name}: ${private_mb} MB private, ${rss_mb} MB resident, ${descriptors} descriptors`,
      );
    }
    if (!isFullMinute) return;
    this.#before = count;
    this.#say(
      `minute ${Math.floor(minute)}: ${answered} answered, ${failed} failed; ${this.#pair.certificates()} certificates`,
    );
  }
}

function sampleOf(program: Program, minute: number): Sample {
  return ofRunning([program], () => {
    const { rssMb, writtenMb } = treeMemory(program.pid);
    return { minute, privateMb: writtenMb, rssMb, descriptors: openDescriptors(program.pid) };
  });
}

/** Loads for so long; resolves to the final count once all that was sent has been answered or has failed. */
async function load(
  { entry }: SoakPair,
  minutes: number,
  onCount: (count: SoakCount, minute: number) => void,
): Promise<SoakCount> {
  const program = fileURLToPath(new URL('load.ts', import.meta.url));
  const [file = '', ...args] = pinned(LOAD_CPU, [process.execPath, program, entry.host, String(entry.port)]);
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let trouble = '';
  child.stderr.on('data', (chunk: Buffer) => (trouble += chunk.toString('utf8')));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('close', resolve);
    child.once('error', reject);
  });
  const startedAt = performance.now();
  const stopper = setTimeout(() => child.stdin.end(), minutes * 60_000);
  let last: SoakCount | undefined;
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      last = JSON.parse(line) as SoakCount;
      onCount(last, (performance.now() - startedAt) / 60_000);
    }
    const code = await ended;
    if (code !== 0 || last === undefined) throw new Error(`the soak's load ended with ${code}: ${trouble}`);
    return last;
  } finally {
    clearTimeout(stopper);
    child.kill('SIGKILL');
  }
}

export function soakReport({ runtimes, isGood }: SoakResult): string {
  const parts = runtimes.flatMap(({ runtime, growth: all, requests, certificates, faults: found }) => [
    formatTable(
      ['RUNTIME', 'PROCESS', 'WHAT', 'MEAN', 'PER_MINUTE', 'ERROR', 'FLOOR', 'FLAT'],
      all.map((each) => [
        runtime,
        each.process,
        each.what,
        each.mean,
        each.per_minute,
        each.per_minute_error,
        each.floor_per_minute,
        each.isFlat ? 'yes' : 'no',
      ]),
    ),
    `${runtime}: ${requests.answered} answered, ${requests.failed} failed, ${requests.cancelled} given up, ${requests.churned} connections for one request, ${certificates} certificates`,
    ...found.map((fault) => `${runtime}: ${fault}`),
  ]);
  return [...parts, `verdict: ${isGood ? 'sound' : 'not sound'}`].join('\n');
}
