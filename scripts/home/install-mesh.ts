/** Installs the mesh in the clusters of a home the way a person does: the command line's manifests, applied. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CONFIG_MAPS, LINKS, SECRETS, SERVICES } from '@mesh/kube';
import type { Authority } from '@mesh/pki';
import { chainPem, createIssuer, createTrustAnchor, loadIssuer, parseCertificates, privateKeyPem } from '@mesh/pki';
import { okOutput } from './cli.ts';
import { forwardClustersetNames } from './cluster-dns.ts';
import type { Home, HomeCluster } from './home.ts';
import { rolloutDone } from './rollout.ts';
import { until } from './wait.ts';

export const MC_NAMESPACE = 'linkerd-multicluster';
const ANCHOR_NAME = 'root.linkerd.cluster.local';
const CONFIG = { namespace: 'linkerd', name: 'linkerd-config' };
const CONTROL_PLANE = ['linkerd-identity', 'linkerd-destination', 'linkerd-proxy-injector'] as const;
const EXTENSION = ['linkerd-gateway', 'linkerd-service-mirror', 'linkerd-clusterset-dns'] as const;

/** Files with the shared anchor and an issuer per cluster, as flags of `mesh install`. */
export type TrustFlags = ReadonlyMap<string, readonly string[]>;

/** One trust anchor for the federation and an issuer for each cluster below it. */
export async function createTrust(home: Home): Promise<TrustFlags> {
  const anchor = await createTrustAnchor({ commonName: ANCHOR_NAME });
  return writeTrust(await trustFolder(home, 'pki'), home, () => Promise.resolve(anchor));
}

/** An anchor for each cluster, so that none trusts another: what a federation must not have, for tests. */
export async function createSeparateTrust(home: Home): Promise<TrustFlags> {
  // Beside what the home keeps, which clusters that join later must find as it was.
  return writeTrust(await trustFolder(home, 'pki-separate'), home, (name) =>
    createTrustAnchor({ commonName: `root.linkerd.${name}` }),
  );
}

/**
 * The anchor that the home's folder has, or a new one that it keeps: installing again, or in one more cluster, changes nothing for
 * the others.
 */
export async function persistentTrust(home: Home): Promise<TrustFlags> {
  const folder = await trustFolder(home, 'pki');
  const [certificateFile, keyFile] = [path.join(folder, 'anchor.crt'), path.join(folder, 'anchor.key')];
  if (!existsSync(keyFile)) {
    const anchor = await createTrustAnchor({ commonName: ANCHOR_NAME });
    await writeFile(certificateFile, chainPem(anchor.chain), { mode: 0o600 });
    await writeFile(keyFile, privateKeyPem(anchor.key), { mode: 0o600 });
  }
  const certificatePem = await readFile(certificateFile, 'utf8');
  const anchor = loadIssuer({
    certificatePem,
    keyPem: await readFile(keyFile, 'utf8'),
    anchors: parseCertificates(certificatePem, certificateFile),
    certificateName: certificateFile,
    keyName: keyFile,
  });
  const missing = home.clusters.filter(({ name }) => !existsSync(trustFiles(folder, name).key));
  await writeTrust(folder, { clusters: missing }, () => Promise.resolve(anchor));
  return new Map(home.clusters.map(({ name }) => [name, flagsOf(trustFiles(folder, name))]));
}

/** The same, with a new issuer for one cluster, such as one that was made anew: nobody has the old one's key any more. */
export async function replaceIssuer(home: Home, cluster: string): Promise<TrustFlags> {
  const { certificate, key } = trustFiles(await trustFolder(home, 'pki'), cluster);
  await Promise.all([certificate, key].map((file) => rm(file, { force: true })));
  return persistentTrust(home);
}

interface TrustFiles {
  readonly anchors: string;
  readonly certificate: string;
  readonly key: string;
}

function trustFiles(folder: string, cluster: string): TrustFiles {
  const file = (name: string): string => path.join(folder, name);
  return { anchors: file(`${cluster}-ca.crt`), certificate: file(`${cluster}.crt`), key: file(`${cluster}.key`) };
}

function flagsOf(files: TrustFiles): readonly string[] {
  return [
    '--identity-trust-anchors-file',
    files.anchors,
    '--identity-issuer-certificate-file',
    files.certificate,
    '--identity-issuer-key-file',
    files.key,
  ];
}

async function trustFolder(home: Home, name: string): Promise<string> {
  const folder = path.join(home.folder, name);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return folder;
}

async function writeTrust(
  folder: string,
  home: Pick<Home, 'clusters'>,
  anchorOf: (cluster: string) => Promise<Authority>,
): Promise<TrustFlags> {
  const flags = new Map<string, readonly string[]>();
  for (const { name } of home.clusters) {
    const anchor = await anchorOf(name);
    const issuer = await createIssuer(anchor, { commonName: `identity.linkerd.cluster.local ${name}` });
    const files = trustFiles(folder, name);
    await writeFile(files.anchors, chainPem(anchor.chain), { mode: 0o600 });
    await writeFile(files.certificate, chainPem(issuer.chain), { mode: 0o600 });
    await writeFile(files.key, privateKeyPem(issuer.key), { mode: 0o600 });
    flags.set(name, flagsOf(files));
  }
  return flags;
}

