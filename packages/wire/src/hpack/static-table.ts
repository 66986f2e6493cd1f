/** The static table of HPACK, RFC 7541 Appendix A: index 1..61. */
import { nameKind } from './name-kind.ts';
import { classOf } from './string-reader.ts';

/** Alternating name and value; entry `n` (1-based) is at `2 * (n - 1)`. */
export const STATIC_TABLE: readonly string[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language', ''],
  ['accept-ranges', ''],
  ['accept', ''],
  ['access-control-allow-origin', ''],
  ['age', ''],
  ['allow', ''],
  ['authorization', ''],
  ['cache-control', ''],
  ['content-disposition', ''],
  ['content-encoding', ''],
  ['content-language', ''],
  ['content-length', ''],
  ['content-location', ''],
  ['content-range', ''],
  ['content-type', ''],
  ['cookie', ''],
  ['date', ''],
  ['etag', ''],
  ['expect', ''],
  ['expires', ''],
  ['from', ''],
  ['host', ''],
  ['if-match', ''],
  ['if-modified-since', ''],
  ['if-none-match', ''],
  ['if-range', ''],
  ['if-unmodified-since', ''],
  ['last-modified', ''],
  ['link', ''],
  ['location', ''],
  ['max-forwards', ''],
  ['proxy-authenticate', ''],
  ['proxy-authorization', ''],
  ['range', ''],
  ['referer', ''],
  ['refresh', ''],
  ['retry-after', ''],
  ['server', ''],
  ['set-cookie', ''],
  ['strict-transport-security', ''],
  ['transfer-encoding', ''],
  ['user-agent', ''],
  ['vary', ''],
  ['via', ''],
  ['www-authenticate', ''],
].flat();

export const STATIC_ENTRIES: number = STATIC_TABLE.length / 2;

/** Per entry: the kind of its name (see `name-kind.ts`), and the byte classes of its value. */
export const STATIC_KINDS: Uint8Array = Uint8Array.from({ length: STATIC_ENTRIES }, (_, at) =>
  nameKind(STATIC_TABLE[2 * at] as string),
);
export const STATIC_CLASSES: Uint8Array = Uint8Array.from({ length: STATIC_ENTRIES }, (_, at) =>
  classOf(STATIC_TABLE[2 * at + 1] as string),
);
