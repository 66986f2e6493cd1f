/** Turns a kubeconfig user into the headers and client certificate of a request, renewing what expires. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Agent } from 'node:https';
import { ExecAuth } from '@kubernetes/client-node/dist/exec_auth.js';
import type { Cluster, Context, User } from '@kubernetes/client-node/dist/config_types.js';
import { messageOf } from '@mesh/runtime';
import { KubeError } from './errors.ts';

type Headers = Readonly<Record<string, string | readonly string[]>>;

/** What one request needs to be accepted as the user. */
export interface RequestAuth {
  readonly headers: Headers;
  readonly certPem?: string | undefined;
  readonly keyPem?: string | undefined;
  /** Only for providers and proxies that the official client handles. */
  readonly agent?: Agent | undefined;
}

export interface Credentials {
  /** Never caches longer than the credential lives. Rejects with KubeError `config` when it cannot be obtained. */
  authorize(): Promise<RequestAuth>;
}

export interface CredentialSource {
  readonly source: string;
  readonly user: User & { readonly tokenFile?: string };
  readonly cluster: Cluster;
  readonly context: Context;
  readonly as: string | undefined;
  readonly asGroups: readonly string[] | undefined;
}

/** Bound tokens rotate at 80 % of an hour or more; client-go also looks once a minute. We look more often, since a read costs microseconds. */
const TOKEN_FILE_MAX_AGE_MS = 10_000;

export function createCredentials(options: CredentialSource): Credentials {
  const { user, source } = options;
  const impersonation = impersonationHeaders(options);
  const cert = pemOf(user.certData, user.certFile, 'client-certificate', options);
  const key = pemOf(user.keyData, user.keyFile, 'client-key', options);
  const fixed: RequestAuth = { headers: impersonation, certPem: cert, keyPem: key };
  const withToken = (token: string): RequestAuth => ({
    ...fixed,
    headers: { ...impersonation, authorization: `Bearer ${token}` },
  });

  if (options.cluster.proxyUrl || user.authProvider) return legacyCredentials(options, impersonation);
  if (user.token) return constant(withToken(user.token));
  if (user.tokenFile) return tokenFileCredentials(user.tokenFile, source, withToken);
  if (user.exec) return execCredentials(user, source, fixed);
  if (user.username) {
    const basic = Buffer.from(`${user.username}:${user.password ?? ''}`).toString('base64');
    return constant({ ...fixed, headers: { ...impersonation, authorization: `Basic ${basic}` } });
  }
  return constant(fixed);
}

function constant(auth: RequestAuth): Credentials {
  return { authorize: () => Promise.resolve(auth) };
}

function tokenFileCredentials(file: string, source: string, withToken: (token: string) => RequestAuth): Credentials {
  let cached: RequestAuth | undefined;
  let readAtMs = -Infinity;
  return {
    async authorize() {
      if (cached !== undefined && performance.now() - readAtMs < TOKEN_FILE_MAX_AGE_MS) return cached;
      try {
        const token = (await readFile(file, 'utf8')).trim();
        cached = withToken(token);
        readAtMs = performance.now();
      } catch (error) {
        // A token that was good a moment ago is better than none; the API judges.
        if (cached === undefined)
          throw authError(source, `${source}: cannot read token file ${file}: ${messageOf(error)}`, error);
      }
      return cached;
    },
  };
}

function execCredentials(user: User, source: string, fixed: RequestAuth): Credentials {
  const exec = new ExecAuth();
  return {
    async authorize() {
      const options: { headers: Record<string, string>; cert?: string; key?: string } = { headers: {} };
      try {
        await exec.applyAuthentication(user, options);
      } catch (error) {
        const command = String((user.exec as { command?: unknown }).command);
        throw authError(
          source,
          `${source}: the credential plugin "${command}" of user "${user.name}" failed: ${messageOf(error).trim()}; run it by hand to see why`,
          error,
        );
      }
      return {
        headers: { ...fixed.headers, ...options.headers },
        certPem: options.cert ?? fixed.certPem,
        keyPem: options.key ?? fixed.keyPem,
      };
    },
  };
}

/** Legacy auth providers (OIDC, Azure, GCP) and HTTP or SOCKS proxies: the official client's whole machinery, loaded on first use. */
function legacyCredentials(options: CredentialSource, impersonation: Headers): Credentials {
  let loading: Promise<(target: Record<string, unknown>) => Promise<void>> | undefined;
  return {
    async authorize() {
      loading ??= import('@kubernetes/client-node/dist/config.js').then(({ KubeConfig }) => {
        const config = new KubeConfig();
        config.loadFromOptions({
          clusters: [options.cluster],
          users: [options.user],
          contexts: [options.context],
          currentContext: options.context.name,
        });
        return (target) => config.applyToHTTPSOptions(target);
      });
      const target: { headers?: Record<string, string>; agent?: Agent } = {};
      try {
        const apply = await loading;
        await apply(target);
      } catch (error) {
        throw authError(
          options.source,
          `${options.source}: user "${options.user.name}" cannot authenticate: ${messageOf(error)}`,
          error,
        );
      }
      const headers = Object.fromEntries(
        Object.entries(target.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
      );
      return { headers: { ...headers, ...impersonation }, agent: target.agent };
    },
  };
}

function impersonationHeaders(options: CredentialSource): Headers {
  const as = options.as ?? options.user.impersonateUser ?? undefined;
  if (as === undefined) {
    if ((options.asGroups ?? []).length > 0) {
      throw authError(options.source, '--as-group needs --as: a group cannot be impersonated without a user');
    }
    return {};
  }
  // An array becomes one header line per group, as the API wants it.
  const groups = options.asGroups ?? [];
  return { 'impersonate-user': as, ...(groups.length === 0 ? {} : { 'impersonate-group': groups }) };
}

function pemOf(
  data: string | undefined,
  file: string | undefined,
  field: string,
  options: CredentialSource,
): string | undefined {
  if (data) {
    const pem = Buffer.from(data, 'base64').toString('utf8');
    if (!pem.includes('-----BEGIN')) {
      throw authError(
        options.source,
        `${options.source}: ${field}-data of user "${options.user.name}" is not base64 of PEM`,
      );
    }
    return pem;
  }
  if (!file) return undefined;
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw authError(
      options.source,
      `${options.source}: cannot read ${field} ${file} of user "${options.user.name}": ${messageOf(error)}`,
      error,
    );
  }
}

function authError(object: string, message: string, cause?: unknown): KubeError {
  return new KubeError({ code: 'config', object, status: 0 }, message, { cause });
}
