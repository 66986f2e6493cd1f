/** Turns what the sockets report into the few reasons for which a connection ends. */
import type { Closed } from './types.ts';

export const CLEAN: Closed = { kind: 'clean', code: 'clean' };
export const ABORTED: Closed = { kind: 'aborted', code: 'aborted' };
export const CONNECT_TIMEOUT: Closed = { kind: 'timeout', code: 'connect_timeout' };
/** The peer left, or its certificate was not accepted and the runtime says no more than that. */
export const HANDSHAKE_CUT: Closed = { kind: 'tls', code: 'handshake_cut' };
export const HANDSHAKE_TIMEOUT: Closed = { kind: 'timeout', code: 'handshake_timeout' };

/** @param handshaking True while TLS is being set up: unknown errors are its errors then. */
export function closedBy(error: unknown, handshaking: boolean): Closed {
  const raw = error instanceof Error && 'code' in error ? String(error.code) : '';
  switch (raw) {
    case 'ECONNRESET':
    case 'EPIPE':
    case 'ECONNABORTED':
      return { kind: handshaking ? 'tls' : 'reset', code: raw.toLowerCase() };
    case 'ECONNREFUSED':
      return { kind: 'refused', code: 'econnrefused' };
    case 'ETIMEDOUT':
      return { kind: 'timeout', code: 'etimedout' };
    default: {
      const code = raw === '' ? 'unknown' : raw.toLowerCase();
      const tls = handshaking || code.startsWith('err_ssl') || code.startsWith('err_tls') || code.startsWith('cert_');
      return { kind: tls ? 'tls' : 'failed', code };
    }
  }
}
