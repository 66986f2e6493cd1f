/**
 * A workload's identity for the life of its process: one key, one request, certificates renewed before they end, trust
 * anchors followed as they change; each change is one new immutable snapshot.
 *
 *      start ─► token ─► certify ─► check chain, name, key ─► install ─► wait 70 % of what is left ─► token ─► …
 */
import { readFile } from 'node:fs/promises';
import type { Driver, TlsContext } from '@mesh/net';
import { Certificate, chainPem, createKeyPair, parseCertificates, privateKeyPem, verifyChain } from '@mesh/pki';
import type { KeyPair } from '@mesh/pki';
import { Backoff, isAbort, messageOf } from '@mesh/runtime';
import type { Clock, Component, Logger } from '@mesh/runtime';
import type { Certifier, CertifyResponse } from './certifier.ts';
import { createCertificateRequest } from './csr.ts';
import { IdentityError } from './errors.ts';
import type { TrustSource } from './trust.ts';

/** One installed identity: immutable, replaced as a whole. */
export interface IdentitySnapshot {
  /** The name that the certificate carries. */
  readonly name: string;
  /** PKCS#8 PEM; the same key for the life of the process. */
  readonly keyPem: string;
  /** Leaf, then intermediates. */
  readonly chainPem: string;
  /** The anchors that peers are checked against. */
  readonly trustPem: string;
  readonly notAfterMs: number;
  /** For the data path's driver, both as client and as server. */
  readonly tls: TlsContext;
}

/** Refresh limits of Linkerd's proxy. */
export const MIN_REFRESH_MS = 10_000;
export const MAX_REFRESH_MS = 86_400_000;
/** The next request is made when this share of the remaining life has passed. */
const RENEW_AT = 0.7;
/** Before the first certificate, failures are tried again from here, doubling up to the minimal refresh. */
const FIRST_RETRY_MS = 250;
/** Later failures are tried again from the minimal refresh, doubling up to this: a day is too long to wait for a new issuer. */
const RETRY_MAX_MS = 300_000;

export interface WorkloadIdentityOptions {
  /** The identity to ask for, and the only name that is accepted in the answer. */
  readonly name: string;
  /** SNI under which peers reach this workload; the name unless given. */
  readonly serverName?: string;
  readonly certify: Certifier;
  /** Read anew for each request. */
  readonly readToken: () => Promise<Uint8Array>;
  readonly trust: TrustSource;
  readonly minRefreshMs?: number;
  readonly maxRefreshMs?: number;
}

/** What identity tells about itself, for metrics. */
export interface IdentityObserver {
  refreshed(succeeded: boolean): void;
  installed(notAfterMs: number, atMs: number): void;
}

export interface WorkloadIdentityDeps {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly log: Logger;
  readonly observer: IdentityObserver;
}

/** Started, it resolves once the first certificate is installed; disposed, it stops renewing. */
export interface WorkloadIdentity extends Component {
  readonly identityName: string;
  readonly serverName: string;
  /** The newest snapshot; `undefined` before the first certificate. */
  current(): IdentitySnapshot | undefined;
  /** Called after each swap. Returns the unsubscribe function. */
  onChange(listener: () => void): () => void;
  /**
   * A context for connections to the control plane: with the certificate when there is one, else with the anchors alone.
   * `undefined` before the anchors were read.
   */
  clientContext(): TlsContext | undefined;
  /** Resolves once a certificate is installed. */
  whenReady(): Promise<void>;
  /** Asks for a new certificate now, without waiting for the schedule. */
  renew(): void;
}

/** Reads a projected service-account token; an absent or empty file is an error that names it. */
export function tokenFile(path: string): () => Promise<Uint8Array> {
  return async () => {
    let token: Uint8Array;
    try {
      token = await readFile(path);
    } catch (cause) {
      throw new IdentityError(
        { code: 'token_unreadable', path },
        `the service-account token ${path} is not readable: mount a projected token with the audience identity.l5d.io there`,
        { cause },
      );
    }
    if (token.length > 0) return token;
    throw new IdentityError({ code: 'token_empty', path }, `the service-account token ${path} is empty`);
  };
}

