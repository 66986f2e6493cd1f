/** Category `linkerd-identity`: trust anchors and issuer. What is wrong here stops new certificates within a day. */
import { SECRETS } from '@mesh/kube';
import { checkValidity, describeKey, isP256, loadIssuer, parseCertificate, parseCertificates } from '@mesh/pki';
import type { Certificate } from '@mesh/pki';
import type { Check, CheckCategory } from './check.ts';
import { clockSkewCheck } from './clock-skew.ts';
import type { CheckState } from './state.ts';

/** Linkerd's notice. */
const SOON_MS = 60 * 86_400_000;
/** NIST SP 800-57: below that, RSA is not to be trusted any more. */
const RSA_BITS_MIN = 2048;

export function identityCategory(state: CheckState): CheckCategory {
  const ns = state.controlPlaneNamespace;
  const anchors = async (): Promise<readonly Certificate[]> =>
    parseCertificates((await state.config()).trustAnchorsPem, `ConfigMap ${ns}/linkerd-identity-trust-roots`);
  const issuer = async (): Promise<Certificate> =>
    parseCertificate(
      (await issuerFiles(state)).certificatePem,
      `the certificate in Secret ${ns}/linkerd-identity-issuer`,
    );
  const checks: readonly Check[] = [
    {
      description: 'certificate config is valid',
      hint: 'l5d-identity-cert-config-valid',
      fatal: true,
      run: async () => void (await Promise.all([anchors(), issuer()])),
    },
    {
      description: 'trust anchors are using supported crypto algorithm',
      hint: 'l5d-identity-trustAnchors-use-supported-crypto',
      fatal: true,
      run: async () => every(await anchors(), (anchor) => assertAnchorKey(anchor)),
    },
    {
      description: 'trust anchors are within their validity period',
      hint: 'l5d-identity-trustAnchors-are-time-valid',
      fatal: true,
      run: async () => every(await anchors(), (anchor) => checkValidity(anchor, Date.now())),
    },
    {
      description: 'trust anchors are valid for at least 60 days',
      hint: 'l5d-identity-trustAnchors-not-expiring-soon',
      warning: true,
      run: async () => every(await anchors(), (anchor) => assertNotSoon(anchor, 'trust anchor')),
    },
    {
      description: 'issuer cert is using supported crypto algorithm',
      hint: 'l5d-identity-issuer-cert-uses-supported-crypto',
      fatal: true,
      run: async () => {
        const { publicKey, subject } = await issuer();
        if (!isP256(publicKey))
          throw new Error(
            `the issuer certificate (${subject}) has a key of kind ${describeKey(publicKey)}; it must be ECDSA P-256`,
          );
      },
    },
    {
      description: 'issuer cert is within its validity period',
      hint: 'l5d-identity-issuer-cert-is-time-valid',
      fatal: true,
      run: async () => checkValidity(await issuer(), Date.now()),
    },
    {
      description: 'issuer cert is valid for at least 60 days',
      hint: 'l5d-identity-issuer-cert-not-expiring-soon',
      warning: true,
      run: async () => assertNotSoon(await issuer(), 'issuer certificate'),
    },
    {
      description: 'issuer cert is issued by the trust anchor',
      hint: 'l5d-identity-issuer-cert-issued-by-trust-anchor',
      run: async () => void loadIssuer({ ...(await issuerFiles(state)), anchors: await anchors() }),
    },
    clockSkewCheck(state, 'l5d-identity-clock-skew'),
  ];
  return { name: 'linkerd-identity', checks };
}

/** @throws Error for a certificate that ends within 60 days. */
export function assertNotSoon(certificate: Certificate, what: string): void {
  if (certificate.notAfterMs - Date.now() >= SOON_MS) return;
  throw new Error(`${what} (${certificate.subject}) will expire on ${new Date(certificate.notAfterMs).toISOString()}`);
}

async function issuerFiles(state: CheckState): Promise<{ readonly certificatePem: string; readonly keyPem: string }> {
  const ref = { namespace: state.controlPlaneNamespace, name: 'linkerd-identity-issuer' };
  const secret = await (await state.client()).get(SECRETS, ref);
  if (secret === undefined) throw new Error(`Secret ${ref.namespace}/${ref.name} is missing`);
  const text = (key: string): string => Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');
  return { certificatePem: text('crt.pem') || text('tls.crt'), keyPem: text('key.pem') || text('tls.key') };
}

/** Anchors only verify: ECDSA P-256 as Linkerd makes them, or RSA as enterprises have them. */
function assertAnchorKey(anchor: Certificate): void {
  const key = anchor.publicKey;
  const isRsa = key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= RSA_BITS_MIN;
  if (isP256(key) || isRsa) return;
  throw new Error(
    `trust anchor (${anchor.subject}) has a key of kind ${describeKey(key)}; it must be ECDSA P-256 or RSA of at least ${RSA_BITS_MIN} bits`,
  );
}

/** Collects what is wrong with each of them. */
function every(certificates: readonly Certificate[], check: (certificate: Certificate) => void): void {
  const problems = certificates.flatMap((certificate) => {
    try {
      check(certificate);
      return [];
    } catch (error) {
      return [error instanceof Error ? error.message : String(error)];
    }
  });
  if (problems.length > 0) throw new Error(problems.join('\n'));
}
