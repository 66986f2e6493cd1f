/**
 * The two system calls behind original destinations, which `node:net` does not offer. Each runtime has its own way to call the C
 * library; both fill the caller's buffer.
 */
import { loadBunSocketCalls } from './bun-socket-calls.ts';
import type { CSocketFunctions } from './c-functions.ts';
import { loadKoffiSocketCalls } from './koffi-socket-calls.ts';

export interface SocketCalls {
  /** The local address of the socket, as `getsockname(2)` writes it. False: it has none, or is no socket. */
  localAddress(fd: number, into: Uint8Array): boolean;
  /**
   * Where the connection was going before the kernel redirected it, as `SO_ORIGINAL_DST` tells. False: the kernel knows nothing
   * about it (no connection tracking, or no entry).
   */
  originalDst(fd: number, family: 'ipv4' | 'ipv6', into: Uint8Array): boolean;
}

/** Levels and options of the Linux headers: `SOL_IP`, `SOL_IPV6`; `SO_ORIGINAL_DST` and `IP6T_SO_ORIGINAL_DST` are the same number. */
const LEVEL = { ipv4: 0, ipv6: 41 } as const;
const ORIGINAL_DST = 80;

/**
 * The calls of the runtime that this process runs on.
 *
 * @throws SocketCallsError `ffi_missing`, `ffi_failed`
 */
export function loadSocketCalls(): SocketCalls {
  return socketCalls(loadBunSocketCalls() ?? loadKoffiSocketCalls());
}

/** One length cell for all calls: they are synchronous. */
function socketCalls(functions: CSocketFunctions): SocketCalls {
  const length = new Uint32Array(1);
  return {
    localAddress(fd, into) {
      length[0] = into.length;
      return functions.getsockname(fd, into, length) === 0;
    },
    originalDst(fd, family, into) {
      length[0] = into.length;
      return functions.getsockopt(fd, LEVEL[family], ORIGINAL_DST, into, length) === 0;
    },
  };
}
