/** Chain verification (RFC 5280 §6, as far as the mesh's chains go) that says what exactly is wrong. */
import type { Certificate } from './certificate.ts';
import { PkiError } from './errors.ts';

/** Longer chains are refused: a peer must not make us search. */
const CHAIN_LENGTH_MAX = 8;
const EKU = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const;

/**
 * Finds a chain from `leaf` to one of `anchors`.
 * @param options.name When given, one of the leaf's DNS names or URIs must equal it.
 * @returns the chain, leaf first, anchor last.
 * @throws PkiError with the nearest reason.
 */
export function verifyChain(options: {
  readonly leaf: Certificate;
  readonly intermediates: readonly Certificate[];
  readonly anchors: readonly Certificate[];
  readonly nowMs: number;
  readonly name?: string;
  readonly usage?: 'server' | 'client';
}): readonly Certificate[] {
  const { leaf, intermediates, anchors, nowMs, name, usage } = options;
  checkValidity(leaf, nowMs);
  if (name !== undefined) checkName(leaf, name);
  const usages = leaf.x509.keyUsage as readonly string[] | undefined;
  if (usage !== undefined && usages !== undefined && !usages.includes(EKU[usage])) {
    throw new PkiError({ code: 'bad_usage', subject: leaf.subject, wanted: `TLS ${usage}s` });
  }
  const chain = [leaf];
  while (chain.length <= CHAIN_LENGTH_MAX) {
    const last = chain[chain.length - 1] ?? leaf;
    if (anchors.some((anchor) => anchor.equals(last))) return chain;
    const anchor = issuerOf(last, anchors, intermediatesIn(chain), nowMs);
    if (anchor !== undefined) return [...chain, anchor];
    const next = issuerOf(
      last,
      intermediates.filter((one) => !chain.includes(one)),
      intermediatesIn(chain),
      nowMs,
    );
    if (next === undefined) throw new PkiError({ code: 'untrusted', subject: last.subject, issuer: last.issuer });
    chain.push(next);
  }
  throw new PkiError({ code: 'untrusted', subject: leaf.subject, issuer: leaf.issuer });
}

/** The end entity does not count (RFC 5280 §4.2.1.9); a CA that is looked at for itself does, as it will issue some. */
function intermediatesIn(chain: readonly Certificate[]): number {
  return chain.filter((one) => one.isCa).length;
}

/** @throws PkiError `expired` or `not_yet_valid`. */
export function checkValidity(certificate: Certificate, nowMs: number): void {
  const { subject } = certificate;
  if (nowMs > certificate.notAfterMs) {
    throw new PkiError({ code: 'expired', subject, notAfter: new Date(certificate.notAfterMs).toISOString() });
  }
  if (nowMs < certificate.notBeforeMs) {
    throw new PkiError({ code: 'not_yet_valid', subject, notBefore: new Date(certificate.notBeforeMs).toISOString() });
  }
}

function checkName(leaf: Certificate, name: string): void {
  const names = [...leaf.dnsNames, ...leaf.uris];
  if (names.length === 0) throw new PkiError({ code: 'no_san', subject: leaf.subject });
  if (!names.includes(name)) throw new PkiError({ code: 'name_mismatch', wanted: name, found: names });
}

/**
 * The candidate that signed `child`. When one did but may not be used, its reason is thrown if no other fits.
 * @param below Intermediates between the candidate and the end entity, `child` included.
 */
function issuerOf(
  child: Certificate,
  candidates: readonly Certificate[],
  below: number,
  nowMs: number,
): Certificate | undefined {
  let problem: PkiError | undefined;
  for (const candidate of candidates) {
    if (!child.x509.checkIssued(candidate.x509) || !child.x509.verify(candidate.publicKey)) continue;
    try {
      if (!candidate.isCa) throw new PkiError({ code: 'not_a_ca', subject: candidate.subject });
      checkValidity(candidate, nowMs);
      if (candidate.pathLength !== undefined && below > candidate.pathLength) {
        throw new PkiError({ code: 'path_length', subject: candidate.subject, allowed: candidate.pathLength });
      }
      return candidate;
    } catch (error) {
      problem ??= error as PkiError;
    }
  }
  if (problem !== undefined) throw problem;
  return undefined;
}
