/** Certificates for tests: made once per process, since making them is the slow part. */
import { chainPem, createIssuer, createTrustAnchor, issueCertificate, privateKeyPem } from '@mesh/pki';
import type { ControlPlaneValues } from '../values/control-plane.ts';

export interface TestIdentity {
  readonly anchorPem: string;
  readonly issuerPem: string;
  readonly issuerKeyPem: string;
}

export async function createTestIdentity(lifetimeMs?: number): Promise<TestIdentity> {
  const lifetime = lifetimeMs === undefined ? {} : { lifetimeMs };
  const anchor = await createTrustAnchor({ commonName: 'root.linkerd.cluster.local', ...lifetime });
  const issuer = await createIssuer(anchor, { commonName: 'identity.linkerd.cluster.local', ...lifetime });
  return {
    anchorPem: chainPem(anchor.chain),
    issuerPem: chainPem(issuer.chain),
    issuerKeyPem: privateKeyPem(issuer.key),
  };
}

/** With a certificate for the webhook, as the injector would make it. */
export async function withWebhookCertificate(values: ControlPlaneValues, ns: string): Promise<ControlPlaneValues> {
  if (values.proxyInjector.crtPEM !== '') return values;
  const name = `linkerd-proxy-injector.${ns}.svc`;
  const authority = await createTrustAnchor({ commonName: name });
  const issued = await issueCertificate(authority, {
    commonName: name,
    dnsNames: [name, `${name}.${values.clusterDomain}`],
    usages: ['server'],
    lifetimeMs: 365 * 86_400_000,
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
