/** Service account tokens: ES256 JSON Web Tokens bound to an account and perhaps to a pod or secret (KEP-1205). */
import { createHash, createPublicKey, randomUUID, sign, verify, type KeyObject } from 'node:crypto';
import type { Clock } from '@mesh/runtime';
import { asArray, asNumber, asObject, asString, memberAt, type JsonObject } from '../json.ts';
import type { Store } from '../store.ts';
import type { KubeObject, UserInfo } from '../types.ts';

/** Tokens of pods that live an hour are accepted for a year by default in Kubernetes; ours end when they say. */
export const TOKEN_SECONDS_MIN = 600;
export const TOKEN_SECONDS_DEFAULT = 3600;
const TOKEN_SECONDS_MAX = 2 ** 32;
/** How far apart clocks may be. */
const SKEW_SECONDS = 10;

export interface BoundObject {
  readonly kind: 'Pod' | 'Secret' | 'Node';
  readonly name: string;
  readonly uid: string;
}

export interface TokenSubject {
  readonly namespace: string;
  readonly account: KubeObject;
  readonly audiences: readonly string[];
  readonly expirationSeconds: number | undefined;
  readonly bound?: BoundObject | undefined;
  /** The node that runs the bound pod. */
  readonly node?: { readonly name: string; readonly uid?: string } | undefined;
}

export interface VerifiedToken {
  readonly user: UserInfo;
  /** The requested audiences that the token has. */
  readonly audiences: readonly string[];
}

