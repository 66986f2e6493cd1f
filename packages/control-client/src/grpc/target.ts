/** Where a control-plane service listens, as configured, and how its name becomes addresses. */
import { lookup } from 'node:dns/promises';
import { isLoopback, parseIp } from '@mesh/model';

export interface GrpcTarget {
  /** Host name (a trailing dot is kept) or address literal without brackets. */
  readonly host: string;
  readonly port: number;
}

/** Reads `host:port` or `[v6]:port`; `undefined` when it is neither. */
export function parseTarget(text: string): GrpcTarget | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([a-zA-Z0-9._-]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  if (match?.[1] !== undefined && parseIp(host) === undefined) return undefined;
  return { host, port };
}

export function formatTarget(target: GrpcTarget): string {
  return target.host.includes(':') ? `[${target.host}]:${target.port}` : `${target.host}:${target.port}`;
}

/** Loopback targets are spoken to in plain text: a control-plane component's own service, or a test. */
export function isLoopbackTarget(target: GrpcTarget): boolean {
  const host = target.host.toLowerCase();
  if (host === 'localhost' || host === 'localhost.') return true;
  const ip = parseIp(host);
  return ip !== undefined && isLoopback(ip);
}

/** Addresses of a name; rejects when there are none. */
export type Resolver = (host: string) => Promise<readonly string[]>;

/** The system's resolver (`getaddrinfo`): hosts file, search path and cluster DNS as the container has them. */
export const systemResolver: Resolver = async (host) => {
  if (parseIp(host) !== undefined) return [host];
  const found = await lookup(host, { all: true });
  return found.map((entry) => entry.address);
};
