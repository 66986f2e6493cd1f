/**
 * Strict HTTP/1 head parser over bytes (RFC 9112 §2-6): one pass, positions instead of strings.
 *
 * A head object is reused for message after message; it points into the bytes it was parsed from.
 *
 *   slots, five per field:  name start | name end | value start | value end | kind
 *   a field's line spans from its name start to the next field's name start
 */
import {
  BYTE_CLASS,
  CLASS_HOST,
  CLASS_TARGET,
  CLASS_TOKEN,
  CLASS_VALUE,
  HEAD_BYTES_MAX,
  HEADERS_MAX,
} from './codes.ts';
import type { Http1Error } from './codes.ts';
import { equalsIgnoreCase, HEADER, headerKind } from './header-kind.ts';

export const FRAMING = { none: 0, length: 1, chunked: 2, close: 3 } as const;

/** Results of a parse besides errors: a positive number is the position after the head. */
export const INCOMPLETE = 0;

const SLOT = 5;
/** Room for fields at first; an idle connection keeps a head. */
const FIELDS_FIRST = 16;
const CR = 0x0d;
const LF = 0x0a;
const SP = 0x20;
const HTAB = 0x09;
const COLON = 0x3a;
const COMMA = 0x2c;
const SLASH = 0x2f;

export const METHOD = {
  other: 0,
  get: 1,
  head: 2,
  post: 3,
  put: 4,
  delete: 5,
  options: 6,
  connect: 7,
  patch: 8,
} as const;
const METHODS: readonly (readonly [Uint8Array, number])[] = Object.entries(METHOD)
  .filter(([, id]) => id !== METHOD.other)
  .map(([name, id]) => [Buffer.from(name.toUpperCase()), id] as const);

const WORD_CHUNKED = Buffer.from('chunked');
const WORD_CLOSE = Buffer.from('close');
const WORD_KEEP_ALIVE = Buffer.from('keep-alive');
const WORD_UPGRADE = Buffer.from('upgrade');
const WORD_H2C = Buffer.from('h2c');
const WORD_HTTP = Buffer.from('http');

export class Http1Head {
  bytes: Uint8Array;
  /** First byte of the start line. */
  start: number;
  /** Position after the empty line. */
  end: number;
  /** Position after the start line's CRLF. */
  fieldsStart: number;
  count: number;
  /** Grows with the longest message seen: most have a dozen fields. */
  slots: Int32Array;
  /** 0 or 1. */
  minor: number;
  /** One of {@link METHOD}; requests only. */
  method: number;
  methodEnd: number;
  targetStart: number;
  targetEnd: number;
  /** Responses only. */
  status: number;
  /** One of {@link FRAMING}. */
  framing: number;
  contentLength: number;
  /** The sender lets the connection live after this message. */
  keepAlive: boolean;
  /** Connection says upgrade and Upgrade names a protocol other than h2c. */
  upgrade: boolean;
  /** Index of the Host field, or -1. */
  host: number;
  /** Bits of the kinds that occur. */
  kinds: number;
  error: Http1Error | undefined;

  constructor() {
    this.bytes = new Uint8Array(0);
    this.start = 0;
    this.end = 0;
    this.fieldsStart = 0;
    this.count = 0;
    this.slots = new Int32Array(FIELDS_FIRST * SLOT);
    this.minor = 1;
    this.method = METHOD.other;
    this.methodEnd = 0;
    this.targetStart = 0;
    this.targetEnd = 0;
    this.status = 0;
    this.framing = FRAMING.none;
    this.contentLength = 0;
    this.keepAlive = true;
    this.upgrade = false;
    this.host = -1;
    this.kinds = 0;
    this.error = undefined;
  }

  nameStart(index: number): number {
    return this.slots[index * SLOT] as number;
  }
  nameEnd(index: number): number {
    return this.slots[index * SLOT + 1] as number;
  }
  valueStart(index: number): number {
    return this.slots[index * SLOT + 2] as number;
  }
  valueEnd(index: number): number {
    return this.slots[index * SLOT + 3] as number;
  }
  kind(index: number): number {
    return this.slots[index * SLOT + 4] as number;
  }
  /** Where the field's line ends: the next line's start. */
  lineEnd(index: number): number {
    return index + 1 < this.count ? this.nameStart(index + 1) : this.end - 2;
  }

  has(kind: number): boolean {
    return (this.kinds & (1 << kind)) !== 0;
  }

  /** Index of the first field of this kind, or -1. */
  find(kind: number): number {
    if (!this.has(kind)) return -1;
    for (let index = 0; index < this.count; index += 1) if (this.kind(index) === kind) return index;
    return -1;
  }

