/** What the demo's steps share. */
import type { Home, HomeCluster } from '../home/home.ts';
import { TrafficLog } from '../home/traffic.ts';
import { Accounting } from './accounting.ts';
import type { FailoverOutcome, Identities } from './document.ts';

export class DemoState {
  readonly log = new TrafficLog();
  readonly accounting = new Accounting(this.log);
  /** Aborted by Ctrl-C, and when the demo is over. */
  readonly signal: AbortSignal;
  readonly #over = new AbortController();
  readonly #open: () => Promise<Home>;
  #home: Home | undefined;
  /** When the catalog was exported, in milliseconds since the epoch. */
  exportedAt = 0;
  includeWest: ((toMs?: number) => void) | undefined;
  includeHome: ((toMs?: number) => void) | undefined;
  failover: FailoverOutcome = { failed_during: 0, in_flight: 0, ms_to_recover: -1, ms_to_return: -1 };
  identities: Identities = { client: '', gateway: '', server: '' };
  /** The first loss of a traffic log, which makes every number doubtful. */
  lostLog: unknown;

  constructor(options: { readonly signal: AbortSignal; readonly open: () => Promise<Home> }) {
    this.signal = AbortSignal.any([options.signal, this.#over.signal]);
    this.#open = options.open;
  }

  async start(): Promise<Home> {
    this.#home = await this.#open();
    return this.#home;
  }

  get home(): Home {
    if (this.#home === undefined) throw new Error('the clusters are not up');
    return this.#home;
  }

  get east(): HomeCluster {
    return this.home.cluster('east');
  }

  get west(): HomeCluster {
    return this.home.cluster('west');
  }

  readonly lost = (error: unknown): void => {
    this.lostLog ??= error;
  };

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#home?.[Symbol.asyncDispose]();
  }
}
