/** The static table of HPACK, RFC 7541 Appendix A: index 1..61. */

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

const pairs = new Map<string, number>();
const names = new Map<string, number>();
for (let index = STATIC_ENTRIES; index >= 1; index -= 1) {
  const name = STATIC_TABLE[2 * index - 2] ?? '';
  pairs.set(`${name}\0${STATIC_TABLE[2 * index - 1] ?? ''}`, index);
  names.set(name, index);
}

/** Index of the entry with this name and value, or 0. */
export function staticPairIndex(key: string): number {
  return pairs.get(key) ?? 0;
}

/** Lowest index with this name, or 0. */
export function staticNameIndex(name: string): number {
  return names.get(name) ?? 0;
}
