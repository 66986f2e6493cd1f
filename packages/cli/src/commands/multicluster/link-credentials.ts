/** The token that another cluster's mirror uses here: short-lived and renewed by the mirror, or static as Linkerd's. */
import { CONFIG_MAPS, SECRETS, SERVICE_ACCOUNTS } from '@mesh/kube';
import type { KubeClient, ServiceAccount } from '@mesh/kube';
import { formatDurationMs, parseDurationMs } from '@mesh/runtime';
import { CliError } from '../../errors.ts';
import type { Connection } from '../../io.ts';
import { ANNOTATION_ACCESS, DEFAULT_REMOTE_ACCOUNT, peerName } from '../../manifests/remote-access.ts';

export interface CredentialsFlags {
  readonly namespace: string;
  readonly peer?: string;
  readonly serviceAccountName?: string;
  readonly staticCredentials?: boolean;
  readonly credentialsDuration: string;
}

export interface LinkCredentials {
  readonly token: string;
  readonly isStatic: boolean;
  /** Base64 of PEM, as kubeconfig has it. */
  readonly certificateAuthorityData: string;
  /** The account may read views of exports and nothing else. */
  readonly readsExports: boolean;
  /** To say on standard error: the cluster gave less than was asked for. */
  readonly warning?: string;
}

/** The API server grants no less. */
const DURATION_MIN_MS = 10 * 60_000;
/** It may answer with a second more or less. */
const SHORTER_MS = 60_000;

/** @throws CliError naming the account or flag at fault, and the fix. */
export async function linkCredentials(
  { client, access }: Connection,
  flags: CredentialsFlags,
): Promise<LinkCredentials> {
  const durationMs = checkedDuration(flags.credentialsDuration);
  const name = accountName(flags);
  const account = await client.get(SERVICE_ACCOUNTS, { namespace: flags.namespace, name });
  if (account === undefined) throw missingAccount(name, flags);
  const readsExports = accessOf(account) === 'exports';
  if (flags.staticCredentials === true) return { ...(await readStatic(client, name, flags)), readsExports };
  const issued = await requestToken(client, { namespace: flags.namespace, name }, durationMs);
  const roots = await client.get(CONFIG_MAPS, { namespace: flags.namespace, name: 'kube-root-ca.crt' });
  const caPem = roots?.data?.['ca.crt'] ?? access.caPem;
  if (caPem === undefined) {
    throw new CliError(
      { code: 'cluster' },
      `the authority of this API server is not known: neither ConfigMap ${flags.namespace}/kube-root-ca.crt nor the kubeconfig has it; add certificate-authority-data to the kubeconfig`,
    );
  }
  const isShorter = issued.lifeMs < durationMs - SHORTER_MS;
  return {
    token: issued.token,
    isStatic: false,
    certificateAuthorityData: Buffer.from(caPem).toString('base64'),
    readsExports,
    ...(isShorter
      ? {
          warning: `this cluster grants tokens for ${formatDurationMs(Math.round(issued.lifeMs / 60_000) * 60_000)} at most, not ${flags.credentialsDuration}: apply the output within that time; the mirror renews them from then on`,
        }
      : {}),
  };
}

function accountName({ peer, serviceAccountName }: CredentialsFlags): string {
  if (peer !== undefined && serviceAccountName !== undefined) {
    throw new CliError(
      { code: 'usage', flag: '--service-account-name' },
      `--service-account-name ${serviceAccountName}: --peer ${peer} has an account of its own, ${peerName(peer)}; give one of the two`,
    );
  }
  return peer === undefined ? (serviceAccountName ?? DEFAULT_REMOTE_ACCOUNT) : peerName(peer);
}

function accessOf(account: ServiceAccount): string {
  return account.metadata.annotations?.[ANNOTATION_ACCESS] ?? 'cluster';
}

