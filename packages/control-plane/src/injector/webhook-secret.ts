/**
 * The Secret that holds the webhook's certificate, and what has to happen to it and to the webhook's `caBundle`. Pure.
 *
 *      SERVING ── two thirds of its life are over ──▶ PREPARED ── the bundle trusts both, long enough ──▶ SERVING
 *    tls.crt tls.key       next.crt next.key next-ca.crt added                            next.* become tls.*
 *
 * At every moment each API server trusts what each replica serves: a certificate is served only after its authority has been
 * in the bundle for a while, and an authority leaves the bundle only when it has expired, no sooner than what it signed.
 */
import type { Secret } from '@mesh/kube';
import { checkValidity, parseCertificate, parseCertificates, parsePrivateKey, PkiError } from '@mesh/pki';
import type { Certificate } from '@mesh/pki';

/** A certificate with its key and what it hangs on. */
export interface ServingPair {
  readonly certPem: string;
  readonly keyPem: string;
  readonly leaf: Certificate;
  /** Undefined when the Secret does not say, or says something else than what signed the certificate. */
  readonly authority: Certificate | undefined;
}

export interface WebhookSecret {
  readonly current: ServingPair | undefined;
  readonly next: ServingPair | undefined;
  /** Why there is no `current`: the Secret has none, or it cannot be used. */
  readonly problem: string | undefined;
}

/** Share of its life after which a certificate is replaced: a third is left for an injector that is down for long. */
const RENEW_AT = 2 / 3;

/** @param hostName The name that API servers ask for. */
export function readWebhookSecret(secret: Secret, hostName: string, nowMs: number): WebhookSecret {
  const read = (cert: string, key: string, authority: string): ServingPair | undefined =>
    readPair({ certPem: text(secret, cert), keyPem: text(secret, key), authorityPem: text(secret, authority) }, [
      cert,
      key,
      hostName,
      nowMs,
    ]);
  let next: ServingPair | undefined;
  try {
    next = read('next.crt', 'next.key', 'next-ca.crt');
    if (next?.authority === undefined) next = undefined;
  } catch {
    // A successor that cannot be used is made anew.
  }
  try {
    const current = read('tls.crt', 'tls.key', 'ca.crt');
    return { current, next, problem: current === undefined ? 'it has no tls.crt and tls.key' : undefined };
  } catch (error) {
    return { current: undefined, next, problem: error instanceof Error ? error.message : String(error) };
  }
}

/** True when it is time for a successor. */
export function isDue(pair: ServingPair, nowMs: number): boolean {
  const { notBeforeMs, notAfterMs } = pair.leaf;
  return nowMs >= notBeforeMs + (notAfterMs - notBeforeMs) * RENEW_AT;
}

/** The Secret with a successor beside what is served. */
export function withNext(
  secret: Secret,
  next: { readonly certPem: string; readonly keyPem: string; readonly caPem: string },
): Secret {
  const data = { 'next.crt': next.certPem, 'next.key': next.keyPem, 'next-ca.crt': next.caPem };
  const encoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'utf8').toString('base64')]);
  return { ...secret, data: { ...secret.data, ...Object.fromEntries(encoded) } };
}

/** The Secret with the successor in its place. */
export function promoted(secret: Secret): Secret {
  const { 'next.crt': cert = '', 'next.key': key = '', 'next-ca.crt': ca = '', ...rest } = secret.data ?? {};
  return { ...secret, data: { ...rest, 'tls.crt': cert, 'tls.key': key, 'ca.crt': ca } };
}

/** True when everyone who trusts `bundle` trusts the pair. */
export function isTrusted(pair: ServingPair, bundle: readonly Certificate[]): boolean {
  return bundle.some((one) => signed(one, pair.leaf));
}

/**
 * What the bundle must hold: everything that it holds, without what has expired, and the authorities of what is and will be
 * served. Undefined when it is that already.
 */
export function bundleFor(
  bundle: readonly Certificate[],
  pairs: readonly (ServingPair | undefined)[],
  nowMs: number,
): readonly Certificate[] | undefined {
  const kept = bundle.filter((one) => one.notAfterMs > nowMs);
  const wanted = [...kept];
  for (const pair of pairs) {
    const { authority } = pair ?? {};
    if (authority !== undefined && !wanted.some((one) => one.equals(authority))) wanted.push(authority);
  }
  return wanted.length === bundle.length && kept.length === bundle.length ? undefined : wanted;
}

/** A `caBundle` as the API has it; certificates of an unreadable one count as none. */
export function readBundle(base64: string): readonly Certificate[] {
  const pem = Buffer.from(base64, 'base64').toString('utf8');
  try {
    return pem.trim() === '' ? [] : parseCertificates(pem, 'the caBundle');
  } catch {
    return [];
  }
}

/** @throws PkiError when the key does not belong to the certificate, or the certificate is not valid now or for this name. */
function readPair(
  pem: { readonly certPem: string; readonly keyPem: string; readonly authorityPem: string },
  [certKey, keyKey, hostName, nowMs]: readonly [string, string, string, number],
): ServingPair | undefined {
  if (pem.certPem === '' || pem.keyPem === '') return undefined;
  const leaf = parseCertificate(pem.certPem, certKey);
  if (!leaf.x509.checkPrivateKey(parsePrivateKey(pem.keyPem, { what: keyKey }))) {
    throw new PkiError({ code: 'key_mismatch', subject: leaf.subject });
  }
  checkValidity(leaf, nowMs);
  if (leaf.x509.checkHost(hostName) === undefined) {
    throw new PkiError({ code: 'name_mismatch', wanted: hostName, found: leaf.dnsNames });
  }
  return { certPem: pem.certPem, keyPem: pem.keyPem, leaf, authority: authorityOf(leaf, pem.authorityPem) };
}

/** After an older manifest was applied again, `ca.crt` may belong to another certificate. */
function authorityOf(leaf: Certificate, pem: string): Certificate | undefined {
  if (pem === '') return undefined;
  try {
    return parseCertificates(pem, 'ca.crt').find((one) => signed(one, leaf));
  } catch {
    return undefined;
  }
}

function signed(authority: Certificate, leaf: Certificate): boolean {
  return leaf.x509.checkIssued(authority.x509) && leaf.x509.verify(authority.publicKey);
}

function text(secret: Secret, key: string): string {
  return Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');
}
