/**
 * Why a message is refused, and which bytes may stand where (RFC 9110 §5, RFC 9112).
 *
 * A refused message is never repaired: two readers that repair differently is what request smuggling
 * is made of.
 */

export const HTTP1_ERRORS = {
  head_too_large: 'the head is longer than its limit',
  too_many_headers: 'more header fields than the limit',
  bad_request_line: 'the request line is not METHOD SP TARGET SP VERSION CRLF',
  bad_method: 'the method is not a token',
  bad_target: 'the request target has a form or a byte that is not allowed',
  bad_version: 'the version is not HTTP/1.0 or HTTP/1.1',
  bad_status_line: 'the status line is not VERSION SP 3DIGIT [SP REASON] CRLF',
  bad_line_end: 'a line ends in something other than CRLF',
  bad_header_name: 'a field name is empty, has a byte that is not allowed, or is followed by white space',
  bad_header_value: 'a field value has a byte that is not allowed',
  folded_header: 'a field value is folded over lines',
  missing_host: 'an HTTP/1.1 request without Host',
  several_hosts: 'more than one Host',
  bad_host: 'Host has a byte that is not allowed',
  host_mismatch: 'Host differs from the authority of the absolute target',
  bad_content_length: 'Content-Length is not one decimal number',
  several_content_lengths: 'more than one Content-Length',
  length_and_encoding: 'both Content-Length and Transfer-Encoding',
  bad_transfer_encoding: 'Transfer-Encoding is other than exactly chunked, or is given in HTTP/1.0',
  bad_connection: 'Connection names a field that frames or routes the message',
  unexpected_body: 'a response that cannot have a body announces one',
  bad_chunk_size: 'a chunk size is not a hexadecimal number within limits',
  bad_chunk_extension: 'a chunk extension has a byte that is not allowed, or is too long',
  bad_chunk_end: 'chunk data is not followed by CRLF',
  bad_trailer: 'a trailer field is malformed, or frames or routes the message',
} as const;
export type Http1Error = keyof typeof HTTP1_ERRORS;

/** Longest head, request or status line included. Node 16 KiB, HAProxy 16 KiB, hyper 400 KiB; Linkerd's peers send up to 64 KiB. */
export const HEAD_BYTES_MAX = 64 * 1024;
/** Most header fields. hyper 100, HAProxy 101; a little above both. */
export const HEADERS_MAX = 128;

const TOKEN = 1;
const VALUE = 2;
const TARGET = 4;
const HOST = 8;
const HEX = 16;
const LOWER = 32;

/** Class bits per byte. */
export const BYTE_CLASS: Uint8Array = byteClasses();
export const CLASS_TOKEN = TOKEN;
export const CLASS_VALUE = VALUE;
export const CLASS_TARGET = TARGET;
export const CLASS_HOST = HOST;
/** Token bytes without upper-case letters: names in HTTP/2. */
export const CLASS_LOWER = LOWER;

function byteClasses(): Uint8Array {
  const classes = new Uint8Array(256);
  const add = (bytes: string, bit: number): void => {
    for (const byte of Buffer.from(bytes, 'latin1')) classes[byte] = (classes[byte] ?? 0) | bit;
  };
  const digits = '0123456789';
  const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
  // RFC 9110 §5.6.2
  add(`!#$%&'*+-.^_\`|~${digits}${letters}`, TOKEN);
  add(`!#$%&'*+-.^_\`|~${digits}${letters.slice(0, 26)}`, LOWER);
  // RFC 3986 §3.2.2 without user information, plus the brackets and colons of IPv6 literals.
  add(`-._~%!$&'()*+,;=:[]${digits}${letters}`, HOST);
  add(`${digits}abcdefABCDEF`, HEX);
  for (let byte = 0x21; byte < 0x7f; byte += 1) classes[byte] = (classes[byte] ?? 0) | VALUE | TARGET;
  // Fragments never travel, and these bytes are read differently by different servers.
  for (const byte of Buffer.from('#"<>\\^`{|}')) classes[byte] = (classes[byte] ?? 0) & ~TARGET;
  // Quotes, braces and bars are illegal in a target too, but browsers and tools send them raw, and all readers agree on them.
  add(`"{}|^\``, TARGET);
  add('\t ', VALUE);
  for (let byte = 0x80; byte < 0x100; byte += 1) classes[byte] = (classes[byte] ?? 0) | VALUE;
  return classes;
}
