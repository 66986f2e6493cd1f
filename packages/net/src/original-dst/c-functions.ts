/** What is asked of the C library, whoever calls it. */
import { MeshError } from '@mesh/runtime';

/** `getsockname(2)` and `getsockopt(2)`. Both return 0 or -1. */
export interface CSocketFunctions {
  getsockname(fd: number, address: Uint8Array, length: Uint32Array): number;
  getsockopt(fd: number, level: number, option: number, value: Uint8Array, length: Uint32Array): number;
}

/** The C library that both pinned runtimes are linked with. */
export const C_LIBRARY = 'libc.so.6';

export type SocketCallsErrorInfo = { readonly code: 'ffi_missing' | 'ffi_failed'; readonly library: string };
/** The C library cannot be called on this runtime. */
export class SocketCallsError extends MeshError<SocketCallsErrorInfo> {
  override readonly name = 'SocketCallsError';
}
