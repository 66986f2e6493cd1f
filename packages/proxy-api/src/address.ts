/**
 * Addresses between text and the contract's messages.
 *
 * IPv4 is one number, a<<24 | b<<16 | c<<8 | d, in a fixed32 (little-endian on the wire); IPv6 is two 64-bit halves.
 */
import type { IPAddress, TcpAddress } from './gen/net.ts';

const IPV4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;

/** The message for an IP literal, or undefined when `text` is none. */
export function ipAddress(text: string): IPAddress | undefined {
  if (!text.includes(':')) {
    const value = parseIpv4(text);
    return value === undefined ? undefined : { ip: { $case: 'ipv4', value } };
  }
  const groups = parseIpv6(text);
  if (groups === undefined) return undefined;
  const half = (from: number): bigint =>
    groups.slice(from, from + 4).reduce((sum, group) => (sum << 16n) | BigInt(group), 0n);
  return { ip: { $case: 'ipv6', value: { first: half(0), last: half(4) } } };
}

/** The message for an IP literal and a port, or undefined when either is out of range. */
export function tcpAddress(ip: string, port: number): TcpAddress | undefined {
  const parsed = ipAddress(ip);
  return parsed === undefined || !Number.isInteger(port) || port < 0 || port > 65535 ? undefined : { ip: parsed, port };
}

/** The literal (IPv6 as RFC 5952 writes it), or undefined when the message holds no address. */
export function formatIpAddress(address: IPAddress | undefined): string | undefined {
  const ip = address?.ip;
  if (ip === undefined) return undefined;
  if (ip.$case === 'ipv4') {
    const value = ip.value;
    return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
  }
  return formatIpv6(ip.value.first, ip.value.last);
}

/** `ip:port`, or `[ip]:port` for IPv6; undefined when the message holds no address. */
export function formatTcpAddress(address: TcpAddress | undefined): string | undefined {
  const ip = formatIpAddress(address?.ip);
  if (ip === undefined || address === undefined) return undefined;
  return ip.includes(':') ? `[${ip}]:${address.port}` : `${ip}:${address.port}`;
}

function parseIpv4(text: string): number | undefined {
  const match = IPV4.exec(text);
  if (match === null) return undefined;
  let value = 0;
  for (let index = 1; index <= 4; index += 1) {
    const part = Number(match[index]);
    // A leading zero is octal to some parsers and decimal to others: refused.
    if (part > 255 || String(part) !== match[index]) return undefined;
    value = value * 256 + part;
  }
  return value;
}

function parseIpv6(text: string): number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  return [...head, ...Array.from({ length: missing }, () => 0), ...tail];
}

/** @param endsAddress An embedded IPv4 literal may stand only at the very end. */
function parseGroups(text: string, endsAddress: boolean): number[] | undefined {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (endsAddress && index === parts.length - 1 && part.includes('.')) {
      const value = parseIpv4(part);
      if (value === undefined) return undefined;
      groups.push(value >>> 16, value & 0xffff);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else {
      return undefined;
    }
  }
  return groups;
}

function formatIpv6(first: bigint, last: bigint): string {
  const groups = [first, last].flatMap((half) =>
    [48n, 32n, 16n, 0n].map((shift) => Number((half >> shift) & 0xffffn).toString(16)),
  );
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start += 1) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === '0') length += 1;
    if (length > best.length) best = { start, length };
  }
  if (best.start < 0) return groups.join(':');
  return `${groups.slice(0, best.start).join(':')}::${groups.slice(best.start + best.length).join(':')}`;
}