function missingAccount(name: string, { namespace, peer }: CredentialsFlags): CliError {
  const fix =
    peer !== undefined
      ? `apply the output of mesh multicluster allow --peer ${peer} here first`
      : name === DEFAULT_REMOTE_ACCOUNT
        ? 'make it with mesh multicluster install, or one for the other cluster alone with mesh multicluster allow --peer NAME and link --peer NAME'
        : `make it with mesh multicluster allow --service-account-name ${name}`;
  return new CliError(
    { code: 'missing_object', kind: 'ServiceAccount', name: `${namespace}/${name}` },
    `no account ${name} for linked clusters here: ServiceAccount ${namespace}/${name} is missing; ${fix}`,
  );
}

function checkedDuration(text: string): number {
  const ms = parseDurationMs(text);
  if (ms !== undefined && ms >= DURATION_MIN_MS) return ms;
  throw new CliError(
    { code: 'usage', flag: '--credentials-duration' },
    `--credentials-duration ${text}: give a duration of at least 10m, such as 24h`,
  );
}

interface Issued {
  readonly token: string;
  readonly lifeMs: number;
}

async function requestToken(
  client: KubeClient,
  account: { readonly namespace: string; readonly name: string },
  durationMs: number,
): Promise<Issued> {
  const where = `${account.namespace}/${account.name}`;
  const { status, text } = await client.raw(
    `/api/v1/namespaces/${account.namespace}/serviceaccounts/${account.name}/token`,
    {
      method: 'POST',
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        spec: { expirationSeconds: durationMs / 1000 },
      },
    },
  );
  const answer = parseAnswer(text);
  const token = answer.status?.token;
  if (status !== 201 || token === undefined) {
    throw new CliError(
      { code: 'cluster' },
      `no token for ServiceAccount ${where}: ${answer.message ?? `the API server answered ${status}`}; you need the right to create serviceaccounts/token there, or pass --static-credentials`,
    );
  }
  const endsMs = Date.parse(answer.status?.expirationTimestamp ?? '');
  return { token, lifeMs: Number.isNaN(endsMs) ? durationMs : endsMs - Date.now() };
}

interface TokenAnswer {
  readonly message?: string;
  readonly status?: { readonly token?: string; readonly expirationTimestamp?: string };
}

function parseAnswer(text: string): TokenAnswer {
  try {
    const answer = JSON.parse(text) as TokenAnswer & { readonly status?: unknown };
    // A Status has a text where a TokenRequest has an object.
    return typeof answer.status === 'string' ? { ...answer, status: {} } : answer;
  } catch {
    return {};
  }
}

async function readStatic(
  client: KubeClient,
  account: string,
  flags: CredentialsFlags,
): Promise<Pick<LinkCredentials, 'token' | 'isStatic' | 'certificateAuthorityData'>> {
  const where = `${flags.namespace}/${account}-token`;
  const secret = await client.get(SECRETS, { namespace: flags.namespace, name: `${account}-token` });
  if (secret === undefined) {
    const make =
      flags.peer === undefined
        ? account === DEFAULT_REMOTE_ACCOUNT
          ? 'mesh multicluster install --set remoteMirrorAccess=cluster'
          : `mesh multicluster allow --service-account-name ${account}`
        : `mesh multicluster allow --peer ${flags.peer} --static-credentials`;
    throw new CliError(
      { code: 'missing_object', kind: 'Secret', name: where },
      `--static-credentials: account ${account} has no token that does not expire, Secret ${where} is missing; make it with ${make}, or leave the flag away`,
    );
  }
  const token = secret.data?.['token'];
  const ca = secret.data?.['ca.crt'];
  if (token === undefined || ca === undefined) {
    throw new CliError(
      { code: 'cluster' },
      `Secret ${where} has no token yet: the cluster's token controller fills it in; try again in a moment`,
    );
  }
  return { token: Buffer.from(token, 'base64').toString('utf8'), isStatic: true, certificateAuthorityData: ca };
}