  /** Text of a value; makes a string. */
  value(index: number): string {
    return text(this.bytes, this.valueStart(index), this.valueEnd(index));
  }
  name(index: number): string {
    return text(this.bytes, this.nameStart(index), this.nameEnd(index)).toLowerCase();
  }
  methodText(): string {
    return text(this.bytes, this.start, this.methodEnd);
  }
  target(): string {
    return text(this.bytes, this.targetStart, this.targetEnd);
  }
}

function text(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
}

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

function fail(head: Http1Head, error: Http1Error): number {
  head.error = error;
  return -1;
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
    if (slot === slots.length) slots = grow(head);
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

function grow(head: Http1Head): Int32Array {
  const grown = new Int32Array(Math.min(head.slots.length * 2, HEADERS_MAX * SLOT));
  grown.set(head.slots);
  head.slots = grown;
  return grown;
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

/** What a field means for the message as a whole; false with `head.error` set. */
function noteField(head: Http1Head, kind: number, index: number): boolean {
  const repeated = head.has(kind);
  head.kinds |= 1 << kind;
  switch (kind) {
    case HEADER.host:
      if (repeated) return fail(head, 'several_hosts') > 0;
      head.host = index;
      return true;
    case HEADER.contentLength:
      if (repeated) return fail(head, 'several_content_lengths') > 0;
      return noteContentLength(head, index);
    case HEADER.transferEncoding:
      if (repeated || head.valueEnd(index) - head.valueStart(index) !== WORD_CHUNKED.length) {
        return fail(head, 'bad_transfer_encoding') > 0;
      }
      if (!equalsIgnoreCase(head.bytes, head.valueStart(index), WORD_CHUNKED)) {
        return fail(head, 'bad_transfer_encoding') > 0;
      }
      return true;
    default:
      return true;
  }
}

function noteContentLength(head: Http1Head, index: number): boolean {
  const start = head.valueStart(index);
  const end = head.valueEnd(index);
  // 15 digits stay below 2^53, and a petabyte is enough.
  if (end === start || end - start > 15) return fail(head, 'bad_content_length') > 0;
  let length = 0;
  for (let at = start; at < end; at += 1) {
    const digit = (head.bytes[at] as number) - 0x30;
    if (digit < 0 || digit > 9) return fail(head, 'bad_content_length') > 0;
    length = length * 10 + digit;
  }
  head.contentLength = length;
  return true;
}

function finishRequest(head: Http1Head): boolean {
  if (!checkTarget(head) || !checkHost(head)) return false;
  if (!noteConnection(head)) return false;
  const chunked = head.has(HEADER.transferEncoding);
  if (chunked && head.has(HEADER.contentLength)) return fail(head, 'length_and_encoding') > 0;
  if (chunked && head.minor === 0) return fail(head, 'bad_transfer_encoding') > 0;
  if (chunked) head.framing = FRAMING.chunked;
  else if (head.contentLength > 0) head.framing = FRAMING.length;
  return true;
}

function finishResponse(head: Http1Head, requestMethod: number): boolean {
  if (!noteConnection(head)) return false;
  const chunked = head.has(HEADER.transferEncoding);
  const { status } = head;
  if (chunked && head.has(HEADER.contentLength)) return fail(head, 'length_and_encoding') > 0;
  if (chunked && head.minor === 0) return fail(head, 'bad_transfer_encoding') > 0;
  if (status < 200 || status === 204) {
    // RFC 9110 §8.6, RFC 9112 §6.1: neither may announce a body; a length of 0 is common and says the truth.
    if (chunked || head.contentLength > 0) return fail(head, 'unexpected_body') > 0;
    return true;
  }
  if (status === 304 || requestMethod === METHOD.head) return true;
  // A tunnel follows; framing fields in it mean nothing (RFC 9110 §9.3.6) and are refused.
  if (requestMethod === METHOD.connect && status < 300) {
    return chunked || head.contentLength > 0 ? fail(head, 'unexpected_body') > 0 : true;
  }
  if (chunked) head.framing = FRAMING.chunked;
  else if (!head.has(HEADER.contentLength)) head.framing = FRAMING.close;
  else if (head.contentLength > 0) head.framing = FRAMING.length;
  if (head.framing === FRAMING.close) head.keepAlive = false;
  return true;
}

/** Forms of RFC 9112 §3.2: origin, absolute (http only), authority for CONNECT, asterisk for OPTIONS. */
function checkTarget(head: Http1Head): boolean {
  const { bytes, targetStart, targetEnd, method } = head;
  if (method === METHOD.connect) {
    return allHostBytes(bytes, targetStart, targetEnd) ? true : fail(head, 'bad_target') > 0;
  }
  if (bytes[targetStart] === SLASH) return true;
  if (bytes[targetStart] === 0x2a && targetEnd - targetStart === 1 && method === METHOD.options) return true;
  return absoluteAuthority(head) === undefined ? fail(head, 'bad_target') > 0 : true;
}

/** `[start, end]` of the authority of an absolute target; undefined when the target is not of that form. */
export function absoluteAuthority(head: Http1Head): readonly [number, number] | undefined {
  const { bytes, targetStart, targetEnd } = head;
  let at = targetStart + 4;
  if (targetEnd - targetStart < 8 || !equalsIgnoreCase(bytes, targetStart, WORD_HTTP)) return undefined;
  if (bytes[at] !== COLON || bytes[at + 1] !== SLASH || bytes[at + 2] !== SLASH) return undefined;
  at += 3;
  const start = at;
  while (at < targetEnd && (BYTE_CLASS[bytes[at] as number]! & CLASS_HOST) !== 0) at += 1;
  if (at === start || (at < targetEnd && bytes[at] !== SLASH && bytes[at] !== 0x3f)) return undefined;
  return [start, at];
}

function checkHost(head: Http1Head): boolean {
  if (head.host < 0) return head.minor === 1 ? fail(head, 'missing_host') > 0 : true;
  const start = head.valueStart(head.host);
  const end = head.valueEnd(head.host);
  if (!allHostBytes(head.bytes, start, end) && start !== end) return fail(head, 'bad_host') > 0;
  if (head.bytes[head.targetStart] === SLASH || head.method === METHOD.connect) return true;
  const authority = absoluteAuthority(head);
  if (authority === undefined) return true;
  const same =
    text(head.bytes, authority[0], authority[1]).toLowerCase() === text(head.bytes, start, end).toLowerCase();
  return same ? true : fail(head, 'host_mismatch') > 0;
}

function allHostBytes(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if ((BYTE_CLASS[bytes[at] as number]! & CLASS_HOST) === 0) return false;
  return end > start;
}

/** Reads Connection (RFC 9110 §7.6.1): persistence, upgrade, and which other fields go no further. */
function noteConnection(head: Http1Head): boolean {
  head.keepAlive = head.minor === 1;
  if (!head.has(HEADER.connection)) return true;
  let asksUpgrade = false;
  let asksClose = false;
  for (let index = 0; index < head.count; index += 1) {
    if (head.kind(index) !== HEADER.connection) continue;
    const end = head.valueEnd(index);
    let at = head.valueStart(index);
    while (at < end) {
      const start = at;
      while (at < end && head.bytes[at] !== COMMA) at += 1;
      const option = trimmed(head.bytes, start, at);
      at += 1;
      if (option.length === 0) continue;
      if (isWord(option, WORD_CLOSE)) asksClose = true;
      else if (isWord(option, WORD_KEEP_ALIVE)) head.keepAlive = true;
      else if (isWord(option, WORD_UPGRADE)) asksUpgrade = true;
      else if (!dropNamed(head, option)) return false;
    }
  }
  // close wins over keep-alive wherever it stands.
  if (asksClose) head.keepAlive = false;
  if (asksUpgrade && head.minor === 1) {
    const upgrade = head.find(HEADER.upgrade);
    // h2c by Upgrade would hide requests from this hop (and from those after it): it goes on as plain HTTP/1.1.
    head.upgrade =
      upgrade >= 0 && !isWord(trimmed(head.bytes, head.valueStart(upgrade), head.valueEnd(upgrade)), WORD_H2C);
  }
  return true;
}

/** Marks the fields that a Connection option names; refuses options that would take framing or routing away. */
function dropNamed(head: Http1Head, option: Uint8Array): boolean {
  const kind = headerKind(option, 0, option.length);
  if (kind === HEADER.host || kind === HEADER.contentLength || kind === HEADER.transferEncoding) {
    return fail(head, 'bad_connection') > 0;
  }
  const lower = Buffer.from(option).toString('latin1').toLowerCase();
  for (let index = 0; index < head.count; index += 1) {
    if (head.kind(index) !== HEADER.other || head.name(index) !== lower) continue;
    head.slots[index * SLOT + 4] = HEADER.connectionNamed;
    head.kinds |= 1 << HEADER.connectionNamed;
  }
  return true;
}

function trimmed(bytes: Uint8Array, start: number, end: number): Uint8Array {
  let from = start;
  let to = end;
  while (from < to && (bytes[from] === SP || bytes[from] === HTAB)) from += 1;
  while (to > from && (bytes[to - 1] === SP || bytes[to - 1] === HTAB)) to -= 1;
  return bytes.subarray(from, to);
}

function isWord(option: Uint8Array, word: Uint8Array): boolean {
  return option.length === word.length && equalsIgnoreCase(option, 0, word);
}
