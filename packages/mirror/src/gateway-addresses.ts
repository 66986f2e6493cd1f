/**
 * The IP addresses behind a Link's gateway names: looked up again as their records end, kept while DNS fails, and drained when they leave.
 *
 *   named ──left the name──► draining ──a minute, or it is dead──► gone
 *     ▲                          │
 *     └──────────named again─────┘
 *
 * An address is in the zone that the Link gives to it or to its name, also while it is drained.
 */
import { parseIp } from '@mesh/model';
import type { GatewayZones } from '@mesh/model';
import { messageOf } from '@mesh/runtime';
import type { Clock, Logger, Timer } from '@mesh/runtime';

export interface Resolved {
  readonly ips: readonly string[];
  /** How long the answer holds; undefined: it was not said. */
  readonly ttlMs: number | undefined;
}

/** All addresses of a name; a list alone says nothing of how long it holds. */
export type Lookup = (host: string) => Promise<Resolved | readonly string[]>;

/** Where it is not said: load balancers' records live 60 s or less. */
const REFRESH_MS = 10_000;
/** Records of no life at all, and those of a day that somebody changes all the same. */
const REFRESH_MIN_MS = 1_000;
const REFRESH_MAX_MS = 60_000;
const RETRY_MS = 1_000;
/** Connections to an address that left its name may go on for so long; an answer that leaves some out now and then changes little. */
export const DRAIN_MS = 60_000;

interface Name {
  ips: readonly string[] | undefined;
  error: string | undefined;
  /** Monotonic; when to look again. */
  dueMs: number;
}

type Zone = string | undefined;

export class GatewayAddresses implements Disposable {
  readonly #lookup: Lookup;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #onChange: () => void;
  readonly #names = new Map<string, Name>();
  /** Addresses that left, and until when they are drained. */
  readonly #leaving = new Map<string, { readonly untilMs: number; readonly zone: Zone }>();
  #hosts: readonly string[] = [];
  #zones: ReadonlyMap<string, string> = new Map();
  /** By address, sorted. */
  #named: ReadonlyMap<string, Zone> = new Map();
  #timer: Timer | undefined;
  #stopped = false;

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

  /** Those that are drained among them. Sorted, without duplicates. */
  get ips(): readonly string[] {
    return [...this.#named.keys(), ...this.#leaving.keys()].sort();
  }

  /** As far as the Link tells. */
  zoneOf(ip: string): string | undefined {
    return this.#named.get(ip) ?? this.#leaving.get(ip)?.zone;
  }

  /** It left its name, or the Link: no new connections, while there is another. */
  isDraining(ip: string): boolean {
    return this.#leaving.has(ip);
  }

  /** One sentence per name that does not resolve. */
  get problems(): readonly string[] {
    return [...this.#names].flatMap(([host, { error }]) =>
      error === undefined ? [] : [`gateway name ${host} does not resolve: ${error}`],
    );
  }

  /** True when every name has been looked up once, successfully or not. */
  get settled(): boolean {
    return [...this.#names.values()].every(({ ips, error }) => ips !== undefined || error !== undefined);
  }

  /** @param zones Of some of `hosts`. */
  setHosts(hosts: readonly string[], zones: GatewayZones = []): void {
    this.#hosts = hosts;
    this.#zones = new Map(zones);
    const names = new Set(hosts.filter((host) => parseIp(host) === undefined));
    for (const host of this.#names.keys()) if (!names.has(host)) this.#names.delete(host);
    for (const host of names)
      if (!this.#names.has(host)) this.#names.set(host, { ips: undefined, error: undefined, dueMs: 0 });
    this.#publish();
    this.#look();
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Looks up what is due, lets go what was drained, and comes again for the next of either. */
  #look(): void {
    if (this.#stopped) return;
    const now = this.#clock.monotonic();
    for (const [host, name] of this.#names) {
      if (name.dueMs > now) continue;
      name.dueMs = Number.POSITIVE_INFINITY;
      void this.#resolve(host, name);
    }
    const drained = [...this.#leaving].filter(([, { untilMs }]) => untilMs <= now);
    for (const [ip] of drained) this.#leaving.delete(ip);
    if (drained.length > 0) this.#onChange();
    this.#arm();
  }

  #arm(): void {
    this.#timer?.cancel();
    const due = [...this.#names.values()].map(({ dueMs }) => dueMs);
    const nextMs = Math.min(...due, ...[...this.#leaving.values()].map(({ untilMs }) => untilMs));
    if (this.#stopped || !Number.isFinite(nextMs)) return;
    this.#timer = this.#clock.after(Math.max(0, nextMs - this.#clock.monotonic()), () => this.#look());
  }

  async #resolve(host: string, name: Name): Promise<void> {
    let againMs = RETRY_MS;
    try {
      const found = await this.#lookup(host);
      const { ips, ttlMs = REFRESH_MS } = 'ips' in found ? found : { ips: found };
      if (ips.length === 0) throw new Error('it has no addresses');
      name.ips = ips;
      name.error = undefined;
      againMs = Math.min(Math.max(ttlMs, REFRESH_MIN_MS), REFRESH_MAX_MS);
    } catch (error) {
      if (name.error === undefined) this.#logger.warn('gateway name does not resolve', { host, error });
      name.error = messageOf(error);
    }
    if (this.#stopped || this.#names.get(host) !== name) return;
    name.dueMs = this.#clock.monotonic() + againMs;
    this.#publish();
    this.#arm();
  }

  #publish(): void {
    const before = this.#named;
    const named = this.#resolved();
    this.#named = named;
    const untilMs = this.#clock.monotonic() + DRAIN_MS;
    for (const ip of named.keys()) this.#leaving.delete(ip);
    // Without any other address there is nothing to turn to: a Link that lost its gateway keeps none.
    if (named.size === 0) this.#leaving.clear();
    else for (const [ip, zone] of before) if (!named.has(ip)) this.#leaving.set(ip, { untilMs, zone });
    const changed = String([...named]) !== String([...before]);
    if (changed || this.problems.length > 0) this.#onChange();
  }

  /** The Link's addresses and those of its names. Of an address that is there twice, the first that has a zone tells it. */
  #resolved(): ReadonlyMap<string, Zone> {
    const found = new Map<string, Zone>();
    for (const host of this.#hosts) {
      const ips = this.#names.has(host) ? (this.#names.get(host)?.ips ?? []) : [host];
      for (const ip of ips) found.set(ip, found.get(ip) ?? this.#zones.get(host));
    }
    return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
