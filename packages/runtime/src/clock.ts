/** Time as a dependency, so that tests move it by hand. */

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Milliseconds from a monotonic source, for durations. */
  monotonic(): number;
  /** Calls `callback` once after `delayMs`; the timer never keeps the process alive. */
  after(delayMs: number, callback: () => void): Timer;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, callback) {
    // setTimeout fires at once for delays above 2^31-1 ms: clamp, callers re-arm by their own deadline.
    const timer = setTimeout(callback, Math.min(delayMs, 0x7fff_ffff));
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Resolves after `delayMs`, or rejects with the signal's reason. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  if (signal?.aborted) return Promise.reject(signal.reason as Error);
  const timer = clock.after(delayMs, () => {
    signal?.removeEventListener('abort', onAbort);
    resolve();
  });
  function onAbort(): void {
    timer.cancel();
    reject(signal?.reason as Error);
  }
  signal?.addEventListener('abort', onAbort, { once: true });
  return promise;
}
