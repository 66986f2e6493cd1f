/** What a benchmark row is: something between the load and the backend, and how it is measured. */
import { runLoad, type LoadResult } from '../lib/load.ts';
import { treeCpuTimeUs, treeMemory } from '../lib/process-cost.ts';
import { median, round, type BenchRow } from '../lib/report.ts';
import type { Address } from './haproxy-config.ts';

/** A row that is up: where the load goes, and which processes stand in between. */
export interface Running extends AsyncDisposable {
  readonly entry: Address;
  readonly pids: readonly number[];
}

export interface RowSpec {
  readonly scenario: string;
  readonly proxy: string;
  readonly runtime: string;
  /** Why the row can't run here, or undefined. */
  readonly missing: () => string | undefined;
  readonly start: (backend: Address) => Promise<Running>;
}

/** JavaScriptCore's last tier was seen to settle after 50,000 to 80,000 requests. */
const WARM_UP_REQUESTS = 80_000;
/** What the load asks for; the name of the small one is not shown. */
export const BODIES = {
  small: { path: '/', warmUpRequests: WARM_UP_REQUESTS },
  '1m': { path: '/1m', warmUpRequests: 3000 },
};
export type Body = keyof typeof BODIES;
/** HAProxy's pair was seen to answer a few requests in ten thousand with 502 when a kept connection had just closed. Ours may fail none. */
const RIVAL_ERROR_SHARE_MAX = 0.001;
const WARM_UP_MS_MAX = 20_000;

interface Sample extends LoadResult {
  readonly cpuUsPerRequest: number;
}

/** Runs of one row, taken in turn with the other rows' so that a slow minute of the machine hits all alike. */
export class RowMeasurement {
  readonly spec: RowSpec;
  /** With the body, where it is not the small one. */
  readonly scenario: string;
  readonly #body: (typeof BODIES)[Body];
  readonly #running: Running;
  readonly #samples: Sample[] = [];
  #idlePrivateMb = 0;

  constructor(spec: RowSpec, running: Running, body: Body) {
    this.spec = spec;
    this.scenario = body === 'small' ? spec.scenario : `${spec.scenario}-${body}`;
    this.#body = BODIES[body];
    this.#running = running;
  }

  /**
   * Loads until the row has answered enough to be in its steady state: connections are open, caches full, hot code
   * compiled. Compilers go by the number of calls, so a slow machine needs more seconds, up to a limit.
   */
  async warmUp(connections: number): Promise<void> {
    const deadline = performance.now() + WARM_UP_MS_MAX;
    let requests = 0;
    const enough = this.spec.runtime === 'bun' || this.spec.runtime === 'node' ? this.#body.warmUpRequests : 1;
    while (requests < enough && performance.now() < deadline) {
      requests += (await runLoad({ ...this.#running.entry, path: this.#body.path, connections, durationS: 2 }))
        .requests;
    }
  }

  async run(connections: number, durationS: number): Promise<void> {
    const before = this.#cpuUs();
    const result = await runLoad({ ...this.#running.entry, path: this.#body.path, connections, durationS });
    const cpuUsPerRequest = (this.#cpuUs() - before) / Math.max(1, result.requests);
    const tolerated = this.spec.proxy === 'mesh' ? 0 : result.requests * RIVAL_ERROR_SHARE_MAX;
    if (result.errors > tolerated)
      throw new Error(`${this.scenario}/${this.spec.proxy}: ${result.errors} failed requests of ${result.requests}`);
    this.#samples.push({ ...result, cpuUsPerRequest });
  }

  /** Before any load. */
  readIdleMemory(): void {
    this.#idlePrivateMb = Math.max(0, ...this.#running.pids.map((pid) => treeMemory(pid).privateMb));
  }

  row(connections: number): BenchRow {
    const memory = this.#running.pids.map((pid) => treeMemory(pid));
    const middle = (pick: (sample: Sample) => number): number => median(this.#samples.map(pick));
    return {
      scenario: this.scenario,
      proxy: this.spec.proxy,
      runtime: this.spec.runtime,
      connections,
      rps: Math.round(middle((sample) => sample.rps)),
      cpu_us_per_request: round(
        middle((sample) => sample.cpuUsPerRequest),
        1,
      ),
      p50_ms: round(
        middle((sample) => sample.p50Ms),
        2,
      ),
      p99_ms: round(
        middle((sample) => sample.p99Ms),
        2,
      ),
      p999_ms: round(
        middle((sample) => sample.p999Ms),
        2,
      ),
      rss_mb: round(Math.max(0, ...memory.map((each) => each.rssMb)), 1),
      private_mb: round(Math.max(0, ...memory.map((each) => each.privateMb)), 1),
      idle_private_mb: round(this.#idlePrivateMb, 1),
    };
  }

  #cpuUs(): number {
    return this.#running.pids.reduce((sum, pid) => sum + treeCpuTimeUs(pid), 0);
  }
}
