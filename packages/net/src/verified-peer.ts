/** Who is at the other end of a TLS socket whose handshake is done. */
import type { TLSSocket } from 'node:tls';
import type { Interned } from './interned.ts';
import type { PeerInfo } from './types.ts';

const NO_BYTES = new Uint8Array(0);

/** Undefined when a certificate was presented and not accepted. */
export function verifiedPeer(socket: TLSSocket, interned: Interned): PeerInfo | undefined {
  const leafDer: Uint8Array | undefined = socket.getPeerCertificate().raw;
  const alpn = typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : undefined;
  const name = (socket as { servername?: unknown }).servername;
  const sni = typeof name === 'string' && name !== '' ? name : undefined;
  if (leafDer === undefined || leafDer.length === 0) {
    // "No certificate" is the only reason for which an unauthorized socket may go on.
    const absent = !socket.authorized && reasonOf(socket) === 'UNABLE_TO_GET_ISSUER_CERT';
    return absent ? interned.peer(NO_BYTES, alpn, sni) : undefined;
  }
  return socket.authorized ? interned.peer(leafDer, alpn, sni) : undefined;
}

/** Typed as Error, in fact the code as a string on both runtimes. */
function reasonOf(socket: TLSSocket): string {
  const reason: unknown = socket.authorizationError;
  return typeof reason === 'string' ? reason : reason instanceof Error && 'code' in reason ? String(reason.code) : '';
}
