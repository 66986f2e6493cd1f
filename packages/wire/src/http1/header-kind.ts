/** The few header fields that a proxy must know, found by comparing bytes, without making strings. */
import { CLIENT_CLUSTER_FIELD, CLIENT_IDENTITY_FIELD } from '../transport-header/conveyed-client.ts';

export const HEADER = {
  other: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  keepAlive: 5,
  proxyConnection: 6,
  te: 7,
  upgrade: 8,
  http2Settings: 9,
  expect: 10,
  clientId: 11,
  proxyError: 12,
  proxyConnectionL5d: 13,
  dstCanonical: 14,
  requireId: 15,
  origProto: 16,
  /** Named by a Connection field of the same message. */
  connectionNamed: 17,
  /** Our own, from proxy to proxy: nothing of the request reached the program. */
  undelivered: 18,
  dstOverride: 19,
  /** Who a gateway's client is: see `conveyed-client.ts`. */
  clientIdentity: 20,
  clientCluster: 21,
} as const;

/** Bit of a kind, for the sets that a writer drops. */
export function headerBit(kind: number): number {
  return 1 << kind;
}

/** Fields that concern one connection only (RFC 9110 §7.6.1), Upgrade included. */
export const HOP_BY_HOP: number =
  headerBit(HEADER.connection) |
  headerBit(HEADER.keepAlive) |
  headerBit(HEADER.proxyConnection) |
  headerBit(HEADER.te) |
  headerBit(HEADER.upgrade) |
  headerBit(HEADER.http2Settings) |
  headerBit(HEADER.connectionNamed);

/** The names that have a kind of their own, in lower case. */
export const HEADER_NAMES: readonly (readonly [string, number])[] = [
  ['host', HEADER.host],
  ['content-length', HEADER.contentLength],
  ['transfer-encoding', HEADER.transferEncoding],
  ['connection', HEADER.connection],
  ['keep-alive', HEADER.keepAlive],
  ['proxy-connection', HEADER.proxyConnection],
  ['te', HEADER.te],
  ['upgrade', HEADER.upgrade],
  ['http2-settings', HEADER.http2Settings],
  ['expect', HEADER.expect],
  ['l5d-client-id', HEADER.clientId],
  ['l5d-proxy-error', HEADER.proxyError],
  ['l5d-proxy-connection', HEADER.proxyConnectionL5d],
  ['l5d-dst-canonical', HEADER.dstCanonical],
  ['l5d-dst-override', HEADER.dstOverride],
  ['l5d-require-id', HEADER.requireId],
  ['l5d-orig-proto', HEADER.origProto],
  ['mesh-undelivered', HEADER.undelivered],
  [CLIENT_IDENTITY_FIELD, HEADER.clientIdentity],
  [CLIENT_CLUSTER_FIELD, HEADER.clientCluster],
];

const LONGEST = 20;
/** By length: the names of that length. Most lengths have none or one. */
const BY_LENGTH: readonly (readonly (readonly [Uint8Array, number])[])[] = Array.from(
  { length: LONGEST + 1 },
  (_, length) =>
    HEADER_NAMES.filter(([name]) => name.length === length).map(([name, kind]) => [Buffer.from(name), kind] as const),
);

/** One of {@link HEADER} for the field name at `start..end`. */
export function headerKind(bytes: Uint8Array, start: number, end: number): number {
  const candidates = BY_LENGTH[end - start];
  if (candidates === undefined || candidates.length === 0) return HEADER.other;
  for (const [name, kind] of candidates) {
    if (equalsIgnoreCase(bytes, start, name)) return kind;
  }
  return HEADER.other;
}

/** @param name Lower-case letters, digits and hyphens only. */
export function equalsIgnoreCase(bytes: Uint8Array, start: number, name: Uint8Array): boolean {
  for (let at = 0; at < name.length; at += 1) {
    const want = name[at] as number;
    const byte = bytes[start + at] as number;
    // Setting bit 5 makes letters lower case and leaves digits and the hyphen as they are; what else it maps onto a
    // letter is not a token byte, and what it maps onto a hyphen (0x0d) neither.
    if ((byte | 0x20) !== want) return false;
  }
  return true;
}
