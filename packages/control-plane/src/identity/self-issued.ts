/** The identity service's own certificate: it asks nobody but itself. */
import { chainPem, createKeyPair, createRequest, issueLeaf, parseRequest } from '@mesh/pki';
import type { KeyPair } from '@mesh/pki';
import type { Clock, Component, Logger, Timer } from '@mesh/runtime';

import type { ServerCredentials, ServerIdentity } from '../serving/server-identity.ts';
import type { IssuerState, IssuerStore } from './issuer-store.ts';

/** Renewed when this share of the validity has passed, as proxies do. */
const RENEW_AT = 0.7;
const RENEW_MIN_MS = 10_000;

export class SelfIssuedIdentity implements Component, ServerIdentity {
  readonly name = 'own certificate';
  readonly #options: { readonly identity: string; readonly lifetimeMs: number; readonly skewMs: number };
  readonly #store: IssuerStore;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #keys: KeyPair = createKeyPair();
  readonly #listeners = new Set<() => void>();
  #credentials: ServerCredentials | undefined;
  #timer: Timer | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(
    options: { readonly identity: string; readonly lifetimeMs: number; readonly skewMs: number },
    deps: { readonly store: IssuerStore; readonly clock: Clock; readonly logger: Logger },
  ) {
    this.#options = options;
    this.#store = deps.store;
    this.#clock = deps.clock;
    this.#logger = deps.logger;
  }

  current(): ServerCredentials | undefined {
    return this.#credentials;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async start(): Promise<void> {
    this.#unsubscribe = this.#store.onChange((change) => {
      if (change.ok) this.#renewInBackground();
    });
    await this.#renew();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unsubscribe?.();
    this.#timer?.cancel();
  }

  #renewInBackground(): void {
    this.#renew().catch((error: unknown) => {
      this.#logger.error('own certificate not renewed', { error });
      this.#timer?.cancel();
      this.#timer = this.#clock.after(RENEW_MIN_MS, () => this.#renewInBackground());
    });
  }

  async #renew(): Promise<void> {
    const state: IssuerState | undefined = this.#store.current;
    if (state === undefined) return;
    const { identity, lifetimeMs, skewMs } = this.#options;
    const request = await parseRequest(await createRequest(this.#keys, identity));
    const leaf = await issueLeaf(state.authority, request, { lifetimeMs, skewMs, clock: this.#clock });
    this.#credentials = {
      key: this.#keys.privateKey,
      chainPem: chainPem([leaf, ...state.authority.chain]),
      trustPem: state.anchorsPem,
    };
    this.#timer?.cancel();
    const delayMs = Math.max(RENEW_MIN_MS, (leaf.notAfterMs - this.#clock.now()) * RENEW_AT);
    this.#timer = this.#clock.after(delayMs, () => this.#renewInBackground());
    for (const listener of this.#listeners) listener();
  }
}
