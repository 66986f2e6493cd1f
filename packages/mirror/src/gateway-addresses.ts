/** The IP addresses behind a Link's gateway names, looked up again and again; what was known stays while DNS fails. */
import { parseIp } from '@mesh/model';
import { messageOf } from '@mesh/runtime';
import type { Clock, Logger, Timer } from '@mesh/runtime';

/** All addresses of a name. `node:dns` in production. */
export type Lookup = (host: string) => Promise<readonly string[]>;

/** Load balancers change addresses; their DNS records live 60 s or less. */
const REFRESH_MS = 10_000;
const RETRY_MS = 1_000;

export class GatewayAddresses implements Disposable {
  readonly #lookup: Lookup;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #onChange: () => void;
  readonly #known = new Map<string, readonly string[]>();
  readonly #errors = new Map<string, string>();
  #hosts: readonly string[] = [];
  #ips: readonly string[] = [];
  #timer: Timer | undefined;
  #stopped = false;
  #round = 0;

  constructor(deps: {
    readonly lookup: Lookup;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly onChange: () => void;
  }) {
    this.#lookup = deps.lookup;
    this.#clock = deps.clock;
    this.#logger = deps.logger;
    this.#onChange = deps.onChange;
  }

  /** Sorted, without duplicates. */
  get ips(): readonly string[] {
    return this.#ips;
  }

  /** One sentence per name that does not resolve. */
  get problems(): readonly string[] {
    return [...this.#errors].map(([host, reason]) => `gateway name ${host} does not resolve: ${reason}`);
  }

  /** True when every name has been looked up once, successfully or not. */
  get settled(): boolean {
    return this.#hosts.every((host) => this.#known.has(host) || this.#errors.has(host));
  }

  setHosts(hosts: readonly string[]): void {
    this.#hosts = hosts;
    for (const host of this.#known.keys()) if (!hosts.includes(host)) this.#known.delete(host);
    for (const host of this.#errors.keys()) if (!hosts.includes(host)) this.#errors.delete(host);
    for (const host of hosts) if (parseIp(host) !== undefined) this.#known.set(host, [host]);
    this.#publish();
    void this.#refresh();
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #refresh(): Promise<void> {
    this.#timer?.cancel();
    this.#round += 1;
    const round = this.#round;
    const names = this.#hosts.filter((host) => parseIp(host) === undefined);
    await Promise.all(names.map((name) => this.#resolve(name)));
    if (this.#stopped || round !== this.#round || names.length === 0) return;
    this.#publish();
    this.#timer = this.#clock.after(this.#errors.size > 0 ? RETRY_MS : REFRESH_MS, () => void this.#refresh());
  }

  async #resolve(host: string): Promise<void> {
    try {
      const ips = await this.#lookup(host);
      if (!this.#hosts.includes(host)) return;
      if (ips.length === 0) throw new Error('it has no addresses');
      this.#known.set(host, ips);
      this.#errors.delete(host);
    } catch (error) {
      if (!this.#hosts.includes(host)) return;
      if (!this.#errors.has(host)) this.#logger.warn('gateway name does not resolve', { host, error });
      this.#errors.set(host, messageOf(error));
    }
  }

  #publish(): void {
    const ips = [...new Set([...this.#known.values()].flat())].sort();
    const changed = ips.join() !== this.#ips.join();
    this.#ips = ips;
    if (changed || this.#errors.size > 0) this.#onChange();
  }
}
