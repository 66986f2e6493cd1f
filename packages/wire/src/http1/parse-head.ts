/** Strict HTTP/1 head parser over bytes (RFC 9112 §2-5), one pass; what the fields mean is decided in `head-rules.ts`. */
import { BYTE_CLASS, CLASS_TARGET, CLASS_TOKEN, CLASS_VALUE, HEAD_BYTES_MAX, HEADERS_MAX } from './codes.ts';
import type { Http1Error } from './codes.ts';
import { fail, FRAMING, growSlots, METHOD, SLOT } from './head.ts';
import type { Http1Head } from './head.ts';
import { finishRequest, finishResponse, noteField } from './head-rules.ts';
import { HEADER, headerKind } from './header-kind.ts';

/** Results of a parse besides errors: a positive number is the position after the head. */
export const INCOMPLETE = 0;

const CR = 0x0d;
const LF = 0x0a;
const SP = 0x20;
const HTAB = 0x09;
const COLON = 0x3a;
const SLASH = 0x2f;

const METHODS: readonly (readonly [Uint8Array, number])[] = Object.entries(METHOD)
  .filter(([, id]) => id !== METHOD.other)
  .map(([name, id]) => [Buffer.from(name.toUpperCase()), id] as const);

/** @returns the position after the head, {@link INCOMPLETE}, or -1 with `head.error` set. */
export function parseRequestHead(head: Http1Head, bytes: Uint8Array, from: number, to: number): number {
  begin(head, bytes, from);
  let at = from;
  while (at < to && (BYTE_CLASS[bytes[at] as number]! & CLASS_TOKEN) !== 0) at += 1;
  if (at === to) return short(head, from, to);
  if (bytes[at] !== SP || at === from) return fail(head, lineError(bytes[at] as number, 'bad_method'));
  head.methodEnd = at;
  head.method = methodOf(bytes, from, at);
  at += 1;
  head.targetStart = at;
  while (at < to && (BYTE_CLASS[bytes[at] as number]! & CLASS_TARGET) !== 0) at += 1;
  if (at === to) return short(head, from, to);
  if (bytes[at] !== SP || at === head.targetStart) return fail(head, lineError(bytes[at] as number, 'bad_target'));
  head.targetEnd = at;
  at += 1;
  if (to - at < 10) return partialVersion(head, bytes, from, at, to);
  const minor = versionAt(bytes, at);
  if (minor < 0) return fail(head, 'bad_version');
  if (bytes[at + 8] !== CR || bytes[at + 9] !== LF) {
    return fail(head, bytes[at + 8] === LF || bytes[at + 8] === CR ? 'bad_line_end' : 'bad_version');
  }
  head.minor = minor;
  const end = parseFields(head, bytes, at + 10, to);
  if (end <= 0) return end;
  return finishRequest(head) ? end : -1;
}

/**
 * @param requestMethod One of {@link METHOD}: what was asked decides the framing of the answer.
 * @returns the position after the head, {@link INCOMPLETE}, or -1 with `head.error` set.
 */
export function parseResponseHead(
  head: Http1Head,
  bytes: Uint8Array,
  from: number,
  to: number,
  requestMethod: number,
): number {
  begin(head, bytes, from);
  if (to - from < 13) {
    // "HTTP/1.1 200\r" is 13 bytes: with fewer there is no complete line, but nonsense is known early.
    return to - from >= 8 && versionAt(bytes, from) < 0 ? fail(head, 'bad_status_line') : INCOMPLETE;
  }
  const minor = versionAt(bytes, from);
  if (minor < 0 || bytes[from + 8] !== SP) return fail(head, 'bad_status_line');
  let status = 0;
  for (let at = from + 9; at < from + 12; at += 1) {
    const digit = (bytes[at] as number) - 0x30;
    if (digit < 0 || digit > 9) return fail(head, 'bad_status_line');
    status = status * 10 + digit;
  }
  if (status < 100) return fail(head, 'bad_status_line');
  head.minor = minor;
  head.status = status;
  let at = from + 12;
  if (bytes[at] === SP) {
    at += 1;
    while (at < to && (BYTE_CLASS[bytes[at] as number]! & CLASS_VALUE) !== 0) at += 1;
  }
  if (at + 1 >= to) return short(head, from, to);
  if (bytes[at] !== CR || bytes[at + 1] !== LF) return fail(head, lineError(bytes[at] as number, 'bad_status_line'));
  const end = parseFields(head, bytes, at + 2, to);
  if (end <= 0) return end;
  return finishResponse(head, requestMethod) ? end : -1;
}

