/**
 * The server's own keys: a CA for server and client certificates, the serving certificate, the service-account signing key. They live
 * in the data folder, when there is one, so that kubeconfigs and tokens outlive a restart.
 */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createTrustAnchor,
  issueCertificate,
  parseCertificates,
  parsePrivateKey,
  privateKeyPem,
  type Authority,
} from '@mesh/pki';
import { MeshError } from '@mesh/runtime';

const FILE_NAME = 'credentials.json';
const YEAR_MS = 365 * 86_400_000;

export interface CertificatePair {
  readonly certificatePem: string;
  readonly keyPem: string;
}

interface SavedCredentials {
  readonly caCertificate: string;
  readonly caKey: string;
  readonly tokenKey: string;
}

export class Credentials {
  readonly #authority: Authority;
  readonly tokenKey: KeyObject;

  private constructor(authority: Authority, tokenKey: KeyObject) {
    this.#authority = authority;
    this.tokenKey = tokenKey;
  }

  /** Reads the folder's credentials, or makes new ones and keeps them there. */
  static async open(clusterName: string, folder: string | undefined): Promise<Credentials> {
    const path = folder === undefined ? undefined : join(folder, FILE_NAME);
    if (path !== undefined && existsSync(path)) return Credentials.#read(path);
    const authority = await createTrustAnchor({ commonName: `kubernetes ${clusterName}`, lifetimeMs: 10 * YEAR_MS });
    const tokenKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    if (folder !== undefined && path !== undefined) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const saved: SavedCredentials = {
        caCertificate: authority.certificate.pem,
        caKey: privateKeyPem(authority.key),
        tokenKey: privateKeyPem(tokenKey),
      };
      writeFileSync(path, JSON.stringify(saved), { mode: 0o600 });
    }
    return new Credentials(authority, tokenKey);
  }

  static #read(path: string): Credentials {
    try {
      const saved = JSON.parse(readFileSync(path, 'utf8')) as SavedCredentials;
      const [certificate] = parseCertificates(saved.caCertificate, path);
      if (certificate === undefined) throw new Error('caCertificate is empty');
      const authority = { chain: [certificate], certificate, key: parsePrivateKey(saved.caKey, { what: path }) };
      return new Credentials(authority, createPrivateKey(saved.tokenKey));
    } catch (error) {
      throw new MeshError(
        { code: 'credentials_damaged', path },
        `${path} can't be read: restore it, or delete the data folder to begin a new cluster`,
        { cause: error },
      );
    }
  }

  get caPem(): string {
    return this.#authority.certificate.pem;
  }

  /** A certificate for the server at these names and addresses. */
  serving(dnsNames: readonly string[], ipAddresses: readonly string[]): Promise<CertificatePair> {
    return this.#issue('kube-apiserver', [], ['server'], dnsNames, ipAddresses);
  }

  /** A certificate for a user in groups. */
  client(user: string, groups: readonly string[]): Promise<CertificatePair> {
    return this.#issue(user, groups, ['client'], [], []);
  }

  async #issue(
    commonName: string,
    organizations: readonly string[],
    usages: readonly ('server' | 'client')[],
    dnsNames: readonly string[],
    ipAddresses: readonly string[],
  ): Promise<CertificatePair> {
    const issued = await issueCertificate(this.#authority, {
      commonName,
      organizations,
      usages,
      dnsNames,
      ipAddresses,
      lifetimeMs: YEAR_MS,
    });
    return { certificatePem: issued.certificate.pem, keyPem: issued.keyPem };
  }
}
