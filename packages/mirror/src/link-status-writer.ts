/** Collects what became of each Service of each Link, and writes it onto the Link: seldom, and only when it differs. */
import { isKubeError, keyOf, LINKS } from '@mesh/kube';
import type { Condition, EventRecorder, Link, ReconcileResult } from '@mesh/kube';
import type { Clock, Logger } from '@mesh/runtime';
import type { Outcome } from './desired.ts';
import { findingsOf } from './link-conditions.ts';
import type { MirrorSummary } from './link-facts.ts';
import type { LinkRegistry } from './link-registry.ts';
import { desiredStatus, summarize } from './link-status.ts';
import type { LinkWorker } from './link-worker.ts';
import type { LocalCluster } from './local-cluster.ts';
import { isSame } from './merge.ts';
import type { MirrorMetrics } from './metrics.ts';
import { MIRROR_MODES } from './remote-cluster.ts';

export interface LinkStatusWriterDeps {
  readonly local: LocalCluster;
  readonly links: LinkRegistry;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MirrorMetrics;
  readonly events: Pick<EventRecorder, 'record'>;
  /** The status of a Link may have to change. */
  readonly onChange: (link: string) => void;
  /** At most this long between writes, milliseconds. */
  readonly intervalMaxMs: number;
}

export type OutcomeKind = 'mirror' | 'federated';

/** A status of few items is written almost at once; a long one is up to 400 KB, and seldom enough not to matter. */
const STATUS_INTERVAL_MIN_MS = 100;
const STATUS_INTERVAL_PER_ITEM_MS = 2;
export const STATUS_INTERVAL_MAX_MS = 2_000;
const FIRST_PASS_POLL_MS = 200;
const FIRST_PASS_MAX_MS = 60_000;

