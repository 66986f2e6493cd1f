/**
 * Which protocol do the first bytes of a connection speak? HTTP/2 by its preface (RFC 9113 §3.4), HTTP/1 by its request
 * line (RFC 9112 §3), anything else is opaque.
 */

export type Detected = 'http/1' | 'http/2' | 'not_http' | 'incomplete';

const PREFACE = Buffer.from('PRI * HTTP/2.0');
const VERSION = Buffer.from('HTTP/1.');
/** Longer than any registered method; what has no space by then is no request line. */
const METHOD_BYTES_MAX = 24;

/** @param bytes All bytes of the connection so far. */
export function detectHttp(bytes: Uint8Array): Detected {
  const preface = matches(bytes, 0, PREFACE);
  if (preface === 'whole') return 'http/2';
  if (preface === 'part') return 'incomplete';
  let at = 0;
  while (at < bytes.length && isMethodByte(bytes[at] as number)) at += 1;
  if (at > METHOD_BYTES_MAX) return 'not_http';
  if (at === bytes.length) return 'incomplete';
  if (at === 0 || bytes[at] !== 0x20) return 'not_http';
  const target = at + 1;
  at = target;
  while (at < bytes.length && (bytes[at] as number) > 0x20 && (bytes[at] as number) < 0x7f) at += 1;
  if (at === bytes.length) return 'incomplete';
  if (at === target || bytes[at] !== 0x20) return 'not_http';
  const version = matches(bytes, at + 1, VERSION);
  if (version === 'part') return 'incomplete';
  return version === 'whole' ? 'http/1' : 'not_http';
}

/** `part`: everything that is there fits, and more is needed. */
function matches(bytes: Uint8Array, from: number, want: Uint8Array): 'whole' | 'part' | 'none' {
  for (let offset = 0; offset < want.length; offset += 1) {
    if (from + offset >= bytes.length) return 'part';
    if (bytes[from + offset] !== want[offset]) return 'none';
  }
  return 'whole';
}

/** Token bytes without the exotic ones: methods are letters, with hyphens or digits in a few. */
function isMethodByte(byte: number): boolean {
  const lower = byte | 0x20;
  return (lower >= 0x61 && lower <= 0x7a) || byte === 0x2d || byte === 0x5f || (byte >= 0x30 && byte <= 0x39);
}
