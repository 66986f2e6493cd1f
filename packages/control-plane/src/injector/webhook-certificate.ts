/** Where the webhook's certificate comes from: files that somebody else keeps, or a Secret of the API. */
import { join } from 'node:path';

import { parseCertificate, parsePrivateKey, PkiError } from '@mesh/pki';
import type { Component, Logger } from '@mesh/runtime';

import type { FileContents, WatchedFiles } from '../config/watched-files.ts';

export interface CertificateAndKey {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

/** Listeners are called after each change. */
export interface CertificateSource extends Component {
  /** The last good one; undefined before the first. */
  readonly current: CertificateAndKey | undefined;
  onChange(listener: () => void): () => void;
}

export function webhookFiles(tlsDir: string): readonly string[] {
  return [join(tlsDir, 'tls.crt'), join(tlsDir, 'tls.key')];
}

/** `tls.crt` and `tls.key` of a folder, such as a mounted Secret. A pair that does not fit never replaces a good one. */
export class FileCertificate implements CertificateSource {
  readonly name = 'webhook certificate';
  readonly #tlsDir: string;
  readonly #files: WatchedFiles;
  readonly #logger: Logger;
  readonly #listeners = new Set<() => void>();
  #current: CertificateAndKey | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(tlsDir: string, deps: { readonly files: WatchedFiles; readonly logger: Logger }) {
    this.#tlsDir = tlsDir;
    this.#files = deps.files;
    this.#logger = deps.logger;
  }

  get current(): CertificateAndKey | undefined {
    return this.#current;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async start(): Promise<void> {
    this.#read();
    this.#unsubscribe = this.#files.onChange(() => this.#read());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unsubscribe?.();
  }

  #read(): void {
    try {
      const pair = readPair(this.#files.contents, this.#tlsDir);
      if (pair === undefined) {
        this.#logger.error('webhook certificate missing', { files: webhookFiles(this.#tlsDir) });
        return;
      }
      if (pair.cert === this.#current?.cert && pair.key === this.#current.key) return;
      this.#current = pair;
    } catch (error) {
      this.#logger.error('webhook certificate not usable; the previous one stays in use', { error });
      return;
    }
    for (const listener of this.#listeners) listener();
  }
}

/** @throws PkiError when the key does not belong to the certificate. */
function readPair(contents: FileContents, tlsDir: string): CertificateAndKey | undefined {
  const [certFile = '', keyFile = ''] = webhookFiles(tlsDir);
  const cert = contents.get(certFile);
  const key = contents.get(keyFile);
  if (cert === undefined || key === undefined) return undefined;
  const certificate = parseCertificate(cert, certFile);
  if (!certificate.x509.checkPrivateKey(parsePrivateKey(key, { what: keyFile }))) {
    throw new PkiError({ code: 'key_mismatch', subject: certificate.subject });
  }
  return { cert, key };
}
