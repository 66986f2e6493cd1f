/**
 * Field lists of HTTP/2 as heads of HTTP/1 (RFC 9113 §8.1 to §8.3, RFC 9112 §3, §6). This is where requests are smuggled when a proxy
 * is careless, so every byte is looked at again here, whatever was checked before, and what HTTP/1 could read in another way is refused.
 */
import { BYTE_CLASS, CLASS_HOST, CLASS_TARGET, CLASS_TOKEN, CLASS_VALUE } from '../http1/codes.ts';
import { FRAMING, METHOD } from '../http1/head.ts';
import type { HeadEdits } from '../http1/head-writer.ts';
import { HEADER, headerBit, HOP_BY_HOP } from '../http1/header-kind.ts';
import type { TranslateError } from './errors.ts';
import { fieldKind } from './field-kind.ts';
import type { OrigProto } from './orig-proto.ts';
import { reasonPhrase } from './reason-phrase.ts';

/** What cannot stand in a list of HTTP/2 at all (RFC 9113 §8.2.2); TE is looked at apart. */
const FORBIDDEN =
  (HOP_BY_HOP | headerBit(HEADER.transferEncoding)) & ~(headerBit(HEADER.te) | headerBit(HEADER.http2Settings));
const DROPPED = headerBit(HEADER.te) | headerBit(HEADER.http2Settings) | headerBit(HEADER.host);

/**
 * Bytes of the request head for an HTTP/1 server, or why there are none.
 * @param fields What `headers` gave, pseudo fields first.
 * @param end END_STREAM came with them: no body follows.
 * @param as Version and target form to write; {@link HTTP_1_1} unless `l5d-orig-proto` says otherwise.
 * @param edits `add` and `authority` were made by the caller and are not checked again.
 */
export function h1RequestHead(
  fields: readonly string[],
  end: boolean,
  as: OrigProto,
  edits: HeadEdits,
): Buffer | TranslateError {
  const start = readRequestStart(fields);
  if (typeof start === 'string') return start;
  const { method, path } = start;
  let { authority } = start;
  if (edits.authority !== undefined) authority = Buffer.from(edits.authority).toString('latin1');
  const lines = fieldLinesOf(fields, edits.drop | DROPPED, authority);
  if (typeof lines === 'number') return LINE_ERRORS[lines] as TranslateError;
  authority ??= hostOf(fields);
  if (authority === undefined && as.minor === 1) return 'missing_authority';
  const framing = h1RequestFraming(fields, end);
  if (framing < 0) return 'bad_content_length';
  if (framing === FRAMING.chunked && as.minor === 0) return 'length_required';
  const target = as.absolute && authority !== undefined && path !== '*' ? `http://${authority}${path}` : path;
  const host = authority === undefined ? '' : `host: ${authority}\r\n`;
  const length = framing === FRAMING.chunked ? CHUNKED : needsZeroLength(method, fields, end) ? ZERO_LENGTH : '';
  return assemble(`${method} ${target} HTTP/1.${as.minor}\r\n${host}${lines}${length}`, edits.add);
}

/**
 * Bytes of the response head for an HTTP/1 client, or why there are none. Without content-length the body is chunked for HTTP/1.1 and
 * ends with the connection for HTTP/1.0; the caller adds `connection` fields.
 * @param requestMethod One of METHOD. @param minor The client's version.
 */
export function h1ResponseHead(
  fields: readonly string[],
  end: boolean,
  requestMethod: number,
  minor: number,
  edits: HeadEdits,
): Buffer | TranslateError {
  const status = statusOf(fields);
  // 101 does not exist in HTTP/2 (RFC 9113 §8.6): to an HTTP/1 client it would open a tunnel.
  if (status < 0 || status === 101) return 'bad_status';
  const lines = fieldLinesOf(fields, edits.drop | DROPPED, undefined);
  if (typeof lines === 'number') return LINE_ERRORS[lines] as TranslateError;
  const framing = h1ResponseFraming(fields, end, requestMethod, minor);
  if (framing < 0) return 'bad_content_length';
  const bodiless = status < 200 || status === 204 || status === 304 || requestMethod === METHOD.head;
  const zero = end && !bodiless && lengthOf(fields) === NO_LENGTH;
  const length = framing === FRAMING.chunked ? CHUNKED : zero ? ZERO_LENGTH : '';
  return assemble(`HTTP/1.${minor} ${status} ${reasonPhrase(status)}\r\n${lines}${length}`, edits.add);
}

/** How {@link h1RequestHead} frames the body: one of FRAMING; -1 when the lengths contradict. */
export function h1RequestFraming(fields: readonly string[], end: boolean): number {
  const length = lengthOf(fields);
  if (length === BAD_LENGTH || (end && length > 0)) return -1;
  if (end) return FRAMING.none;
  return length === NO_LENGTH ? FRAMING.chunked : length === 0 ? FRAMING.none : FRAMING.length;
}

/** How {@link h1ResponseHead} frames the body: one of FRAMING; -1 when the lengths contradict. */
export function h1ResponseFraming(
  fields: readonly string[],
  end: boolean,
  requestMethod: number,
  minor: number,
): number {
  const status = statusOf(fields);
  const length = lengthOf(fields);
  if (length === BAD_LENGTH) return -1;
  if (status < 200 || status === 204) return length > 0 ? -1 : FRAMING.none;
  if (status === 304 || requestMethod === METHOD.head) return FRAMING.none;
  if (end) return length > 0 ? -1 : FRAMING.none;
  if (length !== NO_LENGTH) return length === 0 ? FRAMING.none : FRAMING.length;
  return minor === 0 ? FRAMING.close : FRAMING.chunked;
}

