/** Who speaks on a connection: by client certificate, by bearer token, or nobody; then impersonation. */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { deniedText, type AuthorizationAttributes, type Authorizer } from '../operations.ts';
import { failure, forbidden, unauthorized } from '../status-error.ts';
import type { UserInfo } from '../types.ts';
import type { ServiceAccountTokens } from './service-account-tokens.ts';

export const ANONYMOUS: UserInfo = { username: 'system:anonymous', groups: ['system:unauthenticated'] };
const AUTHENTICATED = 'system:authenticated';

export class Authenticator {
  readonly #tokens: ServiceAccountTokens;
  readonly #authorizer: Authorizer;
  readonly #certificateUsers = new WeakMap<TLSSocket, UserInfo | 'none'>();

  constructor(tokens: ServiceAccountTokens, authorizer: Authorizer) {
    this.#tokens = tokens;
    this.#authorizer = authorizer;
  }

  /** @throws 401 for credentials that don't hold, 403 for an impersonation that isn't allowed. */
  authenticate(request: IncomingMessage): UserInfo {
    return this.#impersonated(request, this.#direct(request));
  }

  #direct(request: IncomingMessage): UserInfo {
    const certificate = this.#certificateUser(request);
    if (certificate !== undefined) return certificate;
    const header = request.headers.authorization;
    if (header === undefined) return ANONYMOUS;
    const match = /^Bearer\s+(\S+)$/i.exec(header);
    if (match === null) return ANONYMOUS;
    const verified = this.#tokens.verify(match[1] ?? '');
    if ('error' in verified) throw unauthorized();
    return verified.user;
  }

  #certificateUser(request: IncomingMessage): UserInfo | undefined {
    const { socket } = request;
    if (!(socket instanceof TLSSocket)) return undefined;
    let user = this.#certificateUsers.get(socket);
    if (user === undefined) {
      user = userOfCertificate(socket) ?? 'none';
      this.#certificateUsers.set(socket, user);
    }
    return user === 'none' ? undefined : user;
  }

  #impersonated(request: IncomingMessage, user: UserInfo): UserInfo {
    const { headers } = request;
    const name = single(headers['impersonate-user']);
    const groups = headerValues(request, 'impersonate-group');
    const uid = single(headers['impersonate-uid']);
    const extra = impersonatedExtra(request);
    if (name === undefined) {
      if (groups.length > 0 || uid !== undefined || Object.keys(extra).length > 0) {
        throw failure(
          500,
          'InternalError',
          'requested impersonation of groups, uid or extra without impersonating a user',
        );
      }
      return user;
    }
    const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name);
    if (account === null) this.#require(user, 'users', undefined, name);
    else this.#require(user, 'serviceaccounts', account[1], account[2] ?? '');
    for (const group of groups) this.#require(user, 'groups', undefined, group);
    if (uid !== undefined) this.#require(user, 'uids', undefined, uid, 'authentication.k8s.io');
    for (const [key, values] of Object.entries(extra)) {
      for (const value of values) this.#require(user, 'userextras', undefined, value, 'authentication.k8s.io', key);
    }
    const all = [...groups];
    if (account !== null && groups.length === 0)
      all.push('system:serviceaccounts', `system:serviceaccounts:${account[1]}`);
    const marker = name === ANONYMOUS.username ? 'system:unauthenticated' : AUTHENTICATED;
    if (!all.includes(marker)) all.push(marker);
    return { username: name, groups: all, uid, ...(Object.keys(extra).length === 0 ? {} : { extra }) };
  }

  #require(
    user: UserInfo,
    plural: string,
    namespace: string | undefined,
    name: string,
    group = '',
    subresource?: string,
  ): void {
    const attributes: AuthorizationAttributes = {
      user,
      verb: 'impersonate',
      group,
      version: '',
      plural,
      subresource,
      namespace,
      name,
    };
    const reason = this.#authorizer.deny(attributes);
    if (reason !== undefined) throw forbidden({ group, plural }, name, deniedText(attributes, reason));
  }
}

/** CN is the user, each O a group. A certificate that another CA signed is refused. */
function userOfCertificate(socket: TLSSocket): UserInfo | undefined {
  const certificate = socket.getPeerCertificate();
  if (Object.keys(certificate ?? {}).length === 0) return undefined;
  if (!socket.authorized) throw unauthorized();
  const { CN, O } = certificate.subject as { CN?: string | string[]; O?: string | string[] };
  const username = Array.isArray(CN) ? CN[0] : CN;
  if (username === undefined || username === '') return undefined;
  const groups = O === undefined ? [] : Array.isArray(O) ? O : [O];
  const fingerprint = createHash('sha256').update(certificate.raw).digest('hex');
  const extra = { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${fingerprint}`] };
  return { username, groups: [...groups, AUTHENTICATED], extra };
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

/** Repeated headers one by one: node joins them with commas, and group names may contain one. */
function headerValues(request: IncomingMessage, name: string): readonly string[] {
  return request.headersDistinct[name] ?? [];
}

function impersonatedExtra(request: IncomingMessage): Record<string, readonly string[]> {
  const extra: Record<string, readonly string[]> = {};
  for (const [name, values] of Object.entries(request.headersDistinct)) {
    if (name.startsWith('impersonate-extra-') && values !== undefined) {
      extra[decodeURIComponent(name.slice('impersonate-extra-'.length))] = values;
    }
  }
  return extra;
}