function begin(head: Http1Head, bytes: Uint8Array, from: number): void {
  head.bytes = bytes;
  head.start = from;
  head.count = 0;
  head.host = -1;
  head.kinds = 0;
  head.framing = FRAMING.none;
  head.contentLength = 0;
  head.keepAlive = true;
  head.upgrade = false;
  head.error = undefined;
}

function short(head: Http1Head, from: number, to: number): number {
  return to - from > HEAD_BYTES_MAX ? fail(head, 'head_too_large') : INCOMPLETE;
}

function lineError(byte: number, otherwise: Http1Error): Http1Error {
  return byte === CR || byte === LF
    ? otherwise === 'bad_status_line'
      ? 'bad_line_end'
      : 'bad_request_line'
    : otherwise;
}

function partialVersion(head: Http1Head, bytes: Uint8Array, from: number, at: number, to: number): number {
  const want = 'HTTP/1.';
  for (let offset = 0; offset < want.length && at + offset < to; offset += 1) {
    if (bytes[at + offset] !== want.charCodeAt(offset)) return fail(head, 'bad_version');
  }
  return short(head, from, to);
}

/** 0 or 1 for HTTP/1.x, else -1. */
function versionAt(bytes: Uint8Array, at: number): number {
  const http =
    bytes[at] === 0x48 &&
    bytes[at + 1] === 0x54 &&
    bytes[at + 2] === 0x54 &&
    bytes[at + 3] === 0x50 &&
    bytes[at + 4] === SLASH &&
    bytes[at + 5] === 0x31 &&
    bytes[at + 6] === 0x2e;
  const minor = (bytes[at + 7] as number) - 0x30;
  return http && (minor === 0 || minor === 1) ? minor : -1;
}

function methodOf(bytes: Uint8Array, start: number, end: number): number {
  for (const [name, id] of METHODS) {
    if (name.length !== end - start) continue;
    let at = 0;
    while (at < name.length && name[at] === bytes[start + at]) at += 1;
    if (at === name.length) return id;
  }
  return METHOD.other;
}

/** Field lines up to and with the empty line. */
function parseFields(head: Http1Head, bytes: Uint8Array, from: number, to: number): number {
  head.fieldsStart = from;
  let { slots } = head;
  let at = from;
  for (;;) {
    if (at >= to) return short(head, head.start, to);
    const nameStart = at;
    while (at < to && (BYTE_CLASS[bytes[at] as number]! & CLASS_TOKEN) !== 0) at += 1;
    if (at === to) return short(head, head.start, to);
    if (at === nameStart) return endOfFields(head, bytes, at, to);
    if (bytes[at] !== COLON) return fail(head, 'bad_header_name');
    if (head.count === HEADERS_MAX) return fail(head, 'too_many_headers');
    const slot = head.count * SLOT;
    if (slot === slots.length) slots = growSlots(head);
    slots[slot] = nameStart;
    slots[slot + 1] = at;
    at += 1;
    while (at < to && (bytes[at] === SP || bytes[at] === HTAB)) at += 1;
    slots[slot + 2] = at;
    while (at < to && (BYTE_CLASS[bytes[at] as number]! & CLASS_VALUE) !== 0) at += 1;
    if (at + 1 >= to) {
      if (at < to && bytes[at] !== CR) return fail(head, bytes[at] === LF ? 'bad_line_end' : 'bad_header_value');
      return short(head, head.start, to);
    }
    if (bytes[at] !== CR) return fail(head, bytes[at] === LF ? 'bad_line_end' : 'bad_header_value');
    if (bytes[at + 1] !== LF) return fail(head, 'bad_line_end');
    let valueEnd = at;
    const valueStart = slots[slot + 2] as number;
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HTAB)) valueEnd -= 1;
    slots[slot + 3] = valueEnd;
    const kind = headerKind(bytes, nameStart, slots[slot + 1] as number);
    slots[slot + 4] = kind;
    head.count += 1;
    at += 2;
    if (kind !== HEADER.other && !noteField(head, kind, head.count - 1)) return -1;
    if (at - head.start > HEAD_BYTES_MAX) return fail(head, 'head_too_large');
  }
}

function endOfFields(head: Http1Head, bytes: Uint8Array, at: number, to: number): number {
  const byte = bytes[at] as number;
  if (byte === CR) {
    if (at + 1 >= to) return short(head, head.start, to);
    if (bytes[at + 1] !== LF) return fail(head, 'bad_line_end');
    head.end = at + 2;
    return head.end - head.start > HEAD_BYTES_MAX ? fail(head, 'head_too_large') : head.end;
  }
  if (byte === SP || byte === HTAB) return fail(head, 'folded_header');
  return fail(head, byte === LF ? 'bad_line_end' : 'bad_header_name');
}
