/** Waiting for a condition with a deadline; never a fixed sleep. */
import { messageOf } from '@mesh/runtime';

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly everyMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Calls `probe` until it gives something other than `undefined` and `false`, and resolves with that.
 * @throws Error naming what did not happen and what the last probe said.
 */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  options: WaitOptions,
): Promise<T> {
  const deadline = performance.now() + options.timeoutMs;
  let last = '';
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      last = `: ${messageOf(error)}`;
    }
    if (performance.now() > deadline) throw new Error(`waited ${options.timeoutMs / 1000} s for ${what}${last}`);
    await pause(options.everyMs ?? 50, options.signal);
  }
}

/** Resolves after `ms`; rejects with the signal's reason. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(done, ms);
  function done(): void {
    signal?.removeEventListener('abort', abort);
    resolve();
  }
  function abort(): void {
    clearTimeout(timer);
    reject(signal?.reason as Error);
  }
  signal?.addEventListener('abort', abort, { once: true });
  return promise;
}
