/**
 * Keeps the exporter's half of each Peer's status: at once when something differs, else every few seconds the time up to which the view
 * is known to be complete. The other half is the peer's.
 */
import { isKubeError, PEERS } from '@mesh/kube';
import type { ClusterFacts, Condition, EventRecorder, KubeClient, Peer, ReconcileResult } from '@mesh/kube';
import type { Clock } from '@mesh/runtime';
import { isSame } from '../merge.ts';
import { exporterFacts, peerConditions } from './peer-status.ts';
import type { PeerInput } from './peer-status.ts';

export interface PeerStatusWriterDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly events: Pick<EventRecorder, 'record'>;
  readonly peers: () => readonly Peer[];
  readonly facts: () => ClusterFacts;
  /** Services that the peer may see. */
  readonly exportsOf: (peer: string) => number;
  readonly hasNamespace: (peer: string) => boolean;
  /** Unix ms: everything that happened before it is in the view. `undefined`: not known. */
  readonly completeUntilMs: () => number | undefined;
  readonly onWrite: () => void;
}

/** Between two writes of the same status; what differs meanwhile waits. */
const INTERVAL_MIN_MS = 1_000;

/** The last sign of life of a peer, by our own clock: those of different machines are not compared. */
interface Sighting {
  /** Absent: the peer has not confirmed itself yet. */
  readonly renewTime: string | undefined;
  readonly monotonicMs: number;
  /** How far the peer's clock is ahead of ours, milliseconds; known once it confirmed itself while we looked. */
  readonly aheadMs?: number;
}

interface Written {
  readonly monotonicMs: number;
  readonly renewMs: number;
}

export class PeerStatusWriter {
  readonly #deps: PeerStatusWriterDeps;
  readonly #renewMs: number;
  readonly #sightings = new Map<string, Sighting>();
  readonly #written = new Map<string, Written>();

  /** @param renewMs How often the time is renewed. */
  constructor(renewMs: number, deps: PeerStatusWriterDeps) {
    this.#renewMs = renewMs;
    this.#deps = deps;
  }

  /** A Peer appeared or changed. */
  saw(peer: Peer): void {
    const { clock } = this.#deps;
    const { name } = peer.metadata;
    const renewTime = peer.status?.peer?.renewTime;
    const known = this.#sightings.get(name);
    const monotonicMs = clock.monotonic();
    if (known === undefined) this.#sightings.set(name, { renewTime, monotonicMs: monotonicMs - this.#silentMs(peer) });
    else if (known.renewTime !== renewTime) {
      const aheadMs = renewTime === undefined ? undefined : Date.parse(renewTime) - clock.now();
      this.#sightings.set(name, { renewTime, monotonicMs, ...(aheadMs === undefined ? {} : { aheadMs }) });
    }
  }

  /** Of a peer that we see first. Only once it confirms itself is it known whether it was silent or a clock is wrong; till then what was said of it holds. */
  #silentMs({ status }: Peer): number {
    const isSilent = status?.conditions?.some(({ type, reason }) => type === 'Seen' && reason === 'Silent') === true;
    const ageMs = this.#deps.clock.now() - Date.parse(status?.peer?.renewTime ?? '');
    return isSilent ? Math.max(0, ageMs) || 0 : 0;
  }

  forget(peer: string): void {
    this.#sightings.delete(peer);
    this.#written.delete(peer);
  }

  /** Leadership changed: what was written before says nothing of what others wrote since. */
  forgetWrites(): void {
    this.#written.clear();
  }

  async reconcile(peer: Peer, signal: AbortSignal): Promise<ReconcileResult> {
    const { client, clock, onWrite, completeUntilMs } = this.#deps;
    const { name } = peer.metadata;
    const renewMs = completeUntilMs();
    // What we do not know ourselves we do not confirm.
    if (renewMs === undefined) return undefined;
    const input = this.#input(peer);
    const exporter = exporterFacts(input);
    const conditions = peerConditions(input);
    const { renewTime: _renewTime, ...known } = peer.status?.exporter ?? {};
    const isNews = !isSame(exporter, known) || !isSame(conditions, peer.status?.conditions ?? []);
    const written = this.#written.get(name);
    const sinceMs = clock.monotonic() - (written?.monotonicMs ?? -Infinity);
    // Earlier than what was written it is after a clock was set back: a reader counts by what changes.
    const isDue = sinceMs >= this.#renewMs && renewMs !== written?.renewMs;
    if (!isNews && !isDue) return undefined;
    if (sinceMs < INTERVAL_MIN_MS) return { requeueAfterMs: INTERVAL_MIN_MS - sinceMs };
    this.#written.set(name, { monotonicMs: clock.monotonic(), renewMs });
    const absent = Object.fromEntries(Object.keys(known).map((key) => [key, null]));
    const body = {
      status: { exporter: { ...absent, ...exporter, renewTime: new Date(renewMs).toISOString() }, conditions },
    };
    try {
      await client.patch(PEERS, peer.metadata, { type: 'merge', body, subresource: 'status' }, { signal });
    } catch (error) {
      this.#written.delete(name);
      if (isKubeError(error, 'not_found')) return undefined;
      throw error;
    }
    onWrite();
    this.#announce(peer, conditions);
    return undefined;
  }

  #input(peer: Peer): PeerInput {
    const { clock, peers, facts, exportsOf, hasNamespace } = this.#deps;
    const { name } = peer.metadata;
    const sighting = this.#sightings.get(name);
    return {
      peer,
      peers: peers(),
      own: facts(),
      exports: exportsOf(name),
      hasNamespace: hasNamespace(name),
      silentMs: sighting?.renewTime === undefined ? undefined : clock.monotonic() - sighting.monotonicMs,
      aheadMs: sighting?.aheadMs,
      nowMs: clock.now(),
    };
  }

  /** What turned bad, or good again, is an Event too. */
  #announce(peer: Peer, conditions: readonly Condition[]): void {
    for (const { type, status, reason, message } of conditions) {
      const before = peer.status?.conditions?.find((condition) => condition.type === type)?.status;
      const isBad = status === 'False' && before !== 'False' && reason !== 'NeverSeen';
      const isGoodAgain = status === 'True' && before === 'False';
      if (!isBad && !isGoodAgain) continue;
      this.#deps.events.record(peer, { type: isBad ? 'Warning' : 'Normal', reason, message: `${type}: ${message}` });
    }
  }
}
