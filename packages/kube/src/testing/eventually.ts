/** Waiting for a condition instead of sleeping. */

/** Resolves with the first value of `probe` that is neither `undefined` nor `false`; rejects after `deadlineMs`, which only a hang reaches, with what it last saw. */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  deadlineMs = 60_000,
): Promise<Exclude<T, undefined | false>> {
  const untilMs = performance.now() + deadlineMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > untilMs) {
      throw new Error(
        `not within ${deadlineMs} ms: ${what} (last: ${last instanceof Error ? last.message : String(last)})`,
        { cause: last },
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
