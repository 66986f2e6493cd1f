/** The issuer that certificates are signed with: read from mounted files, replaced when they change, kept when the new one is bad. */
import { join } from 'node:path';

import { loadIssuer, parseCertificates, PkiError } from '@mesh/pki';
import type { Authority } from '@mesh/pki';
import type { Clock, Logger } from '@mesh/runtime';

import type { FileContents } from '../config/watched-files.ts';

/** Secret `linkerd-identity-issuer` comes in two schemes: kubernetes.io/tls (cert-manager) and linkerd.io/tls. */
const SCHEMES = [
  { certificate: 'tls.crt', key: 'tls.key' },
  { certificate: 'crt.pem', key: 'key.pem' },
] as const;

export interface IssuerPaths {
  readonly issuerDir: string;
  readonly anchorsFile: string;
}

export interface IssuerState {
  readonly authority: Authority;
  /** PEM bundle. */
  readonly anchorsPem: string;
}

export type IssuerListener = (
  change: { readonly ok: true; readonly state: IssuerState } | { readonly ok: false; readonly error: PkiError },
) => void;

/** Every file that may hold a part. */
export function issuerFiles(paths: IssuerPaths): readonly string[] {
  return [
    paths.anchorsFile,
    ...SCHEMES.flatMap((scheme) => [join(paths.issuerDir, scheme.certificate), join(paths.issuerDir, scheme.key)]),
  ];
}

export class IssuerStore {
  readonly #paths: IssuerPaths;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #listeners = new Set<IssuerListener>();
  #state: IssuerState | undefined;

  constructor(paths: IssuerPaths, deps: { readonly clock: Clock; readonly logger: Logger }) {
    this.#paths = paths;
    this.#clock = deps.clock;
    this.#logger = deps.logger;
  }

  /** Undefined until files that hold together were seen. */
  get current(): IssuerState | undefined {
    return this.#state;
  }

  onChange(listener: IssuerListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes the issuer in `contents` if it is good; else keeps the one before and tells why. */
  load(contents: FileContents): void {
    try {
      const state = this.#read(contents);
      this.#state = state;
      this.#logger.info('issuer loaded', {
        subject: state.authority.certificate.subject,
        notAfter: new Date(state.authority.certificate.notAfterMs).toISOString(),
      });
      for (const listener of this.#listeners) listener({ ok: true, state });
    } catch (error) {
      if (!(error instanceof PkiError)) throw error;
      this.#logger.error(
        this.#state === undefined ? 'issuer not loaded' : 'issuer not replaced; the previous one stays in use',
        { error },
      );
      for (const listener of this.#listeners) listener({ ok: false, error });
    }
  }

  #read(contents: FileContents): IssuerState {
    const { issuerDir, anchorsFile } = this.#paths;
    const anchorsPem = required(contents, anchorsFile, 'trust anchors');
    const scheme = SCHEMES.find((one) => contents.has(join(issuerDir, one.certificate))) ?? SCHEMES[1];
    const certificateFile = join(issuerDir, scheme.certificate);
    const keyFile = join(issuerDir, scheme.key);
    const authority = loadIssuer({
      certificatePem: required(contents, certificateFile, 'issuer certificate'),
      keyPem: required(contents, keyFile, 'issuer key'),
      anchors: parseCertificates(anchorsPem, anchorsFile),
      nowMs: this.#clock.now(),
      certificateName: certificateFile,
      keyName: keyFile,
    });
    return { authority, anchorsPem };
  }
}

function required(contents: FileContents, path: string, what: string): string {
  const text = contents.get(path);
  if (text === undefined || text.trim() === '') {
    throw new PkiError({
      code: 'malformed',
      what: `the ${what} in ${path}`,
      detail: text === undefined ? 'the file is missing' : 'the file is empty',
    });
  }
  return text;
}
