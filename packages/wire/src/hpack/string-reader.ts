/**
 * Latin-1 strings from bytes, with what field rules want to know of them, in one pass.
 *
 * Values and names that come again and again as literals (methods of an API, lengths, hosts) are looked up by their bytes instead of made
 * anew: a native call that makes a string costs ten times what comparing a short one does. The table is shared by all connections of the
 * thread and bounded; credentials never enter it.
 */
import { BYTE_CLASS, CLASS_VALUE } from '../http1/codes.ts';

const CACHED_LENGTH_MAX = 48;
const SLOTS = 512;
const strings: string[] = Array.from<string>({ length: SLOTS }).fill('');

/**
 * Of the string that {@link readString} read last: the byte classes (see `BYTE_CLASS`) that all of its bytes have. Blanks at either end
 * take CLASS_VALUE away (RFC 9113 §8.2.1).
 */
let lastClass = 0;

export function lastStringClass(): number {
  return lastClass;
}

/** @param cached False for secrets. */
export function readString(bytes: Buffer, from: number, to: number, cached: boolean): string {
  let common = 0xff;
  let hash = to - from;
  for (let at = from; at < to; at += 1) {
    const byte = bytes[at] as number;
    common &= BYTE_CLASS[byte] as number;
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  if (to > from && (isBlank(bytes[from] as number) || isBlank(bytes[to - 1] as number))) common &= ~CLASS_VALUE;
  lastClass = common;
  if (to === from) return '';
  if (!cached || to - from > CACHED_LENGTH_MAX) return bytes.toString('latin1', from, to);
  const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
  const known = strings[slot] as string;
  if (isSame(known, bytes, from, to)) return known;
  const made = bytes.toString('latin1', from, to);
  strings[slot] = made;
  return made;
}

function isSame(text: string, bytes: Buffer, from: number, to: number): boolean {
  if (text.length !== to - from) return false;
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) !== bytes[from + at]) return false;
  return true;
}

/** The same for a string that is there already. */
export function classOf(text: string): number {
  let common = 0xff;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    common &= code > 0xff ? 0 : (BYTE_CLASS[code] as number);
  }
  if (text.length > 0 && (isBlank(text.charCodeAt(0)) || isBlank(text.charCodeAt(text.length - 1))))
    common &= ~CLASS_VALUE;
  return common;
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09;
}
