/** A certificate with the facts that the mesh decides on. Reading one loads no ASN.1 library. */
import { createHash, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

import { certificateExtensions, DER_TAG, readDer } from './der.ts';
import { PkiError } from './errors.ts';

const OID_KEY_USAGE = '2.5.29.15';
const OID_SUBJECT_ALT_NAME = '2.5.29.17';
const OID_BASIC_CONSTRAINTS = '2.5.29.19';
const KEY_CERT_SIGN = 0x04; // bit 5 of the first octet, RFC 5280 §4.2.1.3

/** An immutable view of one X.509 certificate. */
export class Certificate {
  readonly x509: X509Certificate;
  readonly der: Uint8Array;
  /** One line, such as `CN=root.linkerd.cluster.local`. */
  readonly subject: string;
  readonly issuer: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Basic constraints CA and, when key usage is present, "certificate sign". */
  readonly isCa: boolean;
  /** How many intermediates may follow; undefined: no limit. */
  readonly pathLength: number | undefined;
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  /** Kinds of other alternative names ("email", "ip", "other"), one item per name. */
  readonly otherNames: readonly string[];

  /** @throws PkiError `malformed` when `der` is no certificate. */
  constructor(der: Uint8Array) {
    try {
      this.x509 = new X509Certificate(der);
    } catch (error) {
      throw new PkiError(
        { code: 'malformed', what: 'the certificate', detail: 'it is not X.509 in DER' },
        { cause: error },
      );
    }
    this.der = der;
    this.subject = oneLine(this.x509.subject);
    this.issuer = oneLine(this.x509.issuer);
    this.notBeforeMs = Date.parse(this.x509.validFrom);
    this.notAfterMs = Date.parse(this.x509.validTo);
    const extensions = certificateExtensions(der);
    const constraints = basicConstraints(extensions.get(OID_BASIC_CONSTRAINTS));
    const usage = extensions.get(OID_KEY_USAGE);
    this.isCa = constraints.isCa && (usage === undefined || maySignCertificates(usage));
    this.pathLength = constraints.pathLength;
    const names = parseGeneralNames(extensions.get(OID_SUBJECT_ALT_NAME));
    this.dnsNames = names.dnsNames;
    this.uris = names.uris;
    this.otherNames = names.otherNames;
  }

  get publicKey(): KeyObject {
    return this.x509.publicKey;
  }

  /** SHA-256 over the DER, lower-case hex without separators. */
  get fingerprintSha256(): string {
    return createHash('sha256').update(this.der).digest('hex');
  }

  /** Its own subject issued it. */
  get isSelfIssued(): boolean {
    return this.x509.checkIssued(this.x509);
  }

  /** PEM with a final newline. */
  get pem(): string {
    return pemOf('CERTIFICATE', this.der);
  }

  equals(other: Certificate): boolean {
    return Buffer.compare(this.der, other.der) === 0;
  }
}

/** "ECDSA P-256", "RSA 2048", "Ed25519", … for messages. */
export function describeKey(key: KeyObject): string {
  const details = key.asymmetricKeyDetails;
  switch (key.asymmetricKeyType) {
    case 'ec':
      return `ECDSA ${CURVES[details?.namedCurve ?? ''] ?? details?.namedCurve ?? 'on an unknown curve'}`;
    case 'rsa':
      return `RSA ${details?.modulusLength ?? ''}`.trim();
    case 'ed25519':
      return 'Ed25519';
    default:
      return key.asymmetricKeyType ?? 'of an unknown type';
  }
}

/** ECDSA on P-256: the one kind of key that every proxy can use. */
export function isP256(key: KeyObject): boolean {
  return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
}

/** PEM with lines of 64 characters and a final newline. */
export function pemOf(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

const CURVES: Readonly<Record<string, string>> = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' };

/** General names (RFC 5280 §4.2.1.6) of a subject alternative name extension. */
export function parseGeneralNames(value: Uint8Array | undefined): {
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  readonly otherNames: readonly string[];
} {
  const dnsNames: string[] = [];
  const uris: string[] = [];
  const otherNames: string[] = [];
  const list = value === undefined ? undefined : readDer(value)?.[0];
  for (const name of list === undefined ? [] : (readDer(list.content) ?? [])) {
    const text = (): string => Buffer.from(name.content).toString('latin1');
    if (name.tag === 0x82) dnsNames.push(text());
    else if (name.tag === 0x86) uris.push(text());
    else if (name.tag === 0x81) otherNames.push('email');
    else if (name.tag === 0x87) otherNames.push('ip');
    else otherNames.push('other');
  }
  return { dnsNames, uris, otherNames };
}

function basicConstraints(value: Uint8Array | undefined): { isCa: boolean; pathLength: number | undefined } {
  const sequence = value === undefined ? undefined : readDer(value)?.[0];
  const parts = sequence === undefined ? [] : (readDer(sequence.content) ?? []);
  const isCa = parts[0]?.tag === DER_TAG.boolean && parts[0].content[0] !== 0;
  const length = parts.find((part) => part.tag === DER_TAG.integer);
  return { isCa, pathLength: length?.content.reduce((sum, byte) => sum * 256 + byte, 0) };
}

function maySignCertificates(usage: Uint8Array): boolean {
  const bits = readDer(usage)?.[0];
  return bits?.tag === DER_TAG.bitString && ((bits.content[1] ?? 0) & KEY_CERT_SIGN) !== 0;
}

function oneLine(name: string | undefined): string {
  return (name ?? '').split('\n').join(', ');
}
