/**
 * The open loop: requests are sent when they are due, whatever became of those before, and a latency counts from when its request was due, so neither
 * a slow answer nor a busy generator hides what a caller would have waited (no coordinated omission).
 *
 * It looks for answers and due requests each tenth of a millisecond: sleeping in between, since the backend shares its processor, and blocked, since
 * timers of the runtime are a millisecond coarse. So latencies read up to that much too long, with every proxy alike.
 *
 * Usage: generator.ts PLAN.json   (see {@link OpenLoopPlan}); prints an {@link OpenLoopResult} in JSON
 */
import { readFileSync } from 'node:fs';
import { quantiles } from '../lib/quantiles.ts';
import { arrivals } from './arrivals.ts';
import type { Client, Outcomes, Target } from './client.ts';
import { Http1Client } from './http1-client.ts';
import { Http2Client } from './http2-client.ts';

export interface OpenLoopPlan {
  readonly target: Target;
  /** Requests per second. */
  readonly rate: number;
  readonly durationS: number;
  readonly seed: number;
}

export interface OpenLoopResult {
  readonly answered: number;
  readonly failed: number;
  /** What the first that failed met. */
  readonly why?: string;
  /** From the first request's due time to the last answer. */
  readonly durationS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

const TICK_MS = 0.1;
/** Answers that take longer have failed. */
const PATIENCE_MS = 10_000;

class OpenLoop implements Outcomes {
  readonly #times: Float64Array;
  readonly #latencies: Float64Array;
  readonly #client: Client;
  readonly #endMs: number;
  readonly #sleeper = new Int32Array(new SharedArrayBuffer(4));
  readonly #done = Promise.withResolvers<void>();
  #startedAt = 0;
  #next = 0;
  #answered = 0;
  #failed = 0;
  #why: string | undefined;
  #lastMs = 0;

  constructor({ target, rate, durationS, seed }: OpenLoopPlan) {
    this.#times = arrivals(rate, durationS, seed);
    this.#latencies = new Float64Array(this.#times.length);
    this.#endMs = durationS * 1000 + PATIENCE_MS;
    this.#client = target.protocol === 'http1' ? new Http1Client(target, this) : new Http2Client(target, this);
  }

  answered(index: number): void {
    this.#lastMs = performance.now() - this.#startedAt;
    this.#latencies[this.#answered] = this.#lastMs - (this.#times[index] ?? 0);
    this.#answered += 1;
  }

  failed(_index: number, why: string): void {
    this.#failed += 1;
    this.#why ??= why;
  }

  async run(): Promise<OpenLoopResult> {
    await this.#client.open();
    this.#startedAt = performance.now();
    this.#turn();
    await this.#done.promise;
    this.#client.close();
    const unanswered = this.#times.length - this.#answered - this.#failed;
    if (unanswered > 0) this.#why ??= `no answer within ${PATIENCE_MS} ms`;
    const { p50, p99, p999 } = quantiles(this.#latencies.subarray(0, this.#answered));
    return {
      answered: this.#answered,
      failed: this.#failed + unanswered,
      ...(this.#why === undefined ? {} : { why: this.#why }),
      durationS: this.#lastMs / 1000,
      p50Ms: p50,
      p99Ms: p99,
      p999Ms: p999,
    };
  }

  readonly #turn = (): void => {
    const now = performance.now() - this.#startedAt;
    while ((this.#times[this.#next] ?? Infinity) <= now) this.#client.send(this.#next++);
    if (this.#answered + this.#failed === this.#times.length || now > this.#endMs) {
      this.#done.resolve();
      return;
    }
    const untilDueMs = (this.#times[this.#next] ?? Infinity) - now;
    Atomics.wait(this.#sleeper, 0, 0, Math.min(TICK_MS, untilDueMs));
    // Answers are read between two turns.
    setImmediate(this.#turn);
  };
}

const plan = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as OpenLoopPlan;
process.stdout.write(`${JSON.stringify(await new OpenLoop(plan).run())}\n`);
