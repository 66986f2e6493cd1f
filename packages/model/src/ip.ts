/**
 * IP addresses and networks as values: parse, print, match. Version 4 addresses are 4 bytes, version 6 addresses 16, in
 * network order. An IPv4-mapped version 6 address (`::ffff:a.b.c.d`) is read as the version 4 address it stands for, because
 * dual-stack sockets report peers in that form and policies name them in the other.
 */

/** 4 or 16 bytes in network order. */
export type IpBytes = Uint8Array;

/** A network: an address whose bits beyond `prefixLength` are zero. */
export interface Cidr {
  readonly bytes: IpBytes;
  /** 0..32 for version 4, 0..128 for version 6. */
  readonly prefixLength: number;
}

/** An address with its port, as sockets report it. */
export interface SocketAddress {
  /** Textual address without brackets or zone. */
  readonly host: string;
  readonly port: number;
}

/** The bytes of an address in dotted or colon notation, or `undefined`. Zones (`%eth0`) and leading zeros are refused. */
export function parseIp(text: string): IpBytes | undefined {
  if (!text.includes(':')) return parseIpv4(text);
  const bytes = parseIpv6(text);
  return bytes === undefined ? undefined : unmapIpv4(bytes);
}

/** Canonical text: dotted for version 4, RFC 5952 for version 6. */
export function formatIp(bytes: IpBytes): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups: number[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));
  const zeros = longestZeroRun(groups);
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  if (zeros.length < 2) return hex(groups);
  return `${hex(groups.slice(0, zeros.start))}::${hex(groups.slice(zeros.start + zeros.length))}`;
}

/** True for 127.0.0.0/8 and ::1. */
export function isLoopback(bytes: IpBytes): boolean {
  if (bytes.length === 4) return bytes[0] === 127;
  return bytes.every((byte, at) => byte === (at === 15 ? 1 : 0));
}

/** A network in `address/prefix` notation (or a bare address: that one host), or `undefined`. Host bits are cleared. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  const address = parseIpExact(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  const bits = address.length * 8;
  const prefixText = slash < 0 ? String(bits) : text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(prefixText) || Number(prefixText) > bits) return undefined;
  return cidr(address, Number(prefixText));
}

/** The network of `bytes` with the first `prefixLength` bits. The prefix is clamped to the address's length. */
export function cidr(bytes: IpBytes, prefixLength: number): Cidr {
  const prefix = Math.min(prefixLength, bytes.length * 8);
  const masked = Uint8Array.from(bytes, (byte, at) => byte & maskOf(prefix, at));
  return { bytes: masked, prefixLength: prefix };
}

export function formatCidr(network: Cidr): string {
  return `${formatIp(network.bytes)}/${network.prefixLength}`;
}

/** Whether `address` is inside `network`. Addresses of the other version never are. */
export function cidrContains(network: Cidr, address: IpBytes): boolean {
  if (network.bytes.length !== address.length) return false;
  for (let at = 0; at * 8 < network.prefixLength; at += 1)
    if (((address[at] ?? 0) & maskOf(network.prefixLength, at)) !== network.bytes[at]) return false;
  return true;
}

/** `host:port` with brackets around a version 6 host. */
export function formatSocketAddress(address: SocketAddress): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** Reads `1.2.3.4:80` or `[::1]:80`; a host that is not an address, or a port outside 0..65535, gives `undefined`. */
export function parseSocketAddress(text: string): SocketAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const bytes = parseIp(match[1] ?? match[2] ?? '');
  const port = Number(match[3]);
  return bytes === undefined || port > 65_535 ? undefined : { host: formatIp(bytes), port };
}

/** The 16 or 4 bytes as written, without unmapping: prefixes of mapped networks count from the version 6 side. */
function parseIpExact(text: string): IpBytes | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): IpBytes | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (const [at, part] of parts.entries()) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    bytes[at] = Number(part);
  }
  return bytes;
}

function parseIpv6(text: string): IpBytes | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...Array.from<number>({ length: missing }).fill(0), ...tail];
  return Uint8Array.from({ length: 16 }, (_, at) => ((groups[at >> 1] ?? 0) >> (at % 2 === 0 ? 8 : 0)) & 0xff);
}

/** 16-bit groups; the last part may be dotted when `dottedEnd`. */
function parseGroups(text: string, dottedEnd: boolean): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const groups: number[] = [];
  for (const [at, part] of parts.entries()) {
    if (dottedEnd && at === parts.length - 1 && part.includes('.')) {
      const v4 = parseIpv4(part);
      if (v4 === undefined) return undefined;
      groups.push(((v4[0] ?? 0) << 8) | (v4[1] ?? 0), ((v4[2] ?? 0) << 8) | (v4[3] ?? 0));
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

/** RFC 4291 §2.5.5.2. */
function unmapIpv4(bytes: IpBytes): IpBytes {
  for (let at = 0; at < 10; at += 1) if (bytes[at] !== 0) return bytes;
  return bytes[10] === 0xff && bytes[11] === 0xff ? bytes.slice(12) : bytes;
}

function maskOf(prefixLength: number, byteIndex: number): number {
  const bits = Math.max(0, Math.min(8, prefixLength - byteIndex * 8));
  return (0xff << (8 - bits)) & 0xff;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let at = 0; at <= groups.length; at += 1) {
    if (groups[at] === 0) continue;
    if (at - start > best.length) best = { start, length: at - start };
    start = at + 1;
  }
  return best;
}
