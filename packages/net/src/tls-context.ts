/**
 * A TLS context on `node:tls`: one parsed identity, with the server objects that accept with it.
 *
 * Each generation has its own servers and thereby its own session-ticket keys, so nothing of an older generation (an anchor that was removed, say) can be
 * resumed into a newer one. A `tls.Server` here never listens: accepted sockets are handed to it.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { constants } from 'node:crypto';
import { createSecureContext, createServer } from 'node:tls';
import type { SecureContext, Server, TLSSocket } from 'node:tls';
import { MeshError } from '@mesh/runtime';
import type { ServerTls, TlsContext, TlsMaterial } from './types.ts';

export type TlsMaterialErrorInfo =
  | { readonly code: 'tls_key_unreadable' }
  | { readonly code: 'tls_chain_unreadable' }
  | { readonly code: 'tls_trust_unreadable' }
  | { readonly code: 'tls_key_mismatch' };
export class TlsMaterialError extends MeshError<TlsMaterialErrorInfo> {
  override readonly name = 'TlsMaterialError';
}

/**
 * Key exchanges in order of preference, as the peers have them: a post-quantum hybrid first (X25519 with ML-KEM-768, FIPS 203), so that what
 * is recorded today stays closed; it costs 1.1 KB in each direction and about 50 µs a side. Named here because the runtimes' own lists change.
 */
const KEY_EXCHANGES = 'X25519MLKEM768:X25519:P-256:P-384';

/** What a server tells about each socket handed to it. */
export interface ServerEvents {
  secured(socket: TLSSocket): void;
  failed(error: Error, socket: TLSSocket): void;
}

let lastGeneration = 0;

/** The `TlsContext` of the driver on `node:tls`. */
export class NodeTlsContext implements TlsContext {
  readonly generation: number;
  readonly client: SecureContext;
  readonly #material: TlsMaterial;
  readonly #servers = new Map<string, Server>();

  constructor(material: TlsMaterial) {
    checkMaterial(material);
    lastGeneration += 1;
    this.generation = lastGeneration;
    this.#material = material;
    this.client = createSecureContext({ ...secureOptions(material) });
  }

  /** The server for these options; the same one for the same options. */
  server(options: Pick<ServerTls, 'clientCertificate' | 'alpn'>, events: ServerEvents): Server {
    const key = `${options.clientCertificate} ${options.alpn ?? ''}`;
    const known = this.#servers.get(key);
    if (known !== undefined) return known;
    const server = createServer({
      ...secureOptions(this.#material),
      requestCert: true,
      rejectUnauthorized: options.clientCertificate === 'required',
      ...(options.alpn === undefined ? {} : { ALPNProtocols: [options.alpn] }),
    });
    server.on('secureConnection', (socket) => events.secured(socket));
    server.on('tlsClientError', (error, socket) => events.failed(error, socket));
    this.#servers.set(key, server);
    return server;
  }
}

function secureOptions(material: TlsMaterial): {
  key?: string;
  cert?: string;
  ca: string;
  minVersion: 'TLSv1.3';
  maxVersion: 'TLSv1.3';
  ciphers: string;
  ecdhCurve: string;
  secureOptions: number;
} {
  return {
    ...(isAnonymous(material) ? {} : { key: material.key, cert: material.chain }),
    ca: material.trust,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    // AES-128 first, as the peers prefer it: half the key schedule and no gain in strength from more here.
    ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
    ecdhCurve: KEY_EXCHANGES,
    // A resumed session skips the check of certificates: an expired one would go on authorizing (ADR 0014).
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/** Empty key and chain: a client without a certificate, as a workload is before its first one. */
function isAnonymous(material: TlsMaterial): boolean {
  return material.key === '' && material.chain === '';
}

function checkMaterial(material: TlsMaterial): void {
  parse('tls_trust_unreadable', 'trust', () => new X509Certificate(material.trust));
  if (isAnonymous(material)) return;
  const leaf = parse('tls_chain_unreadable', 'chain', () => new X509Certificate(material.chain));
  const key = parse('tls_key_unreadable', 'key', () => createPrivateKey(material.key));
  if (!leaf.checkPrivateKey(key)) {
    throw new TlsMaterialError(
      { code: 'tls_key_mismatch' },
      'the private key does not belong to the first certificate of the chain: give the key of that leaf, leaf first',
    );
  }
}

function parse<T>(code: TlsMaterialErrorInfo['code'], field: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new TlsMaterialError({ code }, `${field} is not readable PEM: give unencrypted PEM text`, { cause });
  }
}
