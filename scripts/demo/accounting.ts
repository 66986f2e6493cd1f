/**
 * Which requests count. A request is left out only when the demo itself took away every backend that it could have reached (the
 * gateway is down and the request wanted the other cluster) or before its target existed.
 */
import type { TrafficSummary } from '../home/traffic.ts';
import { isOk, summarise } from '../home/traffic.ts';
import type { RequestRecord, TrafficLog } from '../home/traffic.ts';
import type { FailoverOutcome, TargetTraffic } from './document.ts';

interface Window {
  readonly target: string;
  readonly fromMs: number;
  toMs: number;
}

export class Accounting {
  readonly log: TrafficLog;
  readonly #windows: Window[] = [];

  constructor(log: TrafficLog) {
    this.log = log;
  }

  /** From now (or `fromMs`) on, requests to `target` have no healthy backend; call the result when they have again. */
  exclude(target: string, fromMs: number = Date.now()): (toMs?: number) => void {
    const window: Window = { target, fromMs, toMs: Number.POSITIVE_INFINITY };
    this.#windows.push(window);
    return (toMs = Date.now()) => {
      window.toMs = toMs;
    };
  }

  /** True when the request could have been answered. A request belongs to a window if any of its life did. */
  counts(record: RequestRecord): boolean {
    return !this.#windows.some(
      (window) => window.target === record.target && record.at < window.toMs && record.at + record.ms >= window.fromMs,
    );
  }

  total(): TrafficSummary {
    return summarise(this.log.select().filter((record) => this.counts(record)));
  }

  byTarget(): Readonly<Record<string, TargetTraffic>> {
    const all = this.log.select();
    const targets = [...new Set(all.map((record) => record.target))].sort();
    return Object.fromEntries(
      targets.map((target) => {
        const own = all.filter((record) => record.target === target);
        const counted = own.filter((record) => this.counts(record));
        return [target, { ...summarise(counted), excluded: own.length - counted.length }];
      }),
    );
  }
}

/** What a kill did to the active-active service. `other` is the cluster that has to take over. */
export function failoverOutcome(
  records: readonly RequestRecord[],
  killedAt: number,
  other: string,
): Omit<FailoverOutcome, 'ms_to_return'> {
  const touched = records.filter((record) => record.at + record.ms >= killedAt);
  const failed = touched.filter((record) => !isOk(record));
  const takenOver = touched.find((record) => isOk(record) && record.cluster === other);
  const ends = [...failed, ...(takenOver === undefined ? [] : [takenOver])].map(
    (record) => record.at + record.ms - killedAt,
  );
  return {
    failed_during: failed.length,
    in_flight: touched.filter((record) => record.at < killedAt).length,
    ms_to_recover: takenOver === undefined ? -1 : Math.round(Math.max(...ends)),
  };
}
