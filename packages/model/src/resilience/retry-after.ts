/** How long a server asks to be left alone: RFC 9110 §10.2.3. */

const SECONDS_MAX = 86_400;

/**
 * Milliseconds; undefined: no such field, or not to be understood.
 * @param text Of `Retry-After`: seconds, or a date. @param nowMs Since the Unix epoch.
 */
export function parseRetryAfterMs(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  const trimmed = text.trim();
  if (/^\d{1,10}$/.test(trimmed)) return Math.min(SECONDS_MAX, Number(trimmed)) * 1000;
  if (!/^[A-Za-z]{3,9},? /.test(trimmed)) return undefined;
  const date = Date.parse(trimmed);
  return Number.isNaN(date) ? undefined : Math.min(SECONDS_MAX * 1000, Math.max(0, date - nowMs));
}
