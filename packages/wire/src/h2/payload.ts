/** Small rules about payloads: padding, and bodies against their content-length. */
import { FLAG_PADDED } from './codes.ts';
import { fieldValue } from './fields.ts';
import type { H2Stream } from './stream.ts';

/** The payload without padding and the first `skip` bytes; `undefined` when the lengths contradict (RFC 9113 §6.1). */
export function unpad(flags: number, payload: Uint8Array, skip: number): Uint8Array | undefined {
  const padded = (flags & FLAG_PADDED) !== 0;
  const from = (padded ? 1 : 0) + skip;
  const to = payload.length - (padded ? (payload[0] ?? 0) : 0);
  return from > payload.length || to < from ? undefined : payload.subarray(from, to);
}

/** -1 when there is none; a list that contradicts itself becomes an impossible length. */
export function contentLength(fields: readonly string[], bodiless: boolean): number {
  if (bodiless) return -1; // Answers to HEAD carry a length and no body.
  const text = fieldValue(fields, 'content-length');
  if (text === undefined) return -1;
  return /^\d{1,15}$/.test(text) ? Number(text) : Number.MAX_SAFE_INTEGER;
}

export function isBodyLengthPossible<S>(stream: H2Stream<S>, end: boolean): boolean {
  if (stream.bodyBytesExpected < 0) return true;
  return end ? stream.bodyBytesSeen === stream.bodyBytesExpected : stream.bodyBytesSeen <= stream.bodyBytesExpected;
}
