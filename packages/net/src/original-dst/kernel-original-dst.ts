/**
 * Original destinations as the kernel's connection tracking knows them: what the address of a redirected connection was.
 *
 *   tracked, changed ──► the original destination
 *   tracked, as it is ─┐
 *   not tracked ───────┴► the socket's own address
 *
 * A connection that nobody redirected is tracked too, where the kernel tracks any; its original destination is then the socket's
 * address, so the address that the driver read at accept counts. On a proxy's own port that address is the listener's, by
 * which owners recognise loops.
 */
import type { Socket } from 'node:net';
import type { OriginalDstLookup } from '../addresses.ts';
import type { Address } from '../types.ts';
import { isIpv4, readSocketAddress, SOCKET_ADDRESS_BYTES } from './socket-address.ts';
import { loadSocketCalls } from './socket-calls.ts';
import type { SocketCalls } from './socket-calls.ts';

/**
 * A lookup for {@link createNodeDriver}. Ask at accept: a closed socket has no address (`undefined`: drop the connection).
 *
 * @throws SocketCallsError when this runtime cannot make the system calls
 */
export function createKernelOriginalDst(calls: SocketCalls = loadSocketCalls()): OriginalDstLookup {
  const own = new Uint8Array(SOCKET_ADDRESS_BYTES);
  const original = new Uint8Array(SOCKET_ADDRESS_BYTES);
  return (socket: Socket, local: Address): Address | undefined => {
    const fd = descriptorOf(socket);
    if (fd < 0 || local.port === 0 || !calls.localAddress(fd, own)) return undefined;
    if (!calls.originalDst(fd, isIpv4(own) ? 'ipv4' : 'ipv6', original)) return local;
    const before = readSocketAddress(original);
    const now = readSocketAddress(own);
    if (before === undefined || (before.ip === now?.ip && before.port === now.port)) return local;
    return before;
  };
}

/** Both runtimes keep it in the handle; neither documents it. */
function descriptorOf(socket: Socket): number {
  return (socket as { readonly _handle?: { readonly fd?: number } | null })._handle?.fd ?? -1;
}
