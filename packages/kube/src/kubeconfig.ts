/**
 * Where a cluster's API is and how to authenticate there: from a kubeconfig file, from kubeconfig
 * text (the Secret of a Link), or from the service account that is mounted into a pod.
 *
 * Parsing and the common ways to authenticate (tokens, token files, client certificates, exec
 * plugins, basic) use the light modules of the official client. Its `KubeConfig` class pulls in the generated
 * API (0.4-1 s and 75 MB on our test machine, against 7 ms for the types module), so it is loaded only
 * for what needs it: legacy auth providers and `proxy-url`. See `legacy-auth.ts`.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import path from 'node:path';
import { newClusters, newContexts, newUsers } from '@kubernetes/client-node/dist/config_types.js';
import type { Cluster, Context, User } from '@kubernetes/client-node/dist/config_types.js';
import { messageOf } from '@mesh/runtime';
import type * as Yaml from 'yaml';
import { createCredentials } from './credentials.ts';
import type { Credentials } from './credentials.ts';
import { KubeError } from './errors.ts';

/** How to reach one cluster as one user. */
export interface ClusterAccess {
  /** `https://host:port`, possibly with a path prefix; no trailing slash. */
  readonly server: string;
  readonly contextName: string;
  readonly clusterName: string;
  /** The context's (or the pod's own) namespace. */
  readonly namespace: string | undefined;
  /** PEM of the authorities that may sign the server's certificate; absent: the system's. */
  readonly caPem: string | undefined;
  readonly tlsServerName: string | undefined;
  readonly insecureSkipTlsVerify: boolean;
  readonly credentials: Credentials;
}

export interface KubeConfigOptions {
  /** Path(s) of kubeconfig files (`--kubeconfig`); absent: `KUBECONFIG`, then `~/.kube/config`, then the pod's service account. */
  readonly kubeconfig?: string | undefined;
  /** Kubeconfig text instead of a file. File references in it are refused. */
  readonly text?: string | undefined;
  /** What errors call the source of `text`, such as `Secret linkerd-multicluster/cluster-credentials-west`. */
  readonly source?: string | undefined;
  readonly context?: string | undefined;
  /** Overrides the server URL (`--api-addr`). */
  readonly apiServer?: string | undefined;
  readonly as?: string | undefined;
  readonly asGroups?: readonly string[] | undefined;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

/** Loaded when a text is not JSON: pods use their service account, and need not carry a YAML parser (60 ms, 6 MB). */
const require = createRequire(import.meta.url);
const parseYaml = (text: string): unknown => (require('yaml') as typeof Yaml).parse(text);

interface ParsedConfig {
  readonly clusters: readonly Cluster[];
  readonly contexts: readonly Context[];
  readonly users: readonly (User & { readonly tokenFile?: string })[];
  readonly currentContext: string | undefined;
}

const SERVICE_ACCOUNT_DIR = '/var/run/secrets/kubernetes.io/serviceaccount';

/** @throws KubeError `config`, naming the source, the entry and the fix. */
export function loadKubeConfig(options: KubeConfigOptions = {}): ClusterAccess {
  const env = options.env ?? process.env;
  if (options.text !== undefined) {
    const source = options.source ?? 'kubeconfig';
    return select(parseKubeConfig(options.text, source, undefined), source, options);
  }
  const files = kubeConfigFiles(options.kubeconfig, env);
  if (files.length === 0) return inCluster(env, options);
  const merged = files.map(readConfigFile).reduce(mergeConfigs);
  return select(merged, files.join(path.delimiter), options);
}

/** The contexts of the default kubeconfig (or the one named), for listings and completion. */
export function listContexts(options: KubeConfigOptions = {}): readonly string[] {
  const files = kubeConfigFiles(options.kubeconfig, options.env ?? process.env);
  if (files.length === 0) return [];
  return files
    .map(readConfigFile)
    .reduce(mergeConfigs)
    .contexts.map((context) => context.name);
}

/** Kubeconfig text with one cluster, one context and one user: what a Link's Secret holds. */
export function kubeConfigText(options: {
  readonly name: string;
  readonly server: string;
  readonly caPem: string | undefined;
  readonly token: string;
  readonly namespace?: string;
  readonly userName?: string;
}): string {
  const user = options.userName ?? options.name;
  const ca =
    options.caPem === undefined ? {} : { 'certificate-authority-data': Buffer.from(options.caPem).toString('base64') };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: options.name, cluster: { server: options.server, ...ca } }],
    contexts: [
      {
        name: options.name,
        context: {
          cluster: options.name,
          user,
          ...(options.namespace === undefined ? {} : { namespace: options.namespace }),
        },
      },
    ],
    users: [{ name: user, user: { token: options.token } }],
    'current-context': options.name,
  });
}

