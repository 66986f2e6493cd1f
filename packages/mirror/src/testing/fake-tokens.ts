/** Tokens as a Kubernetes API issues them, but for the signature, which nobody here checks. */

export interface FakeTokenClaims {
  readonly account: string;
  readonly namespace?: string;
  /** Unix ms, whole seconds. */
  readonly issuedMs?: number;
  readonly expiresMs?: number;
}

let serial = 0;

/** No two are equal. */
export function fakeToken({
  account,
  namespace = 'linkerd-multicluster',
  issuedMs,
  expiresMs,
}: FakeTokenClaims): string {
  const claims = {
    sub: `system:serviceaccount:${namespace}:${account}`,
    jti: String((serial += 1)),
    ...(issuedMs === undefined ? {} : { iat: Math.floor(issuedMs / 1000) }),
    ...(expiresMs === undefined ? {} : { exp: Math.floor(expiresMs / 1000) }),
  };
  return (
    [{ alg: 'none' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.') + '.s'
  );
}
