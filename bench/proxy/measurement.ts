/** How one flow is measured: its cells one after the other, in turn with the other flows of its group, so that a slow minute of the machine hits all alike. */
import { runLoad } from '../lib/load.ts';
import { treeCpuTimeUs, treeMemory } from '../lib/process-cost.ts';
import { ofRunning } from '../lib/programs.ts';
import { runOpenLoop } from '../open-loop/open-loop.ts';
import { flowName } from './flow.ts';
import type { FlowSpec, Running } from './flow.ts';
import { isSame } from './matrix.ts';
import type { Cell } from './matrix.ts';
import type { Body } from '../lib/protocols.ts';

/** One counted run of a cell. */
export interface Sample {
  readonly requests: number;
  readonly failed: number;
  readonly rps: number;
  readonly cpuUsPerRequest: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

/** Of the largest single process of a flow. */
export interface FlowMemory {
  readonly rssMb: number;
  readonly privateMb: number;
}

/** JavaScriptCore's last tier was seen to settle after 50,000 to 80,000 requests. */
const WARM_UP_REQUESTS: Readonly<Record<Body, number>> = { small: 80_000, '1m': 1000 };
const WARM_UP_MS_MAX = 10_000;

export class FlowMeasurement {
  readonly spec: FlowSpec;
  readonly #running: Running;
  readonly #samples: { readonly cell: Cell; readonly sample: Sample }[] = [];
  /** What ended its measurement, if anything. */
  broken: string | undefined;
  idlePrivateMb = 0;

  constructor(spec: FlowSpec, running: Running) {
    this.spec = spec;
    this.#running = running;
  }

  /** Loads a group's first cell until the flow is in its steady state: connections are open, caches full, hot code compiled. */
  async warmUp({ connections, body }: Cell): Promise<void> {
    if (this.spec.proxy === 'none') return;
    // Compilers go by the number of calls, so a slow machine needs more seconds, up to a limit.
    const enough = this.#isCompiled ? WARM_UP_REQUESTS[body] : 1;
    const deadline = performance.now() + WARM_UP_MS_MAX;
    for (let requests = 0; requests < enough && performance.now() < deadline;)
      requests += await this.#closed({ connections, body, load: 'closed' }, this.#isCompiled ? 2 : 1);
  }

  /** @param options.rate Requests per second of an open loop; without, it is closed. */
  async run(
    cell: Cell,
    options: { readonly durationS: number; readonly rate?: number; readonly seed: number },
  ): Promise<void> {
    const { durationS, rate, seed } = options;
    if (this.#isCompiled) await this.#closed({ ...cell, load: 'closed' }, 1);
    const { entry } = this.#running;
    const { connections, body } = cell;
    const { protocol } = this.spec;
    const before = this.#cpuUs();
    if (rate === undefined) {
      const { requests, errors, rps, p50Ms, p99Ms, p999Ms } = await runLoad({
        ...entry,
        protocol,
        body,
        connections,
        durationS,
      });
      const cpuUsPerRequest = (this.#cpuUs() - before) / Math.max(1, requests);
      this.#samples.push({ cell, sample: { requests, failed: errors, rps, cpuUsPerRequest, p50Ms, p99Ms, p999Ms } });
      return;
    }
    const target = { ...entry, protocol, body, connections };
    const {
      answered,
      failed,
      durationS: tookS,
      p50Ms,
      p99Ms,
      p999Ms,
    } = await runOpenLoop({ target, rate, durationS, seed });
    const cpuUsPerRequest = (this.#cpuUs() - before) / Math.max(1, answered);
    const rps = answered / tookS;
    this.#samples.push({ cell, sample: { requests: answered, failed, rps, cpuUsPerRequest, p50Ms, p99Ms, p999Ms } });
  }

  samples(cell: Cell): Sample[] {
    return this.#samples.filter((each) => isSame(each.cell, cell)).map(({ sample }) => sample);
  }

  get name(): string {
    return flowName(this.spec);
  }

  readIdleMemory(): void {
    this.idlePrivateMb = this.memory().privateMb;
  }

  memory(): FlowMemory {
    const { programs } = this.#running;
    const all = ofRunning(programs, () => programs.map(({ pid }) => treeMemory(pid)));
    return {
      rssMb: Math.max(0, ...all.map(({ rssMb }) => rssMb)),
      privateMb: Math.max(0, ...all.map(({ privateMb }) => privateMb)),
    };
  }

  get #isCompiled(): boolean {
    return this.spec.proxy === 'mesh';
  }

  /** Answered requests of a run that is not counted. */
  async #closed({ connections, body }: Cell, durationS: number): Promise<number> {
    const { protocol } = this.spec;
    return (await runLoad({ ...this.#running.entry, protocol, body, connections, durationS })).requests;
  }

  #cpuUs(): number {
    const { programs } = this.#running;
    return ofRunning(programs, () => programs.reduce((sum, { pid }) => sum + treeCpuTimeUs(pid), 0));
  }
}
