/** Cron expressions of five fields and the usual macros, in UTC: pure. */
import { MeshError } from '@mesh/runtime';

const MACROS: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};
const FIELDS = [
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'day of month', min: 1, max: 31 },
  { name: 'month', min: 1, max: 12 },
  { name: 'day of week', min: 0, max: 7 },
] as const;
const NAMES = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
/** A leap day of one weekday comes at the latest after 40 years; nobody waits for that here. */
const HORIZON_MS = 5 * 366 * 86_400_000;
const MINUTE_MS = 60_000;

/** @returns the first matching minute after `afterMs`, in ms since the epoch; undefined when there is none in five years */
export function nextRun(schedule: string, afterMs: number): number | undefined {
  const text = MACROS[schedule.trim()] ?? schedule.trim();
  const parts = text.split(/\s+/);
  if (parts.length !== 5) throw bad(schedule, 'five fields are needed');
  const [minutes, hours, days, months, weekdays] = parts.map((part, index) => parseField(schedule, part, index));
  const anyDay = parts[2] === '*' || parts[4] === '*';
  let at = Math.floor(afterMs / MINUTE_MS) * MINUTE_MS + MINUTE_MS;
  while (at < afterMs + HORIZON_MS) {
    const time = new Date(at);
    const day = days?.has(time.getUTCDate()) ?? false;
    const weekday = weekdays?.has(time.getUTCDay()) ?? false;
    const dayMatches = months?.has(time.getUTCMonth() + 1) && (anyDay ? day && weekday : day || weekday);
    if (!dayMatches) at = Date.UTC(time.getUTCFullYear(), time.getUTCMonth(), time.getUTCDate() + 1);
    else if (!hours?.has(time.getUTCHours())) at = Math.floor(at / 3_600_000) * 3_600_000 + 3_600_000;
    else if (!minutes?.has(time.getUTCMinutes())) at += MINUTE_MS;
    else return at;
  }
  return undefined;
}

function parseField(schedule: string, text: string, index: number): Set<number> {
  const { name, min, max } = FIELDS[index] ?? FIELDS[0];
  const values = new Set<number>();
  for (const part of text.toLowerCase().split(',')) {
    const [range = '', stepText] = part.split('/');
    const step = stepText === undefined ? 1 : Number(stepText);
    const [fromText = '', toText] = range === '*' ? [String(min), String(max)] : range.split('-');
    const from = toNumber(fromText, index);
    const to = toText === undefined ? (stepText === undefined ? from : max) : toNumber(toText, index);
    if (!(from >= min && to <= max && from <= to && step >= 1)) throw bad(schedule, `${name}: ${JSON.stringify(part)}`);
    for (let value = from; value <= to; value += step) values.add(index === 4 ? value % 7 : value);
  }
  return values;
}

function toNumber(text: string, index: number): number {
  if (index === 4 && NAMES.includes(text)) return NAMES.indexOf(text);
  if (index === 3 && MONTHS.includes(text)) return MONTHS.indexOf(text) + 1;
  return /^\d+$/.test(text) ? Number(text) : Number.NaN;
}

function bad(schedule: string, what: string): MeshError {
  return new MeshError(
    { code: 'bad_schedule', schedule },
    `spec.schedule: ${JSON.stringify(schedule)} is not a cron expression: ${what}`,
  );
}
