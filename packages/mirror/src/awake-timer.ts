import type { Clock, Timer } from '@mesh/runtime';

const SLICE_MS = 100;

/**
 * A time limit on what others do, which counts only time in which this process ran. On a starved machine a process may stand still for a second;
 * an answer that came meanwhile lies unread, and a plain timer would be heard before it and blame who answered in time.
 */
export function afterAwake(clock: Clock, ms: number, expired: () => void): Timer {
  let leftMs = ms;
  let timer: Timer;
  const wait = (): void => {
    const sliceMs = Math.min(SLICE_MS, leftMs);
    const dueMs = clock.monotonic() + sliceMs;
    timer = clock.after(sliceMs, () => {
      // However late this is: no more than the slice was spent awake for certain.
      leftMs -= sliceMs;
      if (leftMs > 0) wait();
      else if (clock.monotonic() - dueMs < SLICE_MS) expired();
      // What came while the last slice stood still is read before this turn's timers are heard again.
      else timer = clock.after(1, expired);
    });
  };
  wait();
  return { cancel: () => timer.cancel() };
}
