/** Addresses of sockets: as the runtimes report them, and where a redirected client meant to go. */
import type { Socket } from 'node:net';
import type { Address } from './types.ts';

export const UNKNOWN: Address = { ip: '', port: 0 };

/** Where the client of an accepted socket meant to go; undefined: unknown, the connection must be dropped. */
export type OriginalDstLookup = (socket: Socket, local: Address) => Address | undefined;

/** Without redirection by the kernel, the address that the client dialled is the socket's own. */
export const localAddressLookup: OriginalDstLookup = (_socket, local) => (local.port === 0 ? undefined : local);

/** Reduces IPv4-mapped IPv6 literals, as dual-stack listeners report them, to IPv4. */
export function addressOf(ip: string | undefined, port: number | undefined): Address {
  if (ip === undefined || port === undefined) return UNKNOWN;
  const mapped = ip.startsWith('::ffff:') && ip.includes('.');
  return { ip: mapped ? ip.slice(7) : ip, port };
}