export class ServiceAccountTokens {
  readonly issuer: string;
  readonly #key: KeyObject;
  readonly #publicKey: KeyObject;
  readonly #keyId: string;
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(options: {
    readonly key: KeyObject;
    readonly issuer: string;
    readonly store: Store;
    readonly clock: Clock;
  }) {
    this.issuer = options.issuer;
    this.#key = options.key;
    this.#publicKey = createPublicKey(options.key);
    this.#keyId = createHash('sha256')
      .update(this.#publicKey.export({ type: 'spki', format: 'der' }))
      .digest('base64url');
    this.#store = options.store;
    this.#clock = options.clock;
  }

  /** The JWT and its expiry in ISO form; without `expirationSeconds` a token that lives as long as its secret. */
  issue(subject: TokenSubject): { readonly token: string; readonly expires: string | undefined } {
    const now = Math.floor(this.#clock.now() / 1000);
    const { namespace, account, bound, node } = subject;
    const seconds =
      subject.expirationSeconds === undefined ? undefined : Math.min(subject.expirationSeconds, TOKEN_SECONDS_MAX);
    const name = account.metadata.name ?? '';
    const claims = {
      aud: subject.audiences,
      ...(seconds === undefined ? {} : { exp: now + seconds }),
      iat: now,
      iss: this.issuer,
      jti: randomUUID(),
      'kubernetes.io': {
        namespace,
        ...(node === undefined ? {} : { node }),
        ...(bound === undefined ? {} : { [bound.kind.toLowerCase()]: { name: bound.name, uid: bound.uid } }),
        serviceaccount: { name, uid: account.metadata.uid },
      },
      nbf: now,
      sub: `system:serviceaccount:${namespace}:${name}`,
    };
    const head = encodePart({ alg: 'ES256', kid: this.#keyId });
    const body = encodePart(claims);
    const signature = sign('sha256', Buffer.from(`${head}.${body}`), { key: this.#key, dsaEncoding: 'ieee-p1363' });
    const expires =
      seconds === undefined ? undefined : `${new Date((now + seconds) * 1000).toISOString().slice(0, 19)}Z`;
    return { token: `${head}.${body}.${signature.toString('base64url')}`, expires };
  }

  /** The user behind a token that is intact, in time, meant for one of `audiences` and whose objects still exist; else why not. */
  verify(token: string, audiences: readonly string[] = [this.issuer]): VerifiedToken | { readonly error: string } {
    const [head, body, signature, ...more] = token.split('.');
    if (head === undefined || body === undefined || signature === undefined || more.length > 0)
      return { error: 'invalid bearer token' };
    const header = decodePart(head);
    const claims = decodePart(body);
    if (header?.['alg'] !== 'ES256' || claims === undefined || claims['iss'] !== this.issuer)
      return { error: 'invalid bearer token' };
    const key = { key: this.#publicKey, dsaEncoding: 'ieee-p1363' } as const;
    if (!verify('sha256', Buffer.from(`${head}.${body}`), key, Buffer.from(signature, 'base64url'))) {
      return { error: 'invalid bearer token, invalid signature' };
    }
    const now = this.#clock.now() / 1000;
    const expires = asNumber(claims['exp']);
    if (expires !== undefined && expires + SKEW_SECONDS < now)
      return { error: 'invalid bearer token, service account token has expired' };
    if ((asNumber(claims['nbf']) ?? 0) - SKEW_SECONDS > now)
      return { error: 'invalid bearer token, service account token is not valid yet' };
    const given = asArray(claims['aud']).filter((one) => typeof one === 'string');
    const common = audiences.filter((audience) => given.includes(audience));
    if (common.length === 0) {
      return {
        error: `invalid bearer token, token audiences [${quoteAll(given)}] is invalid for the target audiences [${quoteAll(audiences)}]`,
      };
    }
    return this.#subjectOf(claims, common);
  }

  #subjectOf(claims: JsonObject, audiences: readonly string[]): VerifiedToken | { readonly error: string } {
    const info = asObject(claims['kubernetes.io']) ?? {};
    const namespace = asString(info['namespace']) ?? '';
    const name = asString(memberAt(info, 'serviceaccount', 'name')) ?? '';
    const uid = asString(memberAt(info, 'serviceaccount', 'uid'));
    const account = this.#store.get('/serviceaccounts', `${namespace}/${name}`);
    if (account === undefined || account.metadata.uid !== uid)
      return { error: `invalid bearer token, service account ${namespace}/${name} not found` };
    const extra: Record<string, string[]> = {};
    const id = asString(claims['jti']);
    if (id !== undefined) extra['authentication.kubernetes.io/credential-id'] = [`JTI=${id}`];
    const nodeName = asString(memberAt(info, 'node', 'name'));
    const nodeUid = asString(memberAt(info, 'node', 'uid'));
    if (nodeName !== undefined) extra['authentication.kubernetes.io/node-name'] = [nodeName];
    if (nodeUid !== undefined) extra['authentication.kubernetes.io/node-uid'] = [nodeUid];
    for (const [kind, bucket] of [
      ['pod', '/pods'],
      ['secret', '/secrets'],
    ] as const) {
      const bound = asObject(info[kind]);
      if (bound === undefined) continue;
      const boundName = asString(bound['name']) ?? '';
      const found = this.#store.get(bucket, `${namespace}/${boundName}`);
      if (found === undefined || found.metadata.uid !== bound['uid'])
        return { error: 'invalid bearer token, service account token has been invalidated' };
      if (kind === 'pod') {
        extra['authentication.kubernetes.io/pod-name'] = [boundName];
        extra['authentication.kubernetes.io/pod-uid'] = [asString(bound['uid']) ?? ''];
      }
    }
    const username = `system:serviceaccount:${namespace}:${name}`;
    const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'];
    return { user: { username, uid: uid ?? '', groups, extra }, audiences };
  }

  /** The public key as OpenID Connect discovery shows it. */
  keySet(): { readonly keys: readonly Readonly<Record<string, unknown>>[] } {
    return { keys: [{ use: 'sig', kid: this.#keyId, alg: 'ES256', ...this.#publicKey.export({ format: 'jwk' }) }] };
  }
}

function quoteAll(list: readonly string[]): string {
  return list.map((item) => JSON.stringify(item)).join(' ');
}

function encodePart(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decodePart(text: string): JsonObject | undefined {
  try {
    return asObject(JSON.parse(Buffer.from(text, 'base64url').toString('utf8')));
  } catch {
    return undefined;
  }
}