interface RequestStart {
  readonly method: string;
  readonly path: string;
  readonly authority: string | undefined;
}

function readRequestStart(fields: readonly string[]): RequestStart | TranslateError {
  let method = '';
  let path = '';
  let authority: string | undefined;
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    if (name.charCodeAt(0) !== COLON) break;
    const value = fields[at + 1] as string;
    if (name === ':method') method = value;
    else if (name === ':path') path = value;
    else if (name === ':authority') authority = value;
    else if (name === ':protocol') return 'no_tunnel';
    else if (name !== ':scheme') return 'bad_field';
  }
  if (!consistsOf(method, CLASS_TOKEN)) return 'bad_method';
  if (method === 'CONNECT') return 'no_tunnel';
  if (authority !== undefined && !consistsOf(authority, CLASS_HOST)) return 'bad_authority';
  if (!consistsOf(path, CLASS_TARGET)) return 'bad_path';
  if (path.charCodeAt(0) !== SLASH && (path !== '*' || method !== 'OPTIONS')) return 'bad_path';
  return { method, path, authority };
}

/** Kinds of refusal of {@link fieldLinesOf}. */
const LINE_ERRORS: readonly TranslateError[] = ['bad_field', 'host_mismatch', 'bad_authority'];

/** Lines of the regular fields that go on, cookies joined (RFC 9113 §8.2.3); or an index into LINE_ERRORS. */
function fieldLinesOf(fields: readonly string[], drop: number, authority: string | undefined): string | number {
  let out = '';
  let cookie = '';
  let host: string | undefined;
  let regular = false;
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    const value = fields[at + 1] as string;
    if (name.charCodeAt(0) === COLON) {
      if (regular) return 0;
      continue;
    }
    regular = true;
    if (!isFieldName(name) || !isFieldValue(value)) return 0;
    const kind = fieldKind(name);
    if (kind === HEADER.other) {
      if (name === 'cookie') cookie = cookie === '' ? value : `${cookie}; ${value}`;
      else out += `${name}: ${value}\r\n`;
      continue;
    }
    const bit = 1 << kind;
    if ((bit & FORBIDDEN) !== 0) return 0;
    if (kind === HEADER.host) {
      if (host !== undefined) return 1;
      if (authority !== undefined && value.toLowerCase() !== authority.toLowerCase()) return 1;
      if (!consistsOf(value, CLASS_HOST)) return 2;
      host = value;
    }
    if ((bit & drop) === 0) out += `${name}: ${value}\r\n`;
  }
  return cookie === '' ? out : `${out}cookie: ${cookie}\r\n`;
}

function hostOf(fields: readonly string[]): string | undefined {
  for (let at = 0; at < fields.length; at += 2) if (fields[at] === 'host') return fields[at + 1];
  return undefined;
}

const NO_LENGTH = -1;
const BAD_LENGTH = -2;

function lengthOf(fields: readonly string[]): number {
  let length = NO_LENGTH;
  for (let at = 0; at < fields.length; at += 2) {
    if (fields[at] !== 'content-length') continue;
    // 15 digits stay below 2^53. The same length twice is refused too: HTTP/1 peers differ on it.
    if (length !== NO_LENGTH || !/^\d{1,15}$/.test(fields[at + 1] as string)) return BAD_LENGTH;
    length = Number(fields[at + 1]);
  }
  return length;
}

function statusOf(fields: readonly string[]): number {
  const value = fields[1] ?? '';
  return fields[0] === ':status' && /^[1-5]\d\d$/.test(value) ? Number(value) : -1;
}

/** RFC 9110 §8.6: methods that expect content say so when there is none. */
function needsZeroLength(method: string, fields: readonly string[], end: boolean): boolean {
  return end && (method === 'POST' || method === 'PUT' || method === 'PATCH') && lengthOf(fields) === NO_LENGTH;
}

function isFieldName(name: string): boolean {
  for (let at = 0; at < name.length; at += 1) {
    const byte = name.charCodeAt(at);
    if (byte > 0xff || (BYTE_CLASS[byte]! & CLASS_TOKEN) === 0 || (byte >= 0x41 && byte <= 0x5a)) return false;
  }
  return name.length > 0;
}

function isFieldValue(value: string): boolean {
  for (let at = 0; at < value.length; at += 1) {
    const byte = value.charCodeAt(at);
    if (byte > 0xff || (BYTE_CLASS[byte]! & CLASS_VALUE) === 0) return false;
  }
  return true;
}

function consistsOf(text: string, byteClass: number): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const byte = text.charCodeAt(at);
    if (byte > 0xff || (BYTE_CLASS[byte]! & byteClass) === 0) return false;
  }
  return text.length > 0;
}

function assemble(head: string, add: Uint8Array): Buffer {
  if (add.length === 0) return Buffer.from(`${head}\r\n`, 'latin1');
  const out = Buffer.allocUnsafe(head.length + add.length + 2);
  const at = out.write(head, 'latin1');
  out.set(add, at);
  out.write('\r\n', at + add.length, 'latin1');
  return out;
}

const COLON = 0x3a;
const SLASH = 0x2f;
const CHUNKED = 'transfer-encoding: chunked\r\n';
const ZERO_LENGTH = 'content-length: 0\r\n';
