/**
 * The certificates of an installation: the trust anchors and the issuer of this cluster, read and checked, or newly made.
 */
import {
  chainPem,
  checkValidity,
  createIssuer,
  createTrustAnchor,
  isPkiError,
  loadIssuer,
  parseCertificates,
  privateKeyPem,
} from '@mesh/pki';
import type { Certificate } from '@mesh/pki';
import { systemClock } from '@mesh/runtime';
import { CliError } from './errors.ts';
import { trustDomain } from './values/control-plane.ts';
import type { ControlPlaneValues } from './values/control-plane.ts';

/** A PEM text and what to call it in errors; an empty text where nothing was given. */
export interface Pem {
  readonly text: string;
  /** Such as "--identity-issuer-key-file issuer.key". */
  readonly from: string;
}

export interface IdentityFiles {
  readonly anchors: Pem;
  readonly certificate: Pem;
  readonly key: Pem;
}

/**
 * Fills in trust anchors and issuer. With none given, both are made, as `linkerd install` does; anything in between is an error,
 * since an issuer without its anchor (or the reverse) cannot be completed by us.
 * @throws CliError `bad_certificate` saying what is wrong with which file.
 */
export async function withIdentity(
  values: ControlPlaneValues,
  files: IdentityFiles,
  ns: string,
): Promise<ControlPlaneValues> {
  const { tls } = values.identity.issuer;
  const anchors = given(files.anchors, values.identityTrustAnchorsPEM, 'value identityTrustAnchorsPEM');
  const certificate = given(files.certificate, tls.crtPEM, 'value identity.issuer.tls.crtPEM');
  const key = given(files.key, tls.keyPEM, 'value identity.issuer.tls.keyPEM');
  if (anchors.text === '' && certificate.text === '' && key.text === '') return withNewIdentity(values, ns);
  requireAll({ anchors, certificate, key });
  checkIdentity({ anchors, certificate, key });
  return withIssuer(values, anchors.text, certificate.text, key.text);
}

function given(file: Pem, value: string, name: string): Pem {
  return file.text === '' ? { text: value, from: name } : file;
}

/** Readable, valid now, a CA with a P-256 key, key and certificate of each other, below the anchors. @throws CliError */
export function checkIdentity({ anchors, certificate, key }: IdentityFiles): void {
  const bundle = checkAnchors(anchors);
  try {
    loadIssuer({
      certificatePem: certificate.text,
      keyPem: key.text,
      anchors: bundle,
      certificateName: certificate.from,
      keyName: key.from,
    });
  } catch (error) {
    if (!isPkiError(error)) throw error;
    const { code } = error.info;
    const where =
      code === 'key_mismatch'
        ? `${key.from} and ${certificate.from}: `
        : code === 'untrusted'
          ? `${certificate.from} and ${anchors.from}: `
          : code === 'malformed' || code === 'password_needed' || code === 'wrong_password'
            ? ''
            : `${certificate.from}: `;
    const decrypt =
      code === 'password_needed' ? ' Write it without one: openssl pkcs8 -in KEY -out PLAIN -topk8 -nocrypt.' : '';
    throw badCertificate(certificate.from, `${where}${error.message}${decrypt}`, error);
  }
}

/** @throws CliError naming the file and the certificate in it. */
export function checkAnchors(anchors: Pem): readonly Certificate[] {
  try {
    const bundle = parseCertificates(anchors.text, anchors.from);
    for (const anchor of bundle) {
      checkValidity(anchor, systemClock.now());
      if (!anchor.isCa) throw badCertificate(anchors.from, `${anchors.from}: ${notAnAnchor(anchor)}`);
    }
    return bundle;
  } catch (error) {
    if (!isPkiError(error)) throw error;
    const remedy = error.info.code === 'expired' ? ' Or take it out of the bundle, if others are left.' : '';
    const where = error.info.code === 'malformed' ? '' : `${anchors.from}: `;
    throw badCertificate(anchors.from, `${where}${error.message}${remedy}`, error);
  }
}

function notAnAnchor(certificate: Certificate): string {
  return `Certificate "${certificate.subject}" is not a CA certificate, so nothing can be trusted by it. Give the root certificate.`;
}

function badCertificate(file: string, message: string, cause?: unknown): CliError {
  return new CliError({ code: 'bad_certificate', file }, message, cause === undefined ? undefined : { cause });
}

function requireAll(files: IdentityFiles): void {
  const flags: readonly (readonly [string, Pem])[] = [
    ['--identity-trust-anchors-file', files.anchors],
    ['--identity-issuer-certificate-file', files.certificate],
    ['--identity-issuer-key-file', files.key],
  ];
  const missing = flags.filter(([, pem]) => pem.text === '').map(([flag]) => flag);
  if (missing.length === 0) return;
  throw new CliError(
    { code: 'bad_certificate' },
    `trust anchors, issuer certificate and issuer key belong together: give ${missing.join(' and ')} too, or none of the three to have new ones made`,
  );
}

/** A new anchor and an issuer below it. */
export async function withNewIdentity(values: ControlPlaneValues, ns: string): Promise<ControlPlaneValues> {
  const domain = trustDomain(values);
  const anchor = await createTrustAnchor({ commonName: `root.linkerd.${domain}` });
  const issuer = await createIssuer(anchor, { commonName: `identity.${ns}.${domain}` });
  return withIssuer(values, chainPem(anchor.chain), chainPem(issuer.chain), privateKeyPem(issuer.key));
}

export function withIssuer(
  values: ControlPlaneValues,
  anchorsPem: string,
  crtPEM: string,
  keyPEM: string,
): ControlPlaneValues {
  return {
    ...values,
    identityTrustAnchorsPEM: anchorsPem,
    identity: { ...values.identity, issuer: { ...values.identity.issuer, tls: { crtPEM, keyPEM } } },
  };
}
