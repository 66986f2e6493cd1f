/**
 * Gives memory back that start-up or a burst of load left behind, once the process is idle.
 *
 * Measured on Bun 1.4.5, 2026-11, bundled sidecar: 11.4 MB private after start, 8.9 after a trim. Compiled code is dropped too, so it
 * happens only when nothing goes on.
 */
import type { Clock, Component, Timer } from '@mesh/runtime';

/** Looked at in this interval. */
const CHECK_MS = 10_000;
/** Less CPU time than this in an interval, milliseconds, counts as idle: probes, scrapes and keep-alives. */
const IDLE_CPU_MS = 100;

export class MemoryTrim implements Component {
  readonly name = 'memory-trim';
  readonly #clock: Clock;
  readonly #trim: () => void;
  readonly #cpuMs: () => number;
  #timer: Timer | undefined;
  #seenCpuMs = 0;
  #trimmed = false;

  /** @param trim What the runtime offers. @param cpuMs CPU time of the process so far. */
  constructor(clock: Clock, trim: () => void, cpuMs: () => number = processCpuMs) {
    this.#clock = clock;
    this.#trim = trim;
    this.#cpuMs = cpuMs;
  }

  start(): Promise<void> {
    this.#seenCpuMs = this.#cpuMs();
    this.#arm();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.cancel();
    return Promise.resolve();
  }

  #arm(): void {
    this.#timer = this.#clock.after(CHECK_MS, () => {
      const now = this.#cpuMs();
      const idle = now - this.#seenCpuMs < IDLE_CPU_MS;
      if (idle && !this.#trimmed) this.#trim();
      // What the trim itself cost is no activity.
      this.#seenCpuMs = idle ? this.#cpuMs() : now;
      this.#trimmed = idle;
      this.#arm();
    });
  }
}

function processCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** What this runtime offers to give memory back; `undefined` when it offers nothing. */
export function runtimeTrim(): (() => void) | undefined {
  const { Bun: bun } = globalThis as { Bun?: { gc(force: boolean): void; shrink?(): void } };
  if (bun === undefined) return undefined;
  return () => {
    bun.gc(true);
    bun.shrink?.();
  };
}