function kubeConfigFiles(
  flag: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  if (flag !== undefined && flag !== '') return [flag];
  const fromEnv = (env['KUBECONFIG'] ?? '').split(path.delimiter).filter((file) => file !== '');
  if (fromEnv.length > 0) {
    // As kubectl does: files of the list that do not exist are skipped, unless none does.
    const existing = fromEnv.filter((file) => tryRead(file) !== undefined);
    return existing.length > 0 ? existing : fromEnv.slice(0, 1);
  }
  const home = path.join(env['HOME'] ?? homedir(), '.kube', 'config');
  const inPod = env['KUBERNETES_SERVICE_HOST'] !== undefined;
  if (tryRead(home) !== undefined) return [home];
  return inPod ? [] : [home];
}

function readConfigFile(file: string): ParsedConfig {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw configError(
      file,
      `cannot read kubeconfig ${file}: ${messageOf(error)}; give --kubeconfig or set KUBECONFIG to an existing file`,
      error,
    );
  }
  return parseKubeConfig(text, file, path.dirname(file));
}

function parseKubeConfig(text: string, source: string, directory: string | undefined): ParsedConfig {
  let document: unknown;
  try {
    document = text.trimStart().startsWith('{') ? JSON.parse(text) : parseYaml(text);
  } catch (error) {
    throw configError(source, `${source} is not a kubeconfig: ${messageOf(error)}`, error);
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw configError(source, `${source} is not a kubeconfig: it holds no mapping with clusters, contexts and users`);
  }
  const raw = document as Readonly<Record<string, unknown>>;
  try {
    const config = {
      clusters: newClusters(raw['clusters']),
      contexts: newContexts(raw['contexts']),
      users: readUsers(raw['users']),
      currentContext: typeof raw['current-context'] === 'string' ? raw['current-context'] : undefined,
    };
    return resolveFiles(config, source, directory);
  } catch (error) {
    if (error instanceof KubeError) throw error;
    throw configError(source, `${source} is not a valid kubeconfig: ${messageOf(error)}`, error);
  }
}

/** The official parser reads `token-file` at load time; kubeconfig's key is `tokenFile`, and it must be read again as it rotates. */
function readUsers(raw: unknown): (User & { tokenFile?: string })[] {
  if (!Array.isArray(raw)) return [];
  const entries = raw as { readonly user?: Record<string, unknown> }[];
  return newUsers(entries).map((user, index) => {
    const tokenFile = entries[index]?.user?.['tokenFile'];
    return typeof tokenFile === 'string' ? { ...user, tokenFile } : user;
  });
}

function resolveFiles(config: ParsedConfig, source: string, directory: string | undefined): ParsedConfig {
  const resolve = (file: string | undefined): string | undefined => {
    if (file === undefined || file === null) return undefined;
    if (directory === undefined) {
      throw configError(
        source,
        `${source} refers to the file ${file}, which does not exist here; embed the data (…-data fields or token) instead`,
      );
    }
    return path.resolve(directory, file);
  };
  for (const cluster of config.clusters) {
    const caFile = resolve(cluster.caFile);
    if (caFile !== undefined) cluster.caFile = caFile;
  }
  const users = config.users.map((user) => {
    const certFile = resolve(user.certFile);
    const keyFile = resolve(user.keyFile);
    const tokenFile = resolve(user.tokenFile);
    return {
      ...user,
      ...(certFile === undefined ? {} : { certFile }),
      ...(keyFile === undefined ? {} : { keyFile }),
      ...(tokenFile === undefined ? {} : { tokenFile }),
    };
  });
  return { ...config, users };
}

/** As kubectl merges: the first file that sets a name or the current context wins. */
function mergeConfigs(first: ParsedConfig, second: ParsedConfig): ParsedConfig {
  const merge = <E extends { readonly name: string }>(a: readonly E[], b: readonly E[]): readonly E[] => [
    ...a,
    ...b.filter((entry) => !a.some((known) => known.name === entry.name)),
  ];
  return {
    clusters: merge(first.clusters, second.clusters),
    contexts: merge(first.contexts, second.contexts),
    users: merge(first.users, second.users),
    currentContext: first.currentContext ?? second.currentContext,
  };
}

