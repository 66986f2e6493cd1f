/**
 * Keeps the credentials of Links alive: asks the peer for a new token with the present one, and writes it into the Link's Secret and into the
 * copy that the control plane's namespace has. Level-triggered, the leader alone. A token that does not expire is left as it is.
 */
import { Controller, isKubeError, keyOf, kubeConfigWithToken, SECRETS } from '@mesh/kube';
import type { KubeClient, ReconcileResult, Secret } from '@mesh/kube';
import { messageOf } from '@mesh/runtime';
import type { Clock, Component, Logger } from '@mesh/runtime';
import type { LinkRegistry } from '../link-registry.ts';
import type { LinkWorker } from '../link-worker.ts';
import type { LocalCluster } from '../local-cluster.ts';
import { readToken } from './token.ts';
import type { TokenFacts } from './token.ts';
import { knownToken, untilRenewalMs } from './renewal-time.ts';
import type { KnownToken } from './renewal-time.ts';

export interface RenewerOptions {
  readonly controlPlaneNamespace: string;
  /** Tokens are renewed at this age at the latest, milliseconds. */
  readonly renewAfterMaxMs?: number | undefined;
}

export interface RenewerDeps {
  readonly local: LocalCluster;
  readonly links: LinkRegistry;
  readonly isLeader: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How often tokens were renewed, for metrics. */
  readonly onRenewal?: (cluster: string, succeeded: boolean) => void;
}

/** A peer that is away is asked again soon at first, and for as long as the token lives. */
const BACKOFF = { minMs: 1_000, maxMs: 60_000, jitterRatio: 0.1 };
/** Timers run this long at most, so that a clock that was set is noticed. */
const LOOK_AGAIN_MS = 60_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** Asked for when a token does not say when it was issued, and the least that an API server grants. */
const DEFAULT_LIFE_MS = 24 * 3_600_000;
const LIFE_MIN_MS = 600_000;

const SECRET_TYPE = 'mirror.linkerd.io/remote-kubeconfig';
const LABEL_COPY = 'multicluster.linkerd.io/cluster-name';

export class CredentialRenewer implements Component {
  readonly name = 'credential renewer';
  readonly #options: RenewerOptions;
  readonly #deps: RenewerDeps;
  readonly #controller: Controller;
  readonly #tokens = new Map<string, KnownToken>();
  /** The kubeconfig that the copy of a Link's Secret is known to hold. */
  readonly #copies = new Map<string, string>();

  constructor(options: RenewerOptions, deps: RenewerDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#controller = new Controller(
      { name: 'credentials', reconcile: (key, signal) => this.#reconcile(key, signal), backoff: BACKOFF },
      deps,
    );
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.#controller.start(signal);
    this.#deps.links.onCredentials((link) => this.#controller.enqueue(link));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#controller[Symbol.asyncDispose]();
  }

  leadershipChanged(leading: boolean): void {
    this.#copies.clear();
    if (leading) for (const { key } of this.#deps.links.all()) this.#controller.enqueue(key);
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { links, clock } = this.#deps;
    const worker = links.get(key);
    if (worker === undefined || !this.#deps.isLeader()) {
      this.#tokens.delete(key);
      return undefined;
    }
    const { credentials, plan } = worker;
    if (credentials === undefined || plan === undefined || links.isDeleting(key)) return undefined;
    const { token } = credentials;
    if (token?.expiresMs !== undefined) {
      const known = this.#know(key, { ...token, expiresMs: token.expiresMs }, false);
      const waitMs = untilRenewalMs(known, clock.now(), clock.monotonic(), this.#options.renewAfterMaxMs);
      if (waitMs <= 0) await this.#renew(worker, signal);
    }
    await this.#copy(worker, signal);
    const next = this.#tokens.get(key);
    if (next === undefined) return undefined;
    const waitMs = untilRenewalMs(next, clock.now(), clock.monotonic(), this.#options.renewAfterMaxMs);
    return { requeueAfterMs: Math.min(Math.max(waitMs, BACKOFF.minMs), LOOK_AGAIN_MS) };
  }

  #know(
    key: string,
    token: TokenFacts & { readonly text: string; readonly expiresMs: number },
    isOwn: boolean,
  ): KnownToken {
    const known = this.#tokens.get(key);
    if (known?.text === token.text) return known;
    const { clock } = this.#deps;
    const seen = { nowMs: clock.now(), monotonicMs: clock.monotonic(), isOwn, random: Math.random() };
    const made = knownToken(token, seen);
    this.#tokens.set(key, made);
    return made;
  }

  async #renew(worker: LinkWorker, signal: AbortSignal): Promise<void> {
    const { credentials, plan, client } = worker;
    const facts = credentials?.token;
    // Without a client the peer cannot be asked; the worker says why, and tells when that changes.
    if (credentials === undefined || plan === undefined || facts?.expiresMs === undefined || client === undefined)
      return;
    try {
      const token = await requestToken(client, facts, signal);
      const ref = { namespace: plan.namespace, name: plan.secretName };
      const source = `Secret ${keyOf(ref)}`;
      const kubeconfig = Buffer.from(kubeConfigWithToken(credentials.text, source, token.text)).toString('base64');
      // Only over what was read: a Secret that somebody changed meanwhile stays as it was made.
      const resourceVersion = this.#deps.local.secrets.get(keyOf(ref))?.metadata.resourceVersion;
      await this.#deps.local.client.patch(
        SECRETS,
        ref,
        { type: 'merge', body: { metadata: { resourceVersion }, data: { kubeconfig } } },
        { signal },
      );
      this.#tokens.delete(worker.key);
      this.#know(worker.key, token, true);
      worker.renewed({ atMs: this.#deps.clock.now(), token: token.text });
      this.#deps.onRenewal?.(plan.cluster, true);
      this.#deps.logger.info('link credentials renewed', {
        link: worker.key,
        until: new Date(token.expiresMs).toISOString(),
      });
    } catch (error) {
      if (signal.aborted || isKubeError(error, 'conflict')) throw error;
      worker.renewed({ problem: messageOf(error) });
      this.#deps.onRenewal?.(plan.cluster, false);
      throw error;
    }
  }

