/** Waiting in tests: for a condition, with a deadline. */

/** Resolves once `condition` holds; throws with `what` after `timeoutMs`, which only a hang reaches, not a slow machine. */
export async function until(what: string, condition: () => boolean, timeoutMs = 60_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
