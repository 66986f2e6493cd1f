/**
 * The certificates of an installation: the trust anchors and the issuer of this cluster, read and checked or newly made, and the
 * certificate of the injector's webhook.
 */
import {
  chainPem,
  createIssuer,
  createTrustAnchor,
  issueCertificate,
  loadIssuer,
  parseCertificates,
  privateKeyPem,
} from '@mesh/pki';
import { messageOf } from '@mesh/runtime';
import { CliError } from './errors.ts';
import { trustDomain } from './values/control-plane.ts';
import type { ControlPlaneValues } from './values/control-plane.ts';

/** PEM texts; empty where no file was given. */
export interface IdentityFiles {
  readonly anchorsPem: string;
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** As cert-manager and Linkerd renew them: the webhook's certificate lives a year. */
const WEBHOOK_LIFETIME_MS = 365 * 86_400_000;

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
  const anchorsPem = files.anchorsPem === '' ? values.identityTrustAnchorsPEM : files.anchorsPem;
  const certificatePem = files.certificatePem === '' ? values.identity.issuer.tls.crtPEM : files.certificatePem;
  const keyPem = files.keyPem === '' ? values.identity.issuer.tls.keyPEM : files.keyPem;
  if (anchorsPem === '' && certificatePem === '' && keyPem === '') return withNewIdentity(values, ns);
  requireAll({ anchorsPem, certificatePem, keyPem });
  try {
    const anchors = parseCertificates(anchorsPem, 'the trust anchor bundle');
    loadIssuer({ certificatePem, keyPem, anchors });
  } catch (error) {
    throw new CliError({ code: 'bad_certificate' }, messageOf(error), { cause: error });
  }
  return withIssuer(values, anchorsPem, certificatePem, keyPem);
}

function requireAll(given: IdentityFiles): void {
  const flags: readonly (readonly [string, string])[] = [
    ['--identity-trust-anchors-file', given.anchorsPem],
    ['--identity-issuer-certificate-file', given.certificatePem],
    ['--identity-issuer-key-file', given.keyPem],
  ];
  const missing = flags.filter(([, text]) => text === '').map(([flag]) => flag);
  if (missing.length === 0) return;
  throw new CliError(
    { code: 'bad_certificate' },
    `trust anchors, issuer certificate and issuer key belong together: give ${missing.join(' and ')} too, or none of the three to have new ones made`,
  );
}

async function withNewIdentity(values: ControlPlaneValues, ns: string): Promise<ControlPlaneValues> {
  const domain = trustDomain(values);
  const anchor = await createTrustAnchor({ commonName: `root.linkerd.${domain}` });
  const issuer = await createIssuer(anchor, { commonName: `identity.${ns}.${domain}` });
  return withIssuer(values, chainPem(anchor.chain), chainPem(issuer.chain), privateKeyPem(issuer.key));
}

function withIssuer(
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

/** A private authority whose only certificate is the webhook's; its key is forgotten, so nothing else can be signed by it. */
export async function withWebhookCertificate(values: ControlPlaneValues, ns: string): Promise<ControlPlaneValues> {
  if (values.proxyInjector.crtPEM !== '') return values;
  const name = `linkerd-proxy-injector.${ns}.svc`;
  const authority = await createTrustAnchor({ commonName: name });
  const issued = await issueCertificate(authority, {
    commonName: name,
    dnsNames: [name, `${name}.${values.clusterDomain}`],
    usages: ['server'],
    lifetimeMs: WEBHOOK_LIFETIME_MS,
  });
  return {
    ...values,
    proxyInjector: {
      ...values.proxyInjector,
      caBundle: chainPem(authority.chain),
      crtPEM: issued.certificate.pem,
      keyPEM: issued.keyPem,
    },
  };
}