  /** The copy in the control plane's namespace follows the Link's Secret, however that came to change. */
  async #copy({ key, plan, credentials }: LinkWorker, signal: AbortSignal): Promise<void> {
    if (plan === undefined || credentials === undefined) return;
    const { controlPlaneNamespace } = this.#options;
    if (plan.namespace === controlPlaneNamespace || this.#copies.get(key) === credentials.text) return;
    const ref = { namespace: controlPlaneNamespace, name: plan.secretName };
    const client = this.#deps.local.client;
    let copy: Secret | undefined;
    try {
      copy = await client.get(SECRETS, ref, signal);
    } catch (error) {
      // Links that Linkerd's tools wrote come without the right to their copy, and need none: their tokens do not expire.
      if (!isKubeError(error, 'forbidden')) throw error;
      if (credentials.token?.expiresMs !== undefined)
        this.#deps.logger.warn('the copy of the link credentials cannot be kept current', { link: key, error });
    }
    const isOurs = copy?.type === SECRET_TYPE && copy.metadata.labels?.[LABEL_COPY] === plan.cluster;
    if (copy !== undefined && isOurs) {
      const kubeconfig = Buffer.from(credentials.text).toString('base64');
      if (copy.data?.['kubeconfig'] !== kubeconfig) {
        const body = { metadata: { resourceVersion: copy.metadata.resourceVersion }, data: { kubeconfig } };
        await client.patch(SECRETS, ref, { type: 'merge', body }, { signal });
      }
    }
    this.#copies.set(key, credentials.text);
  }
}

interface NewToken extends TokenFacts {
  readonly text: string;
  readonly expiresMs: number;
}

/** @throws Error with the API's words and the fix. */
async function requestToken(client: KubeClient, present: TokenFacts, signal: AbortSignal): Promise<NewToken> {
  const { namespace, account } = present;
  const lifeMs = (present.expiresMs ?? 0) - (present.issuedMs ?? 0);
  const expirationSeconds = Math.round(
    Math.max(present.issuedMs === undefined ? DEFAULT_LIFE_MS : lifeMs, LIFE_MIN_MS) / 1000,
  );
  const { status, text } = await client.raw(`/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`, {
    method: 'POST',
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds } },
    signal: AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
  });
  const answer = parse(text);
  const token = answer.status?.token;
  if (status !== 201 || typeof token !== 'string')
    throw new Error(refusal(status, `${namespace}/${account}`, answer.message));
  const facts = readToken(token);
  const endsMs = facts?.expiresMs ?? Date.parse(answer.status?.expirationTimestamp ?? '');
  if (facts === undefined || Number.isNaN(endsMs))
    throw new Error(`the token that the peer gave for account ${namespace}/${account} is none of a ServiceAccount`);
  return { ...facts, text: token, expiresMs: endsMs };
}

function refusal(status: number, account: string, message: string | undefined): string {
  const said = message ?? `HTTP status ${status}`;
  switch (status) {
    case 401:
      return `the peer does not accept the token any more (${said}): generate the Link again there`;
    case 403:
      return `account ${account} may not ask for a token of its own (${said}): apply the output of mesh multicluster allow there again`;
    case 404:
      return `account ${account} is gone (${said}): allow this cluster again there and generate the Link again`;
    default:
      return `the peer gives no new token for account ${account}: ${said}`;
  }
}

interface Answer {
  readonly message?: string;
  readonly status?: { readonly token?: unknown; readonly expirationTimestamp?: string };
}

function parse(text: string): Answer {
  try {
    const answer = JSON.parse(text) as Answer & { readonly status?: unknown };
    // An error has a text where a TokenRequest has its result.
    return typeof answer.status === 'string' ? { ...answer, status: {} } : answer;
  } catch {
    return {};
  }
}
