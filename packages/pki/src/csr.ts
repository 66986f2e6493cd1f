/** Certificate signing requests: PKCS#10 in DER (RFC 2986). */
import { createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

import { parseGeneralNames } from './certificate.ts';
import { loadEngine, signingAlgorithm, toCryptoKey } from './engine.ts';
import { PkiError } from './errors.ts';
import type { KeyPair } from './key-pair.ts';

/** A request whose signature proves possession of its key. */
export interface CertificateRequest {
  /** "" when the subject has none. */
  readonly commonName: string;
  readonly dnsNames: readonly string[];
  readonly uris: readonly string[];
  /** Kinds of other alternative names ("email", "ip", "other"). */
  readonly otherNames: readonly string[];
  readonly publicKey: KeyObject;
  /** The subject as encoded, to be copied into a certificate. */
  readonly subjectDer: Uint8Array;
}

/**
 * Reads a request and checks its own signature.
 * @throws PkiError `malformed` or `bad_signature`.
 */
export async function parseRequest(der: Uint8Array): Promise<CertificateRequest> {
  const { Pkcs10CertificateRequest } = await loadEngine();
  let request: InstanceType<typeof Pkcs10CertificateRequest>;
  let publicKey: KeyObject;
  try {
    request = new Pkcs10CertificateRequest(new Uint8Array(der));
    publicKey = createPublicKey({ key: Buffer.from(request.publicKey.rawData), format: 'der', type: 'spki' });
  } catch (error) {
    throw new PkiError(
      { code: 'malformed', what: 'the certificate signing request', detail: 'it is not PKCS#10 in DER' },
      { cause: error },
    );
  }
  const verified = await request.verify().catch(() => false);
  if (!verified) throw new PkiError({ code: 'bad_signature', what: 'the certificate signing request' });
  const names = request.getExtension(OID_SUBJECT_ALT_NAME);
  return {
    commonName: request.subjectName.getField('CN')[0] ?? '',
    ...parseGeneralNames(names === null ? undefined : new Uint8Array(names.value)),
    publicKey,
    subjectDer: new Uint8Array(request.subjectName.toArrayBuffer()),
  };
}

/** A request for `name` as its only DNS name, and as its common name where that may be so long (RFC 5280 appendix A.1: 64). */
export async function createRequest(keys: KeyPair, name: string): Promise<Uint8Array> {
  const { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } = await loadEngine();
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: name.length > COMMON_NAME_LENGTH_MAX ? [] : [{ CN: [name] }],
    keys: { privateKey: await toCryptoKey(keys.privateKey), publicKey: await toCryptoKey(keys.publicKey) },
    signingAlgorithm: signingAlgorithm(keys.privateKey),
    extensions: [new SubjectAlternativeNameExtension([{ type: 'dns', value: name }])],
  });
  return new Uint8Array(request.rawData);
}

const OID_SUBJECT_ALT_NAME = '2.5.29.17';
const COMMON_NAME_LENGTH_MAX = 64;
