/** The rules of an outbound route, counted by the host that each request is for. Only where somebody asked for it: each host is a set of series. */
import type { RequestFacts } from '../http/facts.ts';
import type { RouteCells } from '../ports.ts';
import { hostOnly } from './match.ts';
import type { RouteRules } from './route-rules.ts';

/** Hosts of one route. Programs choose them, so there may be any number; further ones count without a name. */
export const HOSTNAMES_MAX = 100;
/** As long as a name can be (RFC 1035 §2.3.4). */
const LENGTH_MAX = 253;

export class HostnameRules {
  readonly #rules: RouteRules;
  readonly #bind: (hostname: string) => RouteCells;
  readonly #byHost = new Map<string, RouteRules>();

  /** @param rules For requests whose hosts are not told apart. */
  constructor(rules: RouteRules, bind: (hostname: string) => RouteCells) {
    this.#rules = rules;
    this.#bind = bind;
  }

  /** Time limits and retries are those of the route, whatever the host. */
  of(facts: RequestFacts): RouteRules {
    const host = hostOnly(facts.authority());
    const known = this.#byHost.get(host);
    if (known !== undefined) return known;
    if (host === '' || host.length > LENGTH_MAX || this.#byHost.size >= HOSTNAMES_MAX) return this.#rules;
    const rules = { ...this.#rules, cells: this.#bind(host) };
    this.#byHost.set(host, rules);
    return rules;
  }
}
