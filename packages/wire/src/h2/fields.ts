/**
 * What makes a header list malformed, RFC 9113 §8.2 and §8.3. Malformed messages are refused with a stream error, never
 * repaired: a proxy that forwards them opens a door for request smuggling.
 */

export type FieldsKind = 'request' | 'response' | 'trailers';

const REQUEST_PSEUDO: ReadonlySet<string> = new Set([':method', ':scheme', ':authority', ':path', ':protocol']);
const RESPONSE_PSEUDO: ReadonlySet<string> = new Set([':status']);
/** Fields that belong to one HTTP/1 connection, RFC 9113 §8.2.2. */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
]);

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
// Control bytes other than tab; a value with leading or trailing blank is malformed too.
const BAD_VALUE = /[\0-\x08\x0a-\x1f\x7f]|^[ \t]|[ \t]$/;

/** True when the list, name and value alternating, is well formed for its place. */
export function isWellFormed(fields: readonly string[], kind: FieldsKind): boolean {
  const pseudo = kind === 'request' ? REQUEST_PSEUDO : kind === 'response' ? RESPONSE_PSEUDO : NONE;
  const seen = new Set<string>();
  let regular = false;
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const name = fields[at] ?? '';
    const value = fields[at + 1] ?? '';
    if (BAD_VALUE.test(value)) return false;
    if (name.startsWith(':')) {
      if (regular || seen.has(name) || !pseudo.has(name)) return false;
      seen.add(name);
      continue;
    }
    regular = true;
    if (!TOKEN.test(name) || CONNECTION_FIELDS.has(name)) return false;
    if (name === 'te' && value !== 'trailers') return false;
  }
  if (kind === 'response') return /^[1-9]\d\d$/.test(fieldValue(fields, ':status') ?? '');
  return kind === 'trailers' || isCompleteRequest(fields, seen);
}

/** First value of `name`, or `undefined`. */
export function fieldValue(fields: readonly string[], name: string): string | undefined {
  for (let at = 0; at + 1 < fields.length; at += 2) if (fields[at] === name) return fields[at + 1];
  return undefined;
}

const NONE: ReadonlySet<string> = new Set();

function isCompleteRequest(fields: readonly string[], seen: ReadonlySet<string>): boolean {
  const method = fieldValue(fields, ':method');
  if (method === undefined || method === '') return false;
  if (method === 'CONNECT' && !seen.has(':protocol'))
    return seen.has(':authority') && !seen.has(':scheme') && !seen.has(':path');
  return seen.has(':scheme') && (fieldValue(fields, ':path') ?? '') !== '';
}
