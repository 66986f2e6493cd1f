/**
 * When a token is due for renewal: before half of its life. The peer's clock and ours may differ, so a token that we received ourselves is
 * timed by how long we have had it; only for one that we found does the time of issue count as well.
 */

/** Between these shares of a token's life, so that many Links do not renew in step. */
const EARLIEST = 0.35;
const LATEST = 0.5;

export interface KnownToken {
  readonly text: string;
  readonly issuedMs: number;
  readonly expiresMs: number;
  /** Monotonic ms when we first had it. */
  readonly seenMs: number;
  /** We asked for it ourselves: it was fresh when we first had it. */
  readonly isOwn: boolean;
  /** Share of the life after which it is replaced. */
  readonly share: number;
}

export function knownToken(
  token: { readonly text: string; readonly issuedMs?: number; readonly expiresMs: number },
  seen: { readonly nowMs: number; readonly monotonicMs: number; readonly isOwn: boolean; readonly random: number },
): KnownToken {
  return {
    text: token.text,
    issuedMs: token.issuedMs ?? seen.nowMs,
    expiresMs: token.expiresMs,
    seenMs: seen.monotonicMs,
    isOwn: seen.isOwn,
    share: EARLIEST + seen.random * (LATEST - EARLIEST),
  };
}

/** Milliseconds until it is due; 0 or less: now. */
export function untilRenewalMs(
  token: KnownToken,
  nowMs: number,
  monotonicMs: number,
  /** Renewed at the latest at this age, whatever its life. */
  ageMaxMs = Infinity,
): number {
  const dueAgeMs = Math.min((token.expiresMs - token.issuedMs) * token.share, ageMaxMs);
  const byPossession = token.seenMs + dueAgeMs - monotonicMs;
  return token.isOwn ? byPossession : Math.min(byPossession, token.issuedMs + dueAgeMs - nowMs);
}