export function createWorkloadIdentity(options: WorkloadIdentityOptions, deps: WorkloadIdentityDeps): WorkloadIdentity {
  return new RenewedIdentity(options, deps);
}

class RenewedIdentity implements WorkloadIdentity {
  readonly name = 'identity';
  readonly identityName: string;
  readonly serverName: string;
  readonly #options: WorkloadIdentityOptions;
  readonly #deps: WorkloadIdentityDeps;
  readonly #listeners = new Set<() => void>();
  readonly #stop = new AbortController();
  readonly #ready = Promise.withResolvers<void>();
  readonly #keys: KeyPair;
  readonly #keyPem: string;
  #csrDer: Uint8Array | undefined;
  #snapshot: IdentitySnapshot | undefined;
  #anchorsOnly: TlsContext | undefined;
  #wake: (() => void) | undefined;
  /** Asked for while a request was under way. */
  #renewAsked = false;
  #loop: Promise<void> | undefined;

  constructor(options: WorkloadIdentityOptions, deps: WorkloadIdentityDeps) {
    this.identityName = options.name;
    this.serverName = options.serverName ?? options.name;
    this.#options = options;
    this.#deps = deps;
    this.#keys = createKeyPair();
    this.#keyPem = privateKeyPem(this.#keys.privateKey);
    this.#ready.promise.catch(() => undefined);
  }

  current(): IdentitySnapshot | undefined {
    return this.#snapshot;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  clientContext(): TlsContext | undefined {
    return this.#snapshot?.tls ?? this.#anchorsOnly;
  }

  whenReady(): Promise<void> {
    return this.#ready.promise;
  }

  renew(): void {
    this.#renewAsked = true;
    this.#wake?.();
  }

