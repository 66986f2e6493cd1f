/** What a Peer's status must say from the exporter's side: who we are, how much it may see, and whether its own claims hold. Pure. */
import type { ClusterFacts, ClusterIssuer, Condition, Peer } from '@mesh/kube';
import { peerNamespace, peerNameProblem } from './names.ts';

type PeerStatus = NonNullable<Peer['status']>;

export interface PeerInput {
  readonly peer: Peer;
  /** All Peers; the peer itself may be among them. */
  readonly peers: readonly Peer[];
  readonly own: ClusterFacts;
  /** Services that the peer may see. */
  readonly exports: number;
  /** There is a namespace for its view, and it stays. */
  readonly hasNamespace: boolean;
  /** Since its last sign of life, by our own clock; `undefined`: there was none. */
  readonly silentMs: number | undefined;
  /** How far its clock is ahead of ours, milliseconds; `undefined`: not known. */
  readonly aheadMs: number | undefined;
  readonly nowMs: number;
}

/** A peer confirms its facts every 30 s: three of them lost are no accident. */
export const SILENT_AFTER_MS = 90_000;
/** Certificates are made valid with about this much tolerance for clocks. */
const SKEW_MIN_MS = 60_000;

/** Without `renewTime`. */
export function exporterFacts(input: PeerInput): NonNullable<PeerStatus['exporter']> {
  const { renewTime: _renewTime, ...facts } = input.own;
  return { ...facts, issuers: issuersOf(input), exports: input.exports };
}

/**
 * Our authorities, and those that we told this peer of before, until they end: pods keep certificates that a replaced authority signed, and
 * we may have been restarted since.
 */
function issuersOf({ peer, own, nowMs }: PeerInput): readonly ClusterIssuer[] {
  const issuers = new Map<string, ClusterIssuer>();
  for (const issuer of peer.status?.exporter?.issuers ?? []) {
    if (issuer.notAfter !== undefined && Date.parse(issuer.notAfter) > nowMs) issuers.set(issuer.keyId, issuer);
  }
  for (const issuer of own.issuers ?? []) issuers.set(issuer.keyId, issuer);
  return [...issuers.values()].toSorted((a, b) => (a.keyId < b.keyId ? -1 : 1));
}

/** A condition before it has a transition time. */
type Finding = Pick<Condition, 'status' | 'reason' | 'message'>;

/** `Valid` and `Seen`, and whatever others put there. Transition times move only with the status. */
export function peerConditions(input: PeerInput): readonly Condition[] {
  const { peer, nowMs } = input;
  const before = peer.status?.conditions ?? [];
  const found: Readonly<Record<string, Finding>> = { Valid: valid(input), Seen: seen(input) };
  const ours = Object.entries(found).map(([type, finding]): Condition => {
    const known = before.find((condition) => condition.type === type);
    return {
      type,
      ...finding,
      lastTransitionTime: known?.status === finding.status ? known.lastTransitionTime : rfc3339(nowMs),
    };
  });
  return [...ours, ...before.filter(({ type }) => found[type] === undefined)];
}

function valid(input: PeerInput): Finding {
  const { peer, hasNamespace } = input;
  const { name } = peer.metadata;
  const problem = peerNameProblem(name);
  if (problem !== undefined) {
    return bad('InvalidName', `${problem}; delete this Peer and allow the cluster again under another name`);
  }
  if (!hasNamespace) {
    return bad(
      'MissingNamespace',
      `namespace ${peerNamespace(name)} does not exist, so what only this peer may see is not shown: apply the output of mesh multicluster allow --peer ${name}`,
    );
  }
  return claimProblem(input) ?? { status: 'True', reason: 'Valid', message: '' };
}

/** What the peer says of itself, against what we know. */
function claimProblem({ peer, peers, own }: PeerInput): Finding | undefined {
  const { name } = peer.metadata;
  const claims = keyIds(peer.status?.peer);
  const ours = keyIds(own).find((keyId) => claims.includes(keyId));
  if (ours !== undefined) {
    return bad(
      'IssuerOfThisCluster',
      `it claims the issuer ${ours}, which signs this cluster's certificates: give each cluster an issuer of its own`,
    );
  }
  for (const other of peers) {
    if (other.metadata.name === name) continue;
    const theirs = keyIds(other.status?.peer);
    const shared = claims.find((keyId) => theirs.includes(keyId));
    if (shared === undefined) continue;
    return bad(
      'IssuerClaimedTwice',
      `Peer ${other.metadata.name} claims the issuer ${shared} too, so its clients cannot be told from those of ${name}: give each cluster an issuer of its own, or delete one of the two Peers`,
    );
  }
  const wanted = peer.spec.trustDomain;
  const told = peer.status?.peer?.trustDomain;
  if (wanted !== undefined && told !== undefined && wanted !== told) {
    return bad(
      'TrustDomainMismatch',
      `its trust domain is ${told}, and spec.trustDomain admits only ${wanted}: correct the one or the other`,
    );
  }
  return undefined;
}

function seen({ peer, silentMs, aheadMs = 0 }: PeerInput): Finding {
  if (silentMs === undefined) {
    return bad(
      'NeverSeen',
      `no mirror has used this Peer yet: apply the output of mesh multicluster link --peer ${peer.metadata.name} there`,
    );
  }
  const told = peer.status?.peer?.renewTime ?? '';
  if (silentMs > SILENT_AFTER_MS) {
    return bad(
      'Silent',
      `its mirror confirmed itself last at ${told}: is it running, does its Link still have valid credentials?`,
    );
  }
  // Told in whole minutes, so that it is no reason to write each time.
  const minutes = Math.round(Math.abs(aheadMs) / 60_000);
  const skewed = Math.abs(aheadMs) > SKEW_MIN_MS && minutes > 0;
  const message = skewed ? `its clock is about ${minutes} min ${aheadMs > 0 ? 'ahead' : 'behind'}` : '';
  return { status: 'True', reason: 'Recent', message };
}

function bad(reason: string, message: string): Finding {
  return { status: 'False', reason, message };
}

function keyIds(facts: ClusterFacts | undefined): readonly string[] {
  return (facts?.issuers ?? []).map(({ keyId }) => keyId);
}

function rfc3339(unixMs: number): string {
  return new Date(unixMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
