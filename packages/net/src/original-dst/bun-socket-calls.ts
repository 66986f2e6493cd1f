/** The C library on Bun, by its own foreign function interface: 0.7 MB private (koffi there: 4.7), 0.4 µs a call (Bun 1.4.5). */
import { C_LIBRARY, SocketCallsError } from './c-functions.ts';
import type { CSocketFunctions } from './c-functions.ts';

interface BunFfi {
  dlopen(
    library: string,
    symbols: Record<string, { readonly args: readonly string[]; readonly returns: string }>,
  ): { readonly symbols: unknown };
}

const SYMBOLS = {
  getsockname: { args: ['i32', 'ptr', 'ptr'], returns: 'i32' },
  getsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'ptr'], returns: 'i32' },
} as const;

/** `undefined` on another runtime. */
export function loadBunSocketCalls(): CSocketFunctions | undefined {
  const { FFI: ffi } = (globalThis as { Bun?: { FFI?: BunFfi } }).Bun ?? {};
  if (ffi === undefined) return undefined;
  try {
    return ffi.dlopen(C_LIBRARY, SYMBOLS).symbols as CSocketFunctions;
  } catch (cause) {
    throw new SocketCallsError(
      { code: 'ffi_failed', library: C_LIBRARY },
      `cannot load ${C_LIBRARY}: use an image with the GNU C library`,
      { cause },
    );
  }
}
