/**
 * The C library on Node.js, by koffi: 2 MB private, 0.7 to 2 µs a call (Node 26.10). Its platform packages are the binaries alone,
 * without an install script; they are optional, as a gateway needs none.
 */
import { createRequire } from 'node:module';
import { C_LIBRARY, SocketCallsError } from './c-functions.ts';
import type { CSocketFunctions } from './c-functions.ts';

interface Koffi {
  load(library: string): { func(name: string, returns: string, parameters: readonly string[]): unknown };
}

/** @throws SocketCallsError `ffi_missing` without the package, `ffi_failed` when it does not work here. */
export function loadKoffiSocketCalls(): CSocketFunctions {
  const name = `@koromix/koffi-linux-${process.arch}`;
  let koffi: Koffi;
  try {
    koffi = createRequire(import.meta.url)(name) as Koffi;
  } catch (cause) {
    throw new SocketCallsError(
      { code: 'ffi_missing', library: name },
      `cannot load ${name}: install it beside the proxy, or run the proxy on Bun`,
      { cause },
    );
  }
  try {
    const library = koffi.load(C_LIBRARY);
    return {
      getsockname: library.func('getsockname', 'int', ['int', 'void *', 'void *']),
      getsockopt: library.func('getsockopt', 'int', ['int', 'int', 'int', 'void *', 'void *']),
    } as CSocketFunctions;
  } catch (cause) {
    throw new SocketCallsError(
      { code: 'ffi_failed', library: C_LIBRARY },
      `cannot load ${C_LIBRARY}: use an image with the GNU C library`,
      { cause },
    );
  }
}
