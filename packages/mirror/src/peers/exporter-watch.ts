/**
 * Whether a peer keeps confirming what it shows us. Its renewals are told by the peer's clock, so what counts is that they advance, and how long
 * ago they last did by ours; a constant offset is a clock that is wrong, not a view that is old.
 */
import type { ClusterFacts } from '@mesh/kube';
import type { ExporterReading } from '../link-facts.ts';

/** Exporters confirm each 10 s; several missed ones are an exporter that stands still. */
const STALE_AFTER_MS = 90_000;
/** A confirmation that old at the first look says itself that it is current, if the clocks agree. */
const FRESH_MS = 60_000;
/** Soon after a first look that left it open, when another confirmation must have come. */
const SOON_MS = 15_000;

export class ExporterWatch {
  readonly soonMs = SOON_MS;
  #reading: ExporterReading = {};
  #renewTime: string | undefined;
  #advancedMs: number | undefined;

  read(exporter: ClusterFacts | undefined, nowMs: number, monotonicMs: number): ExporterReading {
    if (exporter?.renewTime === undefined) {
      this.#reading = {};
      return this.#reading;
    }
    const { renewTime, version, clusterName } = exporter;
    const offMs = nowMs - Date.parse(renewTime);
    const hasAdvanced = this.#renewTime !== undefined && this.#renewTime !== renewTime;
    if (hasAdvanced || (this.#renewTime === undefined && Math.abs(offMs) < FRESH_MS)) this.#advancedMs = monotonicMs;
    const behind = hasAdvanced ? offMs : this.#reading.clockBehindMs;
    this.#renewTime = renewTime;
    this.#reading = {
      ...(version === undefined ? {} : { version }),
      ...(clusterName === undefined ? {} : { clusterName }),
      renewTime,
      ...this.#renewing(this.#advancedMs, monotonicMs),
      ...(behind === undefined ? {} : { clockBehindMs: behind }),
    };
    return this.#reading;
  }

  /** It could not be read: what was known stays, and grows old. */
  failed(problem: string, monotonicMs: number): ExporterReading {
    this.#reading = { ...this.#reading, ...this.#renewing(this.#advancedMs, monotonicMs), problem };
    return this.#reading;
  }

  #renewing(advancedMs: number | undefined, monotonicMs: number): { readonly isRenewing?: boolean } {
    if (advancedMs === undefined) {
      // Seen once, and old by our clock: the next look tells.
      return this.#reading.renewTime === undefined ? {} : { isRenewing: false };
    }
    return { isRenewing: monotonicMs - advancedMs < STALE_AFTER_MS };
  }
}
