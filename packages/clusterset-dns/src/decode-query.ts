/** Reads queries (RFC 1035 §4.1, RFC 6891 §6.1). Garbage is told apart from what deserves an answer; nothing throws. */
import { TYPE } from './message.ts';
import type { Edns, Query } from './message.ts';

export type DecodedQuery =
  | { readonly kind: 'query'; readonly query: Query }
  /** A query that cannot be read: the answer is FORMERR with this header. */
  | { readonly kind: 'malformed'; readonly id: number; readonly opcode: number; readonly recursionDesired: boolean }
  /** Too short for a header, or a response: no answer, lest two servers answer each other for ever. */
  | { readonly kind: 'ignored' };

const HEADER_BYTES = 12;
/** Of the length octets and labels of a name, the root included (RFC 1035 §2.3.4). */
const NAME_BYTES_MAX = 255;
const LABEL_BYTES_MAX = 63;
/** A query has none or a few: OPT, TSIG. */
const RECORDS_MAX = 16;
const FIXED_RECORD_BYTES = 10;
const MALFORMED = -1;

export function decodeQuery(bytes: Uint8Array): DecodedQuery {
  if (bytes.length < HEADER_BYTES) return { kind: 'ignored' };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = view.getUint16(2);
  if ((flags & 0x8000) !== 0) return { kind: 'ignored' };
  const header = {
    id: view.getUint16(0),
    opcode: (flags >> 11) & 15,
    recursionDesired: (flags & 0x100) !== 0,
    checkingDisabled: (flags & 0x10) !== 0,
  };
  const malformed = { kind: 'malformed', ...header } as const;
  if (view.getUint16(4) !== 1) return malformed;
  const labels: string[] = [];
  const nameEnd = readName(bytes, HEADER_BYTES, labels);
  const questionEnd = nameEnd + 4;
  if (nameEnd === MALFORMED || questionEnd > bytes.length) return malformed;
  const counts = { before: view.getUint16(6) + view.getUint16(8), additional: view.getUint16(10) };
  const edns = readEdns(view, questionEnd, counts);
  if (edns === 'malformed') return malformed;
  const question = { labels, type: view.getUint16(nameEnd), class: view.getUint16(nameEnd + 2) };
  const questionBytes = bytes.subarray(HEADER_BYTES, questionEnd);
  return { kind: 'query', query: { ...header, question, questionBytes, edns } };
}

/** Appends the labels in lower case; @returns where the name ends, or `MALFORMED`. A question has nothing before it to point to. */
function readName(bytes: Uint8Array, from: number, labels: string[]): number {
  let at = from;
  while (at - from < NAME_BYTES_MAX) {
    const length = bytes[at];
    if (length === undefined || length > LABEL_BYTES_MAX) return MALFORMED;
    at += 1;
    if (length === 0) return at;
    if (at + length > bytes.length) return MALFORMED;
    labels.push(lowerCase(bytes, at, at + length));
    at += length;
  }
  return MALFORMED;
}

/** ASCII letters only (RFC 4343); every byte is a character. */
function lowerCase(bytes: Uint8Array, from: number, to: number): string {
  let text = '';
  for (let at = from; at < to; at += 1) {
    const byte = bytes[at] ?? 0;
    text += String.fromCharCode(byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte);
  }
  return text;
}

/** Goes through the records to the end of the message, which must be where the counts say. */
function readEdns(
  view: DataView,
  from: number,
  counts: { readonly before: number; readonly additional: number },
): Edns | undefined | 'malformed' {
  const total = counts.before + counts.additional;
  if (total > RECORDS_MAX) return 'malformed';
  let edns: Edns | undefined;
  let at = from;
  for (let index = 0; index < total; index += 1) {
    const name = at;
    at = skipName(view, at);
    if (at === MALFORMED || at + FIXED_RECORD_BYTES > view.byteLength) return 'malformed';
    const end = at + FIXED_RECORD_BYTES + view.getUint16(at + 8);
    if (end > view.byteLength) return 'malformed';
    if (view.getUint16(at) === TYPE.OPT) {
      // At most one, of the root's name, among the additional records (RFC 6891 §6.1.1).
      if (edns !== undefined || index < counts.before || at !== name + 1) return 'malformed';
      edns = {
        udpBytes: view.getUint16(at + 2),
        version: view.getUint8(at + 5),
        dnssecOk: (view.getUint8(at + 6) & 0x80) !== 0,
      };
    }
    at = end;
  }
  return at === view.byteLength ? edns : 'malformed';
}

function skipName(view: DataView, from: number): number {
  let at = from;
  while (at < view.byteLength && at - from < NAME_BYTES_MAX) {
    const length = view.getUint8(at);
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    if (length > LABEL_BYTES_MAX) return MALFORMED;
    at += 1 + length;
  }
  return MALFORMED;
}
