/** Certificates for tests of TLS: anchors and leaves made on the spot, with names and dates as a test wants them. */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { TlsMaterial } from '../types.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const HOUR_MS = 3_600_000;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

type KeyPair = webcrypto.CryptoKeyPair;

export interface TestLeafOptions {
  readonly dns?: readonly string[];
  readonly uri?: readonly string[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

/** A trust anchor that issues leaves. */
export class TestAnchor {
  readonly pem: string;
  /** Its subject key identifier, which its leaves name as their authority's: hexadecimal, lower case. */
  readonly keyId: string;
  readonly #keys: KeyPair;
  readonly #certificate: x509.X509Certificate;
  #serial = 1;

  private constructor(keys: KeyPair, certificate: x509.X509Certificate, keyId: string) {
    this.keyId = keyId;
    this.#keys = keys;
    this.#certificate = certificate;
    this.pem = certificate.toString('pem');
  }

  static async create(name: string): Promise<TestAnchor> {
    const keys = await generate();
    const keyId = await x509.SubjectKeyIdentifierExtension.create(keys.publicKey);
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      keys,
      signingAlgorithm: ALGORITHM,
      notBefore: new Date(Date.now() - HOUR_MS),
      notAfter: new Date(Date.now() + 24 * HOUR_MS),
      extensions: [
        keyId,
        new x509.BasicConstraintsExtension(true, undefined, true),
        // oxlint-disable-next-line no-bitwise -- key usages are bits
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      ],
    });
    return new TestAnchor(keys, certificate, keyId.keyId.toLowerCase());
  }

  /** A leaf of this anchor; `trust` lists the anchors that its owner believes (default: this one). */
  async material(options: TestLeafOptions, trust: readonly TestAnchor[] = [this]): Promise<TlsMaterial> {
    const keys = await generate();
    this.#serial += 1;
    const names = [
      ...(options.dns ?? []).map((value) => ({ type: 'dns' as const, value })),
      ...(options.uri ?? []).map((value) => ({ type: 'url' as const, value })),
    ];
    const leaf = await x509.X509CertificateGenerator.create({
      serialNumber: this.#serial.toString(16).padStart(2, '0'),
      subject: 'CN=leaf',
      issuer: this.#certificate.subject,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      signingAlgorithm: ALGORITHM,
      notBefore: options.notBefore ?? new Date(Date.now() - HOUR_MS),
      notAfter: options.notAfter ?? new Date(Date.now() + HOUR_MS),
      extensions: [
        new x509.AuthorityKeyIdentifierExtension(this.keyId),
        new x509.ExtendedKeyUsageExtension([SERVER_AUTH, CLIENT_AUTH]),
        ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
      ],
    });
    const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
    const key = `-----BEGIN PRIVATE KEY-----\n${der.replace(/.{64}/g, '$&\n')}\n-----END PRIVATE KEY-----\n`;
    return { key, chain: leaf.toString('pem'), trust: trust.map((anchor) => anchor.pem).join('\n') };
  }
}

function generate(): Promise<KeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}