  async start(signal: AbortSignal): Promise<void> {
    const { trust } = this.#options;
    await trust.start();
    this.#parseAnchors(trust.current());
    this.#anchorsOnly = this.#deps.driver.context({ key: '', chain: '', trust: trust.current() });
    trust.onChange(() => this.#anchorsChanged());
    this.#csrDer = createCertificateRequest(this.#keys, this.identityName);
    this.#loop = this.#run();
    const onAbort = (): void => this.#ready.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      await this.#ready.promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#wake?.();
    this.#ready.reject(new IdentityError({ code: 'stopped' }, 'identity was stopped before a certificate was issued'));
    await this.#options.trust[Symbol.asyncDispose]();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { log, observer } = this.#deps;
    const { minRefreshMs = MIN_REFRESH_MS } = this.#options;
    const first = new Backoff({ minMs: FIRST_RETRY_MS, maxMs: minRefreshMs, jitterRatio: 0 });
    const later = new Backoff({ minMs: minRefreshMs, maxMs: RETRY_MAX_MS, jitterRatio: 0.1 });
    while (!this.#stop.signal.aborted) {
      let retryMs = Infinity;
      this.#renewAsked = false;
      try {
        await this.#renewOnce();
        later.reset();
        observer.refreshed(true);
      } catch (error) {
        if (this.#stop.signal.aborted || isAbort(error)) return;
        observer.refreshed(false);
        log.warn('certificate not renewed', { identity: this.identityName, error, validUntil: this.#validUntil() });
        retryMs = (this.#snapshot === undefined ? first : later).next();
      }
      await this.#wait(
        this.#snapshot === undefined ? retryMs : Math.min(retryMs, this.#untilRenewalMs(this.#snapshot)),
      );
    }
  }

  #validUntil(): string {
    return this.#snapshot === undefined ? 'never issued' : new Date(this.#snapshot.notAfterMs).toISOString();
  }

  #untilRenewalMs(snapshot: IdentitySnapshot): number {
    const { minRefreshMs = MIN_REFRESH_MS, maxRefreshMs = MAX_REFRESH_MS } = this.#options;
    const left = (snapshot.notAfterMs - this.#deps.clock.now()) * RENEW_AT;
    return Math.min(maxRefreshMs, Math.max(minRefreshMs, left));
  }

  /** Waits, or returns early when {@link renew} is called or identity stops. */
  async #wait(delayMs: number): Promise<void> {
    if (this.#stop.signal.aborted || this.#renewAsked) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#deps.clock.after(delayMs, resolve);
    // Not AbortSignal.any: the runtime may collect the combined signal while it is waited for.
    this.#wake = resolve;
    await promise;
    this.#wake = undefined;
    timer.cancel();
  }

  async #renewOnce(): Promise<void> {
    const token = await this.#options.readToken();
    const request = { identity: this.identityName, token, csrDer: this.#csrDer ?? new Uint8Array() };
    const response = await this.#options.certify(request, this.#stop.signal);
    this.#install(this.#check(response));
  }

  /** The certificates, leaf first, if peers could accept them and they are ours. */
  #check(response: CertifyResponse): { readonly chain: readonly Certificate[]; readonly notAfterMs: number } {
    const nowMs = this.#deps.clock.now();
    const { validUntilMs } = response;
    if (validUntilMs === undefined)
      throw new IdentityError(
        { code: 'no_validity' },
        'the identity service did not say how long the certificate lives',
      );
    if (validUntilMs <= nowMs) {
      const validUntil = new Date(validUntilMs).toISOString();
      throw new IdentityError(
        { code: 'already_expired', validUntil },
        `the issued certificate ended at ${validUntil}: check the clocks and the issuer's lifetime`,
      );
    }
    const leaf = new Certificate(response.leafDer);
    const intermediates = response.intermediatesDer.map((der) => new Certificate(der));
    const anchors = this.#parseAnchors(this.#options.trust.current());
    const behindMs = leaf.notBeforeMs - nowMs;
    if (behindMs > 0)
      this.#deps.log.warn("the clock here is behind the issuer's: set it", { identity: this.identityName, behindMs });
    // What was just issued to us counts from its own beginning: whoever we show it to goes by another clock than ours.
    verifyChain({ leaf, intermediates, anchors, nowMs: Math.max(nowMs, leaf.notBeforeMs), name: this.identityName });
    if (!leaf.x509.checkPrivateKey(this.#keys.privateKey))
      throw new IdentityError(
        { code: 'foreign_key' },
        'the issued certificate is for another key than the one in the request',
      );
    return { chain: [leaf, ...intermediates], notAfterMs: validUntilMs };
  }

  #install(issued: { readonly chain: readonly Certificate[]; readonly notAfterMs: number }): void {
    const trustPem = this.#options.trust.current();
    this.#swap(chainPem(issued.chain), trustPem, issued.notAfterMs);
    this.#deps.observer.installed(issued.notAfterMs, this.#deps.clock.now());
    this.#deps.log.info('certificate installed', { identity: this.identityName, validUntil: this.#validUntil() });
    this.#ready.resolve();
  }

  #swap(chain: string, trustPem: string, notAfterMs: number): void {
    const tls = this.#deps.driver.context({ key: this.#keyPem, chain, trust: trustPem });
    this.#snapshot = { name: this.identityName, keyPem: this.#keyPem, chainPem: chain, trustPem, notAfterMs, tls };
    for (const listener of this.#listeners) listener();
  }

  /** New anchors hold at once, with the certificate that we have; a new certificate is asked for, as the issuer may be new too. */
  #anchorsChanged(): void {
    const trustPem = this.#options.trust.current();
    try {
      this.#parseAnchors(trustPem);
      this.#anchorsOnly = this.#deps.driver.context({ key: '', chain: '', trust: trustPem });
      if (this.#snapshot !== undefined) this.#swap(this.#snapshot.chainPem, trustPem, this.#snapshot.notAfterMs);
      this.#deps.log.info('trust anchors changed', { identity: this.identityName });
      this.renew();
    } catch (error) {
      this.#deps.log.warn('trust anchors not usable, keeping the last ones', { reason: messageOf(error) });
    }
  }

  #parseAnchors(pem: string): readonly Certificate[] {
    const anchors = parseCertificates(pem, 'the trust anchors');
    if (anchors.length > 0) return anchors;
    throw new IdentityError(
      { code: 'bad_anchors' },
      'the trust anchors contain no certificate: give PEM text of at least one',
    );
  }
}