export interface InstallOptions {
  readonly signal?: AbortSignal;
  /** For highly available parts (`--ha`), which need three nodes. Only where no mesh is yet. */
  readonly ha?: boolean;
}

/** Definitions, control plane and multi-cluster extension; resolves when all of it is available. */
export async function installMesh(
  cluster: HomeCluster,
  trust: readonly string[],
  { signal, ha = false }: InstallOptions = {},
): Promise<void> {
  const highly = ha ? ['--ha'] : [];
  const run = async (...argv: string[]): Promise<string> => okOutput(await cluster.mesh(argv), `mesh ${argv[0] ?? ''}`);
  await cluster.apply(await run('install', '--crds'));
  // An upgrade keeps the certificates that workloads and the API server trust by now.
  const isInstalled = (await cluster.client.get(CONFIG_MAPS, CONFIG)) !== undefined;
  await cluster.apply(
    isInstalled
      ? await run('upgrade', ...cluster.installFlags)
      : await run('install', ...trust, ...cluster.installFlags, ...highly),
  );
  await cluster.apply(
    await run(
      'multicluster',
      'install',
      '--cluster-name',
      cluster.name,
      ...(await cluster.extensionFlags()),
      ...highly,
    ),
  );
  await Promise.all([
    rolloutDone(cluster.client, 'linkerd', CONTROL_PLANE, signal),
    rolloutDone(cluster.client, MC_NAMESPACE, EXTENSION, signal),
    gatewayAddress(cluster, signal),
    forwardClustersetNames(cluster, signal),
  ]);
}

/** The address at which other clusters reach this cluster's gateway. */
export async function gatewayAddress(cluster: HomeCluster, signal?: AbortSignal): Promise<string> {
  return until(
    `the gateway of ${cluster.name} to get an address`,
    async () => {
      const service = await cluster.client.get(SERVICES, { namespace: MC_NAMESPACE, name: 'linkerd-gateway' });
      const ingress = service?.status?.loadBalancer?.ingress?.[0];
      return ingress?.ip ?? ingress?.hostname;
    },
    { timeoutMs: 60_000, ...(signal === undefined ? {} : { signal }) },
  );
}

/** Lets `source` reach `target` as a peer of its own; resolves when `source`'s controller finds the gateway alive. */
export async function linkClusters(source: HomeCluster, target: HomeCluster, signal?: AbortSignal): Promise<void> {
  const peer = ['--peer', source.name];
  const allowed = await target.mesh(['multicluster', 'allow', ...peer]);
  await target.apply(okOutput(allowed, 'mesh multicluster allow'));
  await linkWith(source, target, peer, signal);
}

/** The same the way that Linkerd does it: with a token that does not expire and reads all Services of `target`. */
export async function linkAsLinkerd(source: HomeCluster, target: HomeCluster, signal?: AbortSignal): Promise<void> {
  const account = ['--service-account-name', `linkerd-way-${source.name}`];
  const allowed = await target.mesh(['multicluster', 'allow', ...account]);
  await target.apply(okOutput(allowed, 'mesh multicluster allow'));
  const timing = { timeoutMs: 60_000, ...(signal === undefined ? {} : { signal }) };
  await until(
    `the token of ${account[1] ?? ''}`,
    async () => {
      const ref = { namespace: MC_NAMESPACE, name: `${account[1] ?? ''}-token` };
      return (await target.client.get(SECRETS, ref))?.data?.['token'] !== undefined;
    },
    timing,
  );
  await linkWith(source, target, [...account, '--static-credentials'], signal);
}

async function linkWith(
  source: HomeCluster,
  target: HomeCluster,
  flags: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const manifests = await target.mesh([
    'multicluster',
    'link',
    '--cluster-name',
    target.name,
    ...flags,
    ...target.linkFlags,
  ]);
  await source.apply(okOutput(manifests, 'mesh multicluster link'));
  await until(
    `${source.name} to find the gateway of ${target.name} alive`,
    async () => {
      const link = await source.client.get(LINKS, { namespace: MC_NAMESPACE, name: target.name });
      const conditions = link?.status?.conditions ?? [];
      // What the target exports may belong into a namespace that is made here later.
      const bad = conditions.filter(({ type, status }) => status === 'False' && type !== 'ServicesMirrored');
      if (bad.length > 0) throw new Error(bad.map((condition) => `${condition.type}: ${condition.message}`).join('; '));
      return conditions.some((condition) => /alive/i.test(condition.type) && condition.status === 'True');
    },
    { timeoutMs: 60_000, ...(signal === undefined ? {} : { signal }) },
  );
}
