/**
 * Looks at the first bytes of a connection: is it TLS, and for which name and protocols (RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301)?
 * Nothing is consumed; the owner keeps the bytes and hands them to TLS, or on.
 *
 *   record: 0x16 | version 2 | length 2 | fragment…      (a hello may span records and segments)
 *   hello:  0x01 | length 3 | version 2 | random 32 | session id | cipher suites | compression | extensions
 */

/** What must hold a hello, records included. A post-quantum key share makes hellos of 1.2 to 1.8 KB. */
export const CLIENT_HELLO_BYTES_MAX = 8192;

export type ClientHelloResult =
  | { readonly kind: 'incomplete' }
  /** Not the start of a TLS handshake. */
  | { readonly kind: 'not_tls' }
  /** It began like one and is broken, or too long. */
  | { readonly kind: 'malformed' }
  | { readonly kind: 'hello'; readonly sni: string | undefined; readonly alpn: readonly string[] };

const RECORD_HANDSHAKE = 0x16;
const CLIENT_HELLO = 1;
const EXTENSION_SERVER_NAME = 0;
const EXTENSION_ALPN = 16;

const INCOMPLETE: ClientHelloResult = { kind: 'incomplete' };
const NOT_TLS: ClientHelloResult = { kind: 'not_tls' };
const MALFORMED: ClientHelloResult = { kind: 'malformed' };

/** @param bytes All bytes of the connection so far. */
export function readClientHello(bytes: Uint8Array): ClientHelloResult {
  if (bytes.length > 0 && bytes[0] !== RECORD_HANDSHAKE) return NOT_TLS;
  if (bytes.length > 1 && bytes[1] !== 3) return NOT_TLS;
  const fragments: Uint8Array[] = [];
  let held = 0;
  let needed = 4;
  let at = 0;
  while (held < needed) {
    if (at + 5 > bytes.length) return more(bytes);
    if (bytes[at] !== RECORD_HANDSHAKE || bytes[at + 1] !== 3) return MALFORMED;
    const length = uint16(bytes, at + 3);
    // Plaintext records end at 2^14; an empty one would let a peer spin.
    if (length === 0 || length > 16384) return MALFORMED;
    const fragment = bytes.subarray(at + 5, Math.min(at + 5 + length, bytes.length));
    fragments.push(fragment);
    held += fragment.length;
    if (held >= 4 && needed === 4) {
      const start = fragments.length === 1 ? fragment : Buffer.concat(fragments);
      if (start[0] !== CLIENT_HELLO) return fragments.length === 1 ? NOT_TLS : MALFORMED;
      needed = 4 + (start[1] as number) * 65536 + uint16(start, 2);
      if (needed > CLIENT_HELLO_BYTES_MAX) return MALFORMED;
    }
    if (fragment.length < length && held < needed) return more(bytes);
    at += 5 + length;
  }
  const hello = fragments.length === 1 ? (fragments[0] as Uint8Array) : Buffer.concat(fragments);
  return parseHello(hello.subarray(4, needed));
}

function more(bytes: Uint8Array): ClientHelloResult {
  return bytes.length >= CLIENT_HELLO_BYTES_MAX ? MALFORMED : INCOMPLETE;
}

function parseHello(body: Uint8Array): ClientHelloResult {
  const at = skip(body, skip(body, skip(body, 34, 1), 2), 1);
  if (at < 0) return MALFORMED;
  if (at === body.length) return { kind: 'hello', sni: undefined, alpn: [] };
  const end = skip(body, at, 2);
  if (end < 0) return MALFORMED;
  let sni: string | undefined;
  let alpn: readonly string[] = [];
  let next = at + 2;
  while (next < end) {
    const type = uint16(body, next);
    const over = skip(body.subarray(0, end), next + 2, 2);
    if (over < 0) return MALFORMED;
    const content = body.subarray(next + 4, over);
    if (type === EXTENSION_SERVER_NAME) {
      const name = serverName(content);
      if (name === undefined) return MALFORMED;
      sni = name;
    } else if (type === EXTENSION_ALPN) {
      const protocols = protocolNames(content);
      if (protocols === undefined) return MALFORMED;
      alpn = protocols;
    }
    next = over;
  }
  return { kind: 'hello', sni, alpn };
}

function serverName(content: Uint8Array): string | undefined {
  // list length 2 | type 1 (host_name = 0) | length 2 | name
  const end = skip(content, 3, 2);
  if (content[2] !== 0 || end < 0 || uint16(content, 0) + 2 !== content.length) return undefined;
  const name = Buffer.from(content.subarray(5, end)).toString('latin1');
  return /^[\x21-\x7e]+$/.test(name) ? name.toLowerCase() : undefined;
}

function protocolNames(content: Uint8Array): readonly string[] | undefined {
  const end = skip(content, 0, 2);
  if (end !== content.length) return undefined;
  const names: string[] = [];
  let at = 2;
  while (at < end) {
    const over = skip(content, at, 1);
    if (over < 0 || over === at + 1) return undefined;
    names.push(Buffer.from(content.subarray(at + 1, over)).toString('latin1'));
    at = over;
  }
  return names;
}

/** Position after a vector with a length prefix of `width` bytes; -1 when it does not fit (or `at` is -1 already). */
function skip(bytes: Uint8Array, at: number, width: 1 | 2): number {
  if (at < 0 || at + width > bytes.length) return -1;
  const length = width === 1 ? (bytes[at] as number) : uint16(bytes, at);
  const end = at + width + length;
  return end > bytes.length ? -1 : end;
}

function uint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}
