/** What a benchmark flow is: something between the load and the backend, which can be started, loaded and weighed. */
import type { Program } from '../lib/programs.ts';
import type { Protocol } from '../lib/protocols.ts';
import type { Address } from './haproxy-config.ts';
import type { Scenario } from './matrix.ts';

/** A flow that is up: where the load goes, and which processes stand in between. */
export interface Running extends AsyncDisposable {
  readonly entry: Address;
  readonly programs: readonly Program[];
}

/** A place for a flow: servers behind it, and addresses that nothing else has. */
export interface Site {
  /** The server that all proxies but ours have behind them. */
  readonly backend: Address;
  /** One for those that speak only HTTP/1.1 to what is behind them; the same where that is the protocol. */
  readonly http1Backend: Address;
  /** Starts one more such server, at port `BACKEND_PORT` of an address. */
  readonly startBackend: (stack: AsyncDisposableStack, host: string) => Promise<Address>;
  readonly nextIp: () => string;
}

export interface FlowSpec {
  readonly scenario: Scenario;
  readonly protocol: Protocol;
  readonly proxy: string;
  readonly runtime: string;
  /** What makes the row differ from the others of its scenario. */
  readonly note?: string;
  /** Why the flow can't be here, or undefined. */
  readonly missing: () => string | undefined;
  readonly start: (site: Site) => Promise<Running>;
}

/** Flows are known by these in messages. */
export function flowName({ scenario, protocol, proxy, runtime }: FlowSpec): string {
  return [scenario, protocol, proxy, ...(proxy === 'mesh' ? [runtime] : [])].join(' ');
}

export function running(entry: Address, programs: readonly Program[], stack?: AsyncDisposableStack): Running {
  return {
    entry,
    programs,
    async [Symbol.asyncDispose]() {
      await stack?.disposeAsync();
      await Promise.all(programs.map((program) => program[Symbol.asyncDispose]()));
    },
  };
}
