/**
 * What a head means as a whole, and which combinations are refused: framing (RFC 9112 §6), target and Host (§3.2), Connection
 * (RFC 9110 §7.6.1).
 */
import { BYTE_CLASS, CLASS_HOST } from './codes.ts';
import { fail, FRAMING, METHOD, SLOT, text } from './head.ts';
import type { Http1Head } from './head.ts';
import { equalsIgnoreCase, HEADER, headerKind } from './header-kind.ts';

const SP = 0x20;
const HTAB = 0x09;
const COLON = 0x3a;
const COMMA = 0x2c;
const SLASH = 0x2f;

const WORD_CHUNKED = Buffer.from('chunked');
const WORD_CLOSE = Buffer.from('close');
const WORD_KEEP_ALIVE = Buffer.from('keep-alive');
const WORD_UPGRADE = Buffer.from('upgrade');
const WORD_H2C = Buffer.from('h2c');
const WORD_HTTP = Buffer.from('http');

/** What a field means for the message as a whole; false with `head.error` set. */
export function noteField(head: Http1Head, kind: number, index: number): boolean {
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

/** Target, Host, Connection and framing of a request; false with `head.error` set. */
export function finishRequest(head: Http1Head): boolean {
  if (!checkTarget(head) || !checkHost(head)) return false;
  if (!noteConnection(head)) return false;
  const chunked = head.has(HEADER.transferEncoding);
  if (chunked && head.has(HEADER.contentLength)) return fail(head, 'length_and_encoding') > 0;
  if (chunked && head.minor === 0) return fail(head, 'bad_transfer_encoding') > 0;
  if (chunked) head.framing = FRAMING.chunked;
  else if (head.contentLength > 0) head.framing = FRAMING.length;
  return true;
}

/** Connection and framing of a response; false with `head.error` set. */
export function finishResponse(head: Http1Head, requestMethod: number): boolean {
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
