/**
 * A clock that is wrong, for one program: the system's own cannot be set for a single process, so what the program reads is. Its timers, and the
 * checks of certificates that OpenSSL makes, go by the real one.
 */

/** A value of `NODE_OPTIONS` that puts a program's clock ahead by so many milliseconds, or behind when negative. */
export function shiftedClock(aheadMs: number): string {
  // No spaces or quotes may be left, and nothing that Kubernetes would expand.
  return `--import=data:text/javascript,${encodeURIComponent(`(${shift.toString()})(${aheadMs})`)}`;
}

/** Runs in the program, before anything else of it. */
function shift(aheadMs: number): void {
  const RealDate = globalThis.Date;
  const now = (): number => RealDate.now() + aheadMs;
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, given: unknown[], newTarget) =>
      Reflect.construct(target, given.length === 0 ? [now()] : given, newTarget) as object,
    apply: () => new RealDate(now()).toString(),
    get: (target, key, receiver) => (key === 'now' ? now : (Reflect.get(target, key, receiver) as unknown)),
  });
}
