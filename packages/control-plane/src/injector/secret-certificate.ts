/**
 * The webhook's certificate in a Secret that all replicas read and any replica renews. Nobody leads: each step is one write that
 * the API refuses when another replica was faster, and every replica would take the same step.
 */
import { isKubeError, MUTATING_WEBHOOKS, SECRETS } from '@mesh/kube';
import type { KubeClient, Secret, WebhookConfiguration } from '@mesh/kube';
import { chainPem, createTrustAnchor, issueCertificate } from '@mesh/pki';
import type { Certificate } from '@mesh/pki';
import { isAbort, sleep } from '@mesh/runtime';
import type { Clock, Logger, Timer } from '@mesh/runtime';

import type { CertificateAndKey, CertificateSource } from './webhook-certificate.ts';
import { bundleFor, isDue, isTrusted, promoted, readBundle, readWebhookSecret, withNext } from './webhook-secret.ts';
import type { ServingPair, WebhookSecret } from './webhook-secret.ts';

export const WEBHOOK_CONFIGURATION = 'linkerd-proxy-injector-webhook-config';
const SERVICE = 'linkerd-proxy-injector';

export interface SecretCertificateOptions {
  readonly namespace: string;
  readonly secretName: string;
  readonly clusterDomain: string;
  /** False: somebody else (cert-manager) keeps the Secret and the bundle, and it is only read. */
  readonly renew: boolean;
  /** Of certificates that are made here. */
  readonly lifetimeMs: number;
  /** How long the bundle must have held an authority before a certificate of it is served: until every API server has seen it. */
  readonly propagationMs: number;
}

export interface SecretCertificateDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of each certificate that comes into use. */
  readonly onServing: (leaf: Certificate) => void;
}

/** Two small reads of single objects: replicas follow each other within seconds. */
const LOOK_MS = 5_000;
const RETRY_MS = 500;
/** An API server whose clock is behind by less than this takes a new certificate. */
const SKEW_MS = 3_600_000;
/** More steps than this in a row do not occur. */
const STEPS_MAX = 5;

type Webhook = Readonly<Record<string, unknown>> & {
  readonly clientConfig?: Readonly<Record<string, unknown>> & {
    readonly caBundle?: string;
    readonly service?: { readonly name?: string; readonly namespace?: string };
  };
};

export class SecretCertificate implements CertificateSource {
  readonly name = 'webhook certificate';
  readonly #options: SecretCertificateOptions;
  readonly #deps: SecretCertificateDeps;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<() => void>();
  #current: CertificateAndKey | undefined;
  #timer: Timer | undefined;
  /** Since when, on our clock, the bundle is known to hold the authority of the successor with this fingerprint. */
  #published: { readonly fingerprint: string; readonly sinceMs: number } | undefined;
  #failing = '';

