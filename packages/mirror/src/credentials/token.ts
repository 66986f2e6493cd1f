/** What a bearer token of a ServiceAccount says of itself (RFC 7519; claims as Kubernetes writes them). Nothing is verified here: the API that issued it does. */

export interface TokenFacts {
  readonly namespace: string;
  readonly account: string;
  /** Unix ms; absent for a token that does not expire. */
  readonly expiresMs?: number;
  readonly issuedMs?: number;
}

const SUBJECT = /^system:serviceaccount:([a-z0-9-]+):([a-z0-9.-]+)$/;

/** `undefined` for what is no ServiceAccount's token. */
export function readToken(token: string): TokenFacts | undefined {
  const claims = claimsOf(token);
  const subject = SUBJECT.exec(typeof claims?.['sub'] === 'string' ? claims['sub'] : '');
  if (claims === undefined || subject === null) return undefined;
  const expiresMs = secondsOf(claims['exp']);
  const issuedMs = secondsOf(claims['iat']) ?? secondsOf(claims['nbf']);
  return {
    namespace: subject[1] ?? '',
    account: subject[2] ?? '',
    ...(expiresMs === undefined ? {} : { expiresMs }),
    ...(issuedMs === undefined ? {} : { issuedMs }),
  };
}

function claimsOf(token: string): Readonly<Record<string, unknown>> | undefined {
  const parts = token.split('.');
  if (parts.length !== 3) return undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(parts[1] ?? '', 'base64url').toString('utf8'));
    return typeof claims === 'object' && claims !== null ? (claims as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function secondsOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value * 1000 : undefined;
}
