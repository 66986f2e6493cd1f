/** Certificates for tests: made once per process, since making them is the slow part. */
import { chainPem, createIssuer, createTrustAnchor, privateKeyPem } from '@mesh/pki';

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
