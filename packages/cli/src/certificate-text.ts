/** Certificates for people: the fields that matter for a workload identity, and the PEM. */
import { X509Certificate } from 'node:crypto';

/** Leaf first, as the peer sent them. */
export function describeChain(chain: readonly Uint8Array[]): string {
  return chain.map((der) => describeCertificate(new X509Certificate(der))).join('\n');
}

function describeCertificate(certificate: X509Certificate): string {
  const rows: readonly (readonly [string, string])[] = [
    ['Subject', oneLine(certificate.subject)],
    ['Issuer', oneLine(certificate.issuer)],
    ['Serial', certificate.serialNumber],
    ['Not before', certificate.validFromDate.toISOString()],
    ['Not after', certificate.validToDate.toISOString()],
    [
      'Key',
      `${certificate.publicKey.asymmetricKeyType ?? 'unknown'} ${certificate.publicKey.asymmetricKeyDetails?.namedCurve ?? ''}`.trim(),
    ],
    ['Names', certificate.subjectAltName ?? '-'],
    ['CA', String(certificate.ca)],
    ['SHA-256', certificate.fingerprint256],
  ];
  return `Certificate:\n${rows.map(([name, value]) => `    ${`${name}:`.padEnd(12)}${value}`).join('\n')}\n${certificate.toString()}`;
}

function oneLine(name: string | undefined): string {
  return name === undefined || name === '' ? '-' : name.split('\n').join(', ');
}