export class LinkStatusWriter {
  readonly #deps: LinkStatusWriterDeps;
  /** By Link key, then by Service key. */
  readonly #outcomes: Readonly<Record<OutcomeKind, Map<string, Map<string, Outcome>>>> = {
    mirror: new Map(),
    federated: new Map(),
  };
  readonly #writtenMs = new Map<string, number>();

  constructor(deps: LinkStatusWriterDeps) {
    this.#deps = deps;
  }

  /** @param outcome `undefined`: the Service is no longer the Link's business. */
  report(kind: OutcomeKind, link: string, service: string, outcome: Outcome | undefined): void {
    const ofLink = this.#outcomes[kind].get(link) ?? new Map<string, Outcome>();
    const before = ofLink.get(service);
    if (isSame(before && stated(before), outcome && stated(outcome))) return;
    if (outcome === undefined) ofLink.delete(service);
    else ofLink.set(service, outcome);
    this.#outcomes[kind].set(link, ofLink);
    if (outcome !== undefined && outcome.reason !== 'Mirrored') {
      this.#deps.logger.warn('service not mirrored', { link, service, ...stated(outcome) });
    }
    if (outcome?.reason === 'NameConflict' && before?.message !== outcome.message)
      this.#noteConflict(link, service, outcome);
    this.#deps.onChange(link);
  }

  /** Whoever looks at either side of a conflict finds it there. */
  #noteConflict(link: string, service: string, { message, foreign }: Outcome): void {
    const { local, events } = this.#deps;
    const object = local.links.get(link);
    if (object !== undefined)
      events.record(object, { type: 'Warning', reason: 'NameConflict', message: `Service ${service}: ${message}` });
    if (foreign !== undefined) {
      const text = `Link ${link} wants to mirror Service ${service} under this name, and leaves this object as it is`;
      events.record(foreign, { type: 'Warning', reason: 'NameConflict', message: text });
    }
  }

  counts(link: string): MirrorSummary {
    return summarize(this.#of('mirror', link), this.#of('federated', link));
  }

  forget(link: string): void {
    this.#outcomes.mirror.delete(link);
    this.#outcomes.federated.delete(link);
    this.#writtenMs.delete(link);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult> {
    const { local, links, clock, metrics } = this.#deps;
    const worker = links.get(key);
    const link = local.links.get(key);
    if (worker === undefined || link === undefined) return undefined;
    const sinceMs = clock.monotonic() - (this.#writtenMs.get(key) ?? -Infinity);
    const waitMs = this.#statusIntervalMs(key) - sinceMs;
    if (waitMs > 0) return { requeueAfterMs: waitMs };
    // After a restart the first pass only finds again what the status says already.
    if ((link.status?.conditions ?? []).length > 0 && !this.#isFirstPassDone(key, worker))
      return { requeueAfterMs: FIRST_PASS_POLL_MS };
    const status = desiredStatus(link, this.#statusInput(key, worker));
    if (isSame(status, normalStatus(link))) return undefined;
    this.#writtenMs.set(key, clock.monotonic());
    try {
      await local.client.patch(
        LINKS,
        link.metadata,
        { type: 'merge', body: { status }, subresource: 'status' },
        { signal },
      );
    } catch (error) {
      if (isKubeError(error, 'not_found')) return undefined;
      throw error;
    }
    metrics.wrote('links/status', 'update');
    this.#announce(link, status.conditions ?? []);
    return undefined;
  }

  /** What turned bad, or good again, is an Event too: it shows in `kubectl describe`, with its time. The log has it for longer. */
  #announce(link: Link, conditions: readonly Condition[]): void {
    for (const { type, status, reason, message } of conditions) {
      const before = link.status?.conditions?.find((condition) => condition.type === type)?.status;
      const isBad = status === 'False' && before !== 'False';
      const isGoodAgain = status === 'True' && before === 'False';
      if (!isBad && !isGoodAgain) continue;
      this.#deps.events.record(link, { type: isBad ? 'Warning' : 'Normal', reason, message: `${type}: ${message}` });
      const fields = { link: keyOf(link.metadata), condition: type, status, reason, message };
      if (isBad) this.#deps.logger.warn('link condition changed', fields);
      else this.#deps.logger.info('link condition changed', fields);
    }
  }

  #statusIntervalMs(key: string): number {
    const items = this.#of('mirror', key).size + this.#of('federated', key).size;
    const intervalMs = Math.min(STATUS_INTERVAL_MIN_MS + items * STATUS_INTERVAL_PER_ITEM_MS, STATUS_INTERVAL_MAX_MS);
    return Math.min(intervalMs, this.#deps.intervalMaxMs);
  }

  /** True when each exported Service has an outcome, or the peer cannot be heard, or it takes too long. */
  #isFirstPassDone(key: string, worker: LinkWorker): boolean {
    if (worker.ageMs > FIRST_PASS_MAX_MS) return true;
    const { remote, credentials } = worker.facts();
    if (!credentials.ok) return credentials.reason !== 'Pending';
    // What cannot be read has no outcome, and waiting gives it none.
    if (remote?.error !== undefined) return true;
    if (remote?.synced !== true) return false;
    const known = this.#of('mirror', key).size + this.#of('federated', key).size;
    return worker.settled && known >= MIRROR_MODES.reduce((sum, mode) => sum + worker.remoteCount(mode), 0);
  }

  #statusInput(key: string, worker: LinkWorker): Parameters<typeof desiredStatus>[1] {
    const mirrors = this.#of('mirror', key);
    const federated = this.#of('federated', key);
    return {
      cluster: worker.plan?.cluster ?? '',
      mirrors,
      federated,
      findings: findingsOf(worker.facts(), summarize(mirrors, federated)),
      nowMs: this.#deps.clock.now(),
    };
  }

  #of(kind: OutcomeKind, link: string): ReadonlyMap<string, Outcome> {
    return this.#outcomes[kind].get(link) ?? NONE;
  }
}

const NONE: ReadonlyMap<string, Outcome> = new Map();

/** What a status says of an outcome. */
function stated({ reason, message, conflict }: Outcome): Omit<Outcome, 'foreign'> {
  return { reason, message, ...(conflict === undefined ? {} : { conflict }) };
}

/** The status as we would write it, so that an equal one compares equal. */
function normalStatus(link: Link): unknown {
  const { mirrorServices = [], federatedServices = [], conditions = [] } = link.status ?? {};
  return { mirrorServices, federatedServices, conditions };
}