function select(config: ParsedConfig, source: string, options: KubeConfigOptions): ClusterAccess {
  const contextName = options.context ?? config.currentContext;
  if (contextName === undefined || contextName === '') {
    throw configError(
      source,
      `${source} has no current-context; choose one with --context (${names(config.contexts)})`,
    );
  }
  const context = config.contexts.find((entry) => entry.name === contextName);
  if (context === undefined) {
    throw configError(source, `${source} has no context "${contextName}"; it has ${names(config.contexts)}`);
  }
  const cluster = config.clusters.find((entry) => entry.name === context.cluster);
  if (cluster === undefined) {
    throw configError(
      source,
      `${source}: context "${contextName}" names cluster "${context.cluster}", which does not exist; it has ${names(config.clusters)}`,
    );
  }
  const user = config.users.find((entry) => entry.name === context.user);
  if (user === undefined && context.user !== undefined) {
    throw configError(
      source,
      `${source}: context "${contextName}" names user "${context.user}", which does not exist; it has ${names(config.users)}`,
    );
  }
  const server = checkedServer(options.apiServer ?? cluster.server, source, cluster.name);
  const caPem = readCa(cluster, source);
  return {
    server,
    contextName,
    clusterName: cluster.name,
    namespace: context.namespace,
    caPem,
    tlsServerName: cluster.tlsServerName ?? undefined,
    insecureSkipTlsVerify: cluster.skipTLSVerify,
    credentials: createCredentials({
      source,
      user: user ?? { name: '' },
      cluster,
      context,
      as: options.as,
      asGroups: options.asGroups,
    }),
  };
}

function inCluster(env: Readonly<Record<string, string | undefined>>, options: KubeConfigOptions): ClusterAccess {
  const host = env['KUBERNETES_SERVICE_HOST'] ?? '';
  const port = env['KUBERNETES_SERVICE_PORT'] ?? '443';
  const source = 'service account';
  const caFile = path.join(SERVICE_ACCOUNT_DIR, 'ca.crt');
  const cluster: Cluster = {
    name: 'in-cluster',
    caFile,
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    skipTLSVerify: false,
  };
  return {
    server: checkedServer(options.apiServer ?? cluster.server, source, cluster.name),
    contextName: 'in-cluster',
    clusterName: cluster.name,
    namespace: tryRead(path.join(SERVICE_ACCOUNT_DIR, 'namespace'))?.trim(),
    caPem: readCa(cluster, source),
    tlsServerName: undefined,
    insecureSkipTlsVerify: false,
    credentials: createCredentials({
      source,
      user: { name: 'service-account', tokenFile: path.join(SERVICE_ACCOUNT_DIR, 'token') },
      cluster,
      context: { name: 'in-cluster', cluster: 'in-cluster', user: 'service-account' },
      as: options.as,
      asGroups: options.asGroups,
    }),
  };
}

function checkedServer(server: string, source: string, cluster: string): string {
  const url = URL.parse(server);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw configError(
      source,
      `${source}: server "${server}" of cluster "${cluster}" is not an http(s) URL; write it as https://HOST:PORT`,
    );
  }
  return server.replace(/\/+$/, '');
}

function readCa(cluster: Cluster, source: string): string | undefined {
  if (cluster.caData !== undefined && cluster.caData !== null && cluster.caData !== '') {
    const pem = Buffer.from(cluster.caData, 'base64').toString('utf8');
    if (!pem.includes('-----BEGIN CERTIFICATE-----')) {
      throw configError(
        source,
        `${source}: certificate-authority-data of cluster "${cluster.name}" is not base64 of PEM certificates; copy it from a working kubeconfig`,
      );
    }
    return pem;
  }
  if (cluster.caFile === undefined || cluster.caFile === null) return undefined;
  try {
    return readFileSync(cluster.caFile, 'utf8');
  } catch (error) {
    throw configError(
      source,
      `${source}: cannot read certificate-authority ${cluster.caFile} of cluster "${cluster.name}": ${messageOf(error)}`,
      error,
    );
  }
}

function names(entries: readonly { readonly name: string }[]): string {
  return entries.length === 0 ? 'none' : entries.map((entry) => `"${entry.name}"`).join(', ');
}

function tryRead(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function configError(object: string, message: string, cause?: unknown): KubeError {
  return new KubeError({ code: 'config', object, status: 0 }, message, { cause });
}
