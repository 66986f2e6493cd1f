/** What the shop's customers see: the load generator's records, collected and summed up. */

/** One request, as the load generator reports it. */
export interface RequestRecord {
  readonly target: string;
  readonly seq: number;
  /** Milliseconds since the epoch when the request was sent. */
  readonly at: number;
  readonly ms: number;
  /** 0 when there was no answer. */
  readonly status: number;
  readonly cluster?: string;
  readonly pod?: string;
  readonly caller?: { readonly clientId?: string; readonly forwarded?: string };
  readonly error?: string;
}

export interface TrafficSummary {
  readonly sent: number;
  readonly failed: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly by_cluster: Readonly<Record<string, number>>;
}

export function isOk(record: RequestRecord): boolean {
  return record.status === 200;
}

/** Reads one log line; anything that is no record (a banner, a warning) is `undefined`. */
export function parseRecord(line: string): RequestRecord | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const record = JSON.parse(line) as RequestRecord;
    return typeof record.target === 'string' && typeof record.at === 'number' ? record : undefined;
  } catch {
    return undefined;
  }
}

export function summarise(records: readonly RequestRecord[]): TrafficSummary {
  const good = records.filter(isOk);
  const times = good.map((record) => record.ms).sort((a, b) => a - b);
  const byCluster: Record<string, number> = {};
  for (const record of good) {
    const cluster = record.cluster ?? 'unknown';
    byCluster[cluster] = (byCluster[cluster] ?? 0) + 1;
  }
  return {
    sent: records.length,
    failed: records.length - good.length,
    p50_ms: quantile(times, 0.5),
    p99_ms: quantile(times, 0.99),
    by_cluster: byCluster,
  };
}

/** Nearest rank; 0 for no data. */
export function quantile(sorted: readonly number[], q: number): number {
  if (sorted.length === 0) return 0;
  return sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)] ?? 0;
}

/** Collects records and answers questions about them by time of sending. */
export class TrafficLog {
  #records: RequestRecord[] = [];
  add(record: RequestRecord): void {
    this.#records.push(record);
  }

  /** Drops what was sent before; for watching without end. */
  forgetBefore(atMs: number): void {
    this.#records = this.#records.filter((record) => record.at >= atMs);
  }

  /** Requests of `targets` (all when absent) sent in `[fromMs, toMs)`. */
  select(
    options: { readonly targets?: readonly string[]; readonly fromMs?: number; readonly toMs?: number } = {},
  ): readonly RequestRecord[] {
    const { targets, fromMs = 0, toMs = Number.POSITIVE_INFINITY } = options;
    return this.#records.filter(
      (record) => record.at >= fromMs && record.at < toMs && (targets === undefined || targets.includes(record.target)),
    );
  }
}