  constructor(options: SecretCertificateOptions, deps: SecretCertificateDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  get current(): CertificateAndKey | undefined {
    return this.#current;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves once there is a certificate to serve. */
  async start(signal: AbortSignal): Promise<void> {
    const both = AbortSignal.any([signal, this.#stop.signal]);
    for (;;) {
      await this.reconcile();
      if (this.#current !== undefined) break;
      await sleep(this.#deps.clock, RETRY_MS, both);
    }
    this.#schedule();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#timer?.cancel();
  }

  /** Takes every step that can be taken now. Failures are logged once each; what is served stays. */
  async reconcile(): Promise<void> {
    try {
      for (let step = 0; step < STEPS_MAX; step += 1) if (!(await this.#step())) break;
      this.#failing = '';
    } catch (error) {
      // Another replica was faster: the next look sees what it did.
      if (isKubeError(error, 'conflict', 'already_exists') || isAbort(error) || this.#stop.signal.aborted) return;
      const message = error instanceof Error ? error.message : String(error);
      if (message !== this.#failing)
        this.#deps.logger.error('webhook certificate not kept; the previous one stays in use', { error });
      this.#failing = message;
    }
  }

  /** @returns true when something was written, so that there may be more to do. */
  async #step(): Promise<boolean> {
    const { client, clock } = this.#deps;
    const { namespace, secretName, renew } = this.#options;
    const secret = await client.get(SECRETS, { namespace, name: secretName }, this.#stop.signal);
    if (secret === undefined) {
      throw new Error(
        `Secret ${namespace}/${secretName} does not exist, and this role may not create it: apply the output of mesh install or mesh upgrade`,
      );
    }
    const nowMs = clock.now();
    const state = readWebhookSecret(secret, this.#hostName, nowMs);
    if (!renew) {
      if (state.current === undefined) throw this.#unusable(state);
      this.#serve(state.current);
      return false;
    }
    const configuration = await client.get(MUTATING_WEBHOOKS, { name: WEBHOOK_CONFIGURATION }, this.#stop.signal);
    const bundles = this.#webhooksOf(configuration).map((one) => readBundle(one.clientConfig?.caBundle ?? ''));
    const trusts = (pair: ServingPair): boolean => bundles.every((bundle) => isTrusted(pair, bundle));
    // What nobody trusts is no better than nothing, and a successor need not wait for API servers that refuse it anyway.
    const urgent = state.current === undefined || (!trusts(state.current) && state.current.authority === undefined);
    if (!urgent && state.current !== undefined) this.#serve(state.current);

    if (configuration !== undefined && (await this.#publish(configuration, state, nowMs))) return true;
    if (state.next !== undefined) return this.#promote(secret, state.next, { trusted: trusts(state.next), urgent });
    if (!urgent && state.current !== undefined && !isDue(state.current, nowMs)) return false;
    await this.#prepare(
      secret,
      urgent ? (state.problem ?? 'the webhook configuration does not trust it') : 'it is due',
    );
    return true;
  }

  get #hostName(): string {
    return `${SERVICE}.${this.#options.namespace}.svc`;
  }

  /** The authority is forgotten after its one signature: nothing else can ever be signed by it. */
  async #prepare(secret: Secret, because: string): Promise<void> {
    const { clusterDomain, lifetimeMs } = this.#options;
    const { clock } = this.#deps;
    const commonName = this.#hostName;
    const skewMs = Math.min(SKEW_MS, lifetimeMs / 10);
    const authority = await createTrustAnchor({ commonName, lifetimeMs, skewMs, clock });
    const issued = await issueCertificate(authority, {
      commonName,
      dnsNames: [commonName, `${commonName}.${clusterDomain}`],
      usages: ['server'],
      lifetimeMs,
      skewMs,
      clock,
    });
    const next = { certPem: issued.certificate.pem, keyPem: issued.keyPem, caPem: chainPem(authority.chain) };
    await this.#write(withNext(secret, next));
    this.#deps.logger.info('webhook certificate renewal begun', { because });
  }

  /** @returns true when a bundle was written. */
  async #publish(configuration: WebhookConfiguration, state: WebhookSecret, nowMs: number): Promise<boolean> {
    let changed = false;
    const own = new Set<unknown>(this.#webhooksOf(configuration));
    const webhooks = (configuration.webhooks ?? []).map((one) => {
      if (!own.has(one)) return one;
      const { clientConfig } = one as Webhook;
      const bundle = bundleFor(readBundle(clientConfig?.caBundle ?? ''), [state.current, state.next], nowMs);
      if (bundle === undefined) return one;
      changed = true;
      const caBundle = Buffer.from(chainPem(bundle), 'utf8').toString('base64');
      return { ...one, clientConfig: { ...clientConfig, caBundle } };
    });
    if (!changed) return false;
    await this.#deps.client.replace(MUTATING_WEBHOOKS, { ...configuration, webhooks }, { signal: this.#stop.signal });
    this.#deps.logger.info('webhook trust bundle written', { webhookConfiguration: WEBHOOK_CONFIGURATION });
    return true;
  }

  async #promote(
    secret: Secret,
    next: ServingPair,
    { trusted, urgent }: { readonly trusted: boolean; readonly urgent: boolean },
  ): Promise<boolean> {
    if (!trusted) return false;
    const fingerprint = next.leaf.fingerprintSha256;
    const nowMs = this.#deps.clock.monotonic();
    if (this.#published?.fingerprint !== fingerprint) this.#published = { fingerprint, sinceMs: nowMs };
    if (!urgent && nowMs - this.#published.sinceMs < this.#options.propagationMs) return false;
    await this.#write(promoted(secret));
    this.#deps.logger.info('webhook certificate renewed', { expires: new Date(next.leaf.notAfterMs).toISOString() });
    return true;
  }

  async #write(secret: Secret): Promise<void> {
    await this.#deps.client.replace(SECRETS, secret, { signal: this.#stop.signal });
  }

  #serve(pair: ServingPair): void {
    if (this.#current?.cert === pair.certPem && this.#current.key === pair.keyPem) return;
    this.#current = { cert: pair.certPem, key: pair.keyPem };
    this.#deps.onServing(pair.leaf);
    for (const listener of this.#listeners) listener();
  }

  /** Those that call us. */
  #webhooksOf(configuration: WebhookConfiguration | undefined): readonly Webhook[] {
    const webhooks = (configuration?.webhooks ?? []) as readonly Webhook[];
    return webhooks.filter(({ clientConfig }) => {
      const { name, namespace } = clientConfig?.service ?? {};
      return name === SERVICE && namespace === this.#options.namespace;
    });
  }

  #unusable(state: WebhookSecret): Error {
    const { namespace, secretName } = this.#options;
    return new Error(`Secret ${namespace}/${secretName} cannot be used: ${state.problem}`);
  }

  #schedule(): void {
    if (this.#stop.signal.aborted) return;
    this.#timer = this.#deps.clock.after(LOOK_MS, () => void this.reconcile().then(() => this.#schedule()));
  }
}
