/**
 * One leader among replicas, by a Lease. A candidate takes the Lease when it has not seen it renewed
 * for the holder's lease duration, on its own monotonic clock: clocks of different machines are never compared.
 * With the defaults a dead leader is replaced within 4.1 s; one that stops in order, within 1 s.
 */
import { isAbort, sleep } from '@mesh/runtime';
import type { Clock, Component, Logger } from '@mesh/runtime';
import type { KubeClient } from './client.ts';
import type { Lease } from './core-types.ts';
import { isKubeError } from './errors.ts';
import { LEASES } from './kinds.ts';

export interface LeaderElectionOptions {
  readonly namespace: string;
  readonly leaseName: string;
  /** This replica's name; the pod's name. */
  readonly identity: string;
  /** Whole seconds in the Lease; default 4000. */
  readonly leaseDurationMs?: number;
  /** How often the leader renews and a candidate looks; default 1000. */
  readonly renewMs?: number;
  /** The leader gives up after this long without a successful renewal; default leaseDurationMs - renewMs. */
  readonly renewDeadlineMs?: number;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface LeaderElectionDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
}

export const DEFAULT_LEASE_DURATION_MS = 4_000;
export const DEFAULT_RENEW_MS = 1_000;

export class LeaderElection implements Component {
  readonly name = 'leader election';
  readonly #options: Required<Omit<LeaderElectionOptions, 'labels'>> & Pick<LeaderElectionOptions, 'labels'>;
  readonly #deps: LeaderElectionDeps;
  readonly #listeners = new Set<(leading: boolean) => void>();
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #leading = false;
  #lease: Lease | undefined;
  /** When, on our clock, the Lease was last seen to change. */
  #observedMs = 0;
  #renewedMs = 0;

  constructor(options: LeaderElectionOptions, deps: LeaderElectionDeps) {
    const leaseDurationMs = options.leaseDurationMs ?? DEFAULT_LEASE_DURATION_MS;
    const renewMs = options.renewMs ?? DEFAULT_RENEW_MS;
    const renewDeadlineMs = options.renewDeadlineMs ?? leaseDurationMs - renewMs;
    if (renewMs >= renewDeadlineMs || renewDeadlineMs >= leaseDurationMs) {
      throw new RangeError(
        `leader election needs renewMs (${renewMs}) < renewDeadlineMs (${renewDeadlineMs}) < leaseDurationMs (${leaseDurationMs})`,
      );
    }
    this.#options = { ...options, leaseDurationMs, renewMs, renewDeadlineMs };
    this.#deps = deps;
  }

  /** Begins to take part; does not wait for leadership. */
  start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#running ??= this.#loop(this.#stop.signal);
    return Promise.resolve();
  }

  /** Stops leading first, then releases the Lease, so that a standby takes over at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    await this.#running;
    const wasLeading = this.#leading;
    this.#setLeading(false);
    if (wasLeading) await this.#release();
  }

  get isLeader(): boolean {
    return this.#leading;
  }

  /** The current holder as last seen. */
  get holder(): string | undefined {
    return this.#lease?.spec?.holderIdentity;
  }

  /** Calls `listener` at each change, and at once when leading already. */
  onChange(listener: (leading: boolean) => void): () => void {
    this.#listeners.add(listener);
    if (this.#leading) listener(true);
    return () => this.#listeners.delete(listener);
  }

  async #loop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#attempt(AbortSignal.any([signal, AbortSignal.timeout(this.#options.renewDeadlineMs)]));
      } catch (error) {
        if (signal.aborted) return;
        if (!isKubeError(error, 'conflict', 'already_exists') && !isAbort(error)) {
          this.#deps.logger.debug('lease attempt failed', { lease: this.#options.leaseName, error });
        }
      }
      const now = this.#deps.clock.monotonic();
      if (this.#leading && now - this.#renewedMs > this.#options.renewDeadlineMs) this.#setLeading(false);
      await sleep(this.#deps.clock, this.#nextAttemptMs(now), signal).catch(() => undefined);
    }
  }

  /** A candidate wakes exactly when the holder's lease ends, if that is sooner than its next look. */
  #nextAttemptMs(now: number): number {
    if (this.#leading || this.#lease === undefined) return this.#options.renewMs;
    const expiresInMs = this.#observedMs + leaseDurationMs(this.#lease) - now;
    return Math.max(50, Math.min(this.#options.renewMs, expiresInMs + 10));
  }

  async #attempt(signal: AbortSignal): Promise<void> {
    const { client, clock } = this.#deps;
    const { namespace, leaseName, identity } = this.#options;
    const startedMs = clock.monotonic();
    const lease = await client.get(LEASES, { namespace, name: leaseName }, signal);
    if (lease === undefined) {
      this.#observe(await client.create(LEASES, this.#leaseObject(undefined), { signal }));
      this.#won(startedMs);
      return;
    }
    if (lease.metadata.resourceVersion !== this.#lease?.metadata.resourceVersion) this.#observe(lease);
    const holder = lease.spec?.holderIdentity ?? '';
    const expired = clock.monotonic() - this.#observedMs >= leaseDurationMs(lease);
    if (holder !== identity && holder !== '' && !expired) {
      this.#setLeading(false);
      return;
    }
    this.#observe(await client.replace(LEASES, this.#leaseObject(lease), { signal }));
    this.#won(startedMs);
  }

  #observe(lease: Lease): void {
    this.#lease = lease;
    this.#observedMs = this.#deps.clock.monotonic();
  }

  #won(attemptStartedMs: number): void {
    this.#renewedMs = attemptStartedMs;
    this.#setLeading(true);
  }

  #leaseObject(current: Lease | undefined): Lease {
    const { identity, namespace, leaseName, labels } = this.#options;
    const now = microTime(this.#deps.clock.now());
    const kept = current?.spec?.holderIdentity === identity;
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: current?.metadata ?? { name: leaseName, namespace, ...(labels === undefined ? {} : { labels }) },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: Math.max(1, Math.ceil(this.#options.leaseDurationMs / 1000)),
        acquireTime: kept ? (current.spec?.acquireTime ?? now) : now,
        renewTime: now,
        leaseTransitions: (current?.spec?.leaseTransitions ?? 0) + (kept || current === undefined ? 0 : 1),
      },
    };
  }

  async #release(): Promise<void> {
    const lease = this.#lease;
    if (lease?.spec?.holderIdentity !== this.#options.identity) return;
    try {
      await this.#deps.client.replace(
        LEASES,
        { ...lease, spec: { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1 } },
        { signal: AbortSignal.timeout(this.#options.renewMs) },
      );
    } catch (error) {
      this.#deps.logger.debug('lease not released; it expires by itself', { lease: this.#options.leaseName, error });
    }
  }

  #setLeading(leading: boolean): void {
    if (this.#leading === leading) return;
    this.#leading = leading;
    this.#deps.logger.info(leading ? 'leading' : 'not leading', {
      lease: `${this.#options.namespace}/${this.#options.leaseName}`,
      identity: this.#options.identity,
    });
    for (const listener of this.#listeners) listener(leading);
  }
}

function leaseDurationMs(lease: Lease): number {
  return (lease.spec?.leaseDurationSeconds ?? DEFAULT_LEASE_DURATION_MS / 1000) * 1000;
}

/** `metav1.MicroTime`. */
function microTime(unixMs: number): string {
  return new Date(unixMs).toISOString().replace('Z', '000Z');
}
