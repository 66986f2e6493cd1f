/** Asks a TLS server for its certificates without trusting it: for showing them, never for sending anything. */
import { Duplex } from 'node:stream';
import { connect } from 'node:tls';
import type { DetailedPeerCertificate } from 'node:tls';
import { CliError } from './errors.ts';

export interface PeekTarget {
  /** Where to, or what is connected already. */
  readonly via: { readonly host: string; readonly port: number } | Duplex;
  /** What errors call the target. */
  readonly name: string;
  /** SNI; the sidecar terminates TLS only for its own name. */
  readonly serverName: string;
  readonly signal: AbortSignal;
}

const TIMEOUT_MS = 10_000;

/** DER certificates, leaf first. @throws CliError `cluster` when there is no TLS answer. */
export async function peerCertificates(target: PeekTarget): Promise<readonly Uint8Array[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly Uint8Array[]>();
  // The certificate is what we came to see, good or bad, so it is not judged here.
  const socket = connect({
    ...(target.via instanceof Duplex ? { socket: target.via } : target.via),
    servername: target.serverName,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.3',
  });
  const fail = (cause: string): void =>
    reject(new CliError({ code: 'cluster' }, `no TLS answer from ${target.name}: ${cause}`));
  socket.setTimeout(TIMEOUT_MS, () => fail(`nothing within ${TIMEOUT_MS / 1000} s`));
  socket.once('error', (error) => fail(error.message));
  socket.once('secureConnect', () => resolve(chainOf(socket.getPeerCertificate(true))));
  const abort = (): void => reject(target.signal.reason as Error);
  target.signal.addEventListener('abort', abort, { once: true });
  try {
    return await promise;
  } finally {
    target.signal.removeEventListener('abort', abort);
    socket.destroy();
  }
}

function chainOf(leaf: DetailedPeerCertificate): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  const seen = new Set<string>();
  for (
    let next: DetailedPeerCertificate | undefined = leaf;
    next?.raw !== undefined && !seen.has(next.fingerprint256);
    next = next.issuerCertificate
  ) {
    seen.add(next.fingerprint256);
    chain.push(next.raw);
  }
  return chain;
}
