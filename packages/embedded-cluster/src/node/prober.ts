/**
 * Runs one probe of one running container on schedule and tells when its verdict changes.
 *
 * Before the first success it looks more often than asked for, so that a pod that is ready early counts
 * as ready early; failures count only at the pace that the probe asks for.
 */
import type { Probe } from '../controllers/kinds.ts';
import { type ProbeTarget, runProbe } from './probe.ts';

const EAGER_FIRST_MS = 20;
const EAGER_LAST_MS = 250;

export interface ProberEvents {
  /** The threshold of successes was reached; again only after a failure. */
  succeeded(): void;
  /** The threshold of failures was reached. */
  failed(message: string): void;
  /** One attempt that counts failed. */
  attemptFailed(message: string): void;
}

export class Prober {
  readonly #probe: Probe;
  readonly #target: ProbeTarget;
  readonly #events: ProberEvents;
  readonly #startedMs = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #successes = 0;
  #failures = 0;
  #eagerMs = EAGER_FIRST_MS;
  #nextCountMs: number;
  #verdict: boolean | undefined;

  constructor(probe: Probe, target: ProbeTarget, events: ProberEvents) {
    this.#probe = probe;
    this.#target = target;
    this.#events = events;
    // A program that has just started is not ready yet: the first period is no failure.
    this.#nextCountMs = ((probe.initialDelaySeconds ?? 0) + (probe.periodSeconds ?? 10)) * 1000;
    this.#schedule(EAGER_FIRST_MS);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.#attempt(), delayMs);
    this.#timer.unref();
  }

  async #attempt(): Promise<void> {
    const timeoutMs = (this.#probe.timeoutSeconds ?? 1) * 1000;
    const failure = await runProbe(this.#probe, this.#target, timeoutMs);
    if (this.#stopped) return;
    const periodMs = (this.#probe.periodSeconds ?? 10) * 1000;
    if (failure === undefined) this.#succeeded();
    else this.#failed(failure, periodMs);
    if (this.#stopped) return;
    const threshold = this.#probe.successThreshold ?? 1;
    const eager = this.#verdict !== true && this.#successes < threshold;
    this.#schedule(eager ? Math.min(periodMs, this.#eagerMs) : periodMs);
    this.#eagerMs = Math.min(EAGER_LAST_MS, this.#eagerMs * 1.25);
  }

  #succeeded(): void {
    this.#failures = 0;
    this.#successes += 1;
    if (this.#successes < (this.#probe.successThreshold ?? 1) || this.#verdict === true) return;
    this.#verdict = true;
    this.#events.succeeded();
  }

  #failed(message: string, periodMs: number): void {
    const now = performance.now() - this.#startedMs;
    this.#successes = 0;
    if (now < this.#nextCountMs) return;
    this.#nextCountMs = now + periodMs - EAGER_FIRST_MS;
    this.#failures += 1;
    this.#eagerMs = EAGER_FIRST_MS;
    this.#events.attemptFailed(message);
    if (this.#failures < (this.#probe.failureThreshold ?? 3)) return;
    this.#verdict = false;
    this.#failures = 0;
    this.#events.failed(message);
  }
}
