/** Timestamps of the API: RFC 3339 in seconds (`Time`) and in microseconds (`MicroTime`), always UTC when written. */

const SECONDS = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})(?:[.,](\d+))?(Z|[+-]\d{2}:\d{2})$/;

/** Milliseconds since the epoch to `2024-01-02T03:04:05Z`. */
export function formatTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** Milliseconds since the epoch to `2024-01-02T03:04:05.678000Z`. */
export function formatMicroTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23)}000Z`;
}

/** Milliseconds since the epoch, or undefined when the text is not RFC 3339. */
export function parseTime(text: string): number | undefined {
  const match = SECONDS.exec(text);
  if (match === null) return undefined;
  const [, date = '', time = '', fraction = '', zone = ''] = match;
  const ms = Date.parse(`${date}T${time}.${fraction.slice(0, 3).padEnd(3, '0')}${zone}`);
  return Number.isNaN(ms) ? undefined : ms;
}

/** The stored form of a time that a client sent, or what the API server says about it. */
export function canonicalTime(text: string): { readonly value: string } | { readonly error: string } {
  const ms = parseTime(text);
  return ms === undefined ? { error: timeError(text, '2006-01-02T15:04:05Z07:00', text) } : { value: formatTime(ms) };
}

/** Like `canonicalTime` for times that must have exactly six digits of fraction. */
export function canonicalMicroTime(text: string): { readonly value: string } | { readonly error: string } {
  const layout = '2006-01-02T15:04:05.000000Z07:00';
  const match = SECONDS.exec(text);
  const ms = parseTime(text);
  if (match === null || ms === undefined) return { error: timeError(text, layout, text) };
  const fraction = match[3] ?? '';
  if (fraction.length !== 6) return { error: timeError(text, layout, text.slice(19), '.000000') };
  return { value: `${formatTime(ms).slice(0, 19)}.${fraction}Z` };
}

function timeError(text: string, layout: string, rest: string, part = '2006'): string {
  return `parsing time ${JSON.stringify(text)} as ${JSON.stringify(layout)}: cannot parse ${JSON.stringify(rest)} as ${JSON.stringify(part)}`;
}

/** A span as tables show it: `5s`, `2m10s`, `3h`, `4d2h`, `2y30d`. */
export function humanDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 60 * 2) return `${seconds}s`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes < 10) return withRest(minutes, 'm', seconds % 60, 's');
  if (minutes < 60 * 3) return `${minutes}m`;
  const hours = Math.trunc(minutes / 60);
  if (hours < 8) return withRest(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  if (hours < 24 * 8) return withRest(Math.trunc(hours / 24), 'd', hours % 24, 'h');
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24)}d`;
  if (hours < 24 * 365 * 8) return withRest(Math.trunc(hours / 24 / 365), 'y', Math.trunc(hours / 24) % 365, 'd');
  return `${Math.trunc(hours / 24 / 365)}y`;
}

function withRest(count: number, unit: string, rest: number, restUnit: string): string {
  return rest === 0 ? `${count}${unit}` : `${count}${unit}${rest}${restUnit}`;
}

/** The age of a timestamp at `nowMs`, `<unknown>` when there is none. */
export function ageOf(timestamp: unknown, nowMs: number): string {
  const ms = typeof timestamp === 'string' ? parseTime(timestamp) : undefined;
  return ms === undefined ? '<unknown>' : humanDuration(nowMs - ms);
}
