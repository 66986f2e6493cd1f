/**
 * Reads the kernel's socket addresses (`struct sockaddr_in`, `struct sockaddr_in6`) into {@link Address}.
 *
 *      0        2        4                    8
 *      ├────────┼────────┼────────────────────┤
 *   4: │ family │ port   │ address            │
 *   6: │ family │ port   │ flow information   │ address, 16 bytes │ scope, 4 bytes │
 *
 * The family is in the machine's byte order (little endian on x64 and arm64), port and address in the network's.
 */
import type { Address } from '../types.ts';

export const FAMILY_IPV4 = 2;
export const FAMILY_IPV6 = 10;
/** Room for either kind. */
export const SOCKET_ADDRESS_BYTES = 28;

const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** The address, IPv4-mapped ones reduced to IPv4; `undefined` for another family. */
export function readSocketAddress(bytes: Uint8Array): Address | undefined {
  const family = familyOf(bytes);
  const port = (byte(bytes, 2) << 8) | byte(bytes, 3);
  if (family === FAMILY_IPV4) return { ip: formatIpv4(bytes, 4), port };
  if (family !== FAMILY_IPV6) return undefined;
  return { ip: isMapped(bytes) ? formatIpv4(bytes, 20) : formatIpv6(bytes, 8), port };
}

/** True for IPv4, also on a socket that listens for both versions: such a connection is tracked as IPv4. */
export function isIpv4(bytes: Uint8Array): boolean {
  const family = familyOf(bytes);
  return family === FAMILY_IPV4 || (family === FAMILY_IPV6 && isMapped(bytes));
}

function familyOf(bytes: Uint8Array): number {
  return byte(bytes, 0) | (byte(bytes, 1) << 8);
}

function isMapped(bytes: Uint8Array): boolean {
  for (let at = 0; at < MAPPED_PREFIX.length; at += 1) if (bytes[8 + at] !== MAPPED_PREFIX[at]) return false;
  return true;
}

function formatIpv4(bytes: Uint8Array, at: number): string {
  return `${byte(bytes, at)}.${byte(bytes, at + 1)}.${byte(bytes, at + 2)}.${byte(bytes, at + 3)}`;
}

/** RFC 5952, as the runtimes print addresses: lower case, the longest run of two or more zero groups as `::`. */
function formatIpv6(bytes: Uint8Array, at: number): string {
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((byte(bytes, at + i) << 8) | byte(bytes, at + i + 1));
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start += 1) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length += 1;
    if (length > best.length) best = { start, length };
  }
  const text = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':');
  return best.start < 0 ? text(0, 8) : `${text(0, best.start)}::${text(best.start + best.length, 8)}`;
}

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}
