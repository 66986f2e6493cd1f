/**
 * Which route and rule a request takes: hosts first, then the most specific match, the first listed on a
 * tie (Gateway API precedence as the proxies implement it).
 */
import type { HostMatch, HttpMatch, TextMatch } from '@mesh/model';
import type { RequestFacts } from '../http/facts.ts';

export interface Matchable {
  readonly hosts: readonly HostMatch[];
  readonly matches: readonly HttpMatch[];
}

/** True when every request takes the one candidate there is: nothing to look at. */
export function matchesAll(candidate: Matchable): boolean {
  return candidate.hosts.length === 0 && candidate.matches.every((match) => isTrivial(match));
}

/** The best candidate for this request, or undefined. */
export function selectRoute<T extends Matchable>(candidates: readonly T[], facts: RequestFacts): T | undefined {
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1 && matchesAll(only)) return only;
  const request = describe(facts);
  let best: T | undefined;
  let bestRank: readonly number[] = [];
  for (const candidate of candidates) {
    const host = hostRank(candidate.hosts, request.host);
    if (host < 0) continue;
    for (const rank of matchRanks(candidate.matches, request)) {
      const whole = [host, ...rank];
      if (best === undefined || isHigher(whole, bestRank)) {
        best = candidate;
        bestRank = whole;
      }
    }
  }
  return best;
}

interface RequestView {
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly query: URLSearchParams;
  header(name: string): string | undefined;
}

function describe(facts: RequestFacts): RequestView {
  const path = facts.path();
  const mark = path.indexOf('?');
  return {
    method: facts.method(),
    host: hostOnly(facts.authority()),
    path: mark < 0 ? path : path.slice(0, mark),
    query: new URLSearchParams(mark < 0 ? '' : path.slice(mark + 1)),
    header: (name) => facts.field(name),
  };
}

/** Without port and final dot, lower case. */
export function hostOnly(authority: string): string {
  const end = authority.startsWith('[') ? authority.indexOf(']') + 1 : authority.lastIndexOf(':');
  const host = end > 0 ? authority.slice(0, end) : authority;
  return (host.endsWith('.') ? host.slice(0, -1) : host).toLowerCase();
}

/** Exact beats suffix, longer beats shorter, no hosts at all is lowest; -1: no match. */
function hostRank(hosts: readonly HostMatch[], host: string): number {
  if (hosts.length === 0) return 0;
  let best = -1;
  for (const match of hosts) {
    if (match.kind === 'exact') {
      if (host === match.host.toLowerCase().replace(/\.$/, '')) best = Math.max(best, 1_000_000 + host.length);
    } else if (host.endsWith(`.${match.suffix.toLowerCase()}`)) best = Math.max(best, 1 + match.suffix.length);
  }
  return best;
}

/** Per match that fits: path length, headers, query parameters, method present. */
function matchRanks(matches: readonly HttpMatch[], request: RequestView): readonly (readonly number[])[] {
  if (matches.length === 0) return [[1, 0, 0, 0]];
  const ranks: (readonly number[])[] = [];
  for (const match of matches) {
    const path = pathLength(match, request.path);
    if (path < 0 || (match.method !== undefined && match.method !== request.method)) continue;
    if (!match.headers.every(({ name, match: text }) => fits(text, request.header(name)))) continue;
    if (!match.query.every(({ name, match: text }) => fits(text, request.query.get(name) ?? undefined))) continue;
    ranks.push([path, match.headers.length, match.query.length, match.method === undefined ? 0 : 1]);
  }
  return ranks;
}

function pathLength(match: HttpMatch, path: string): number {
  const want = match.path;
  if (want === undefined) return 1;
  switch (want.kind) {
    case 'exact':
      return path === want.value ? path.length : -1;
    case 'prefix': {
      const prefix = want.value.replace(/\/+$/, '');
      if (prefix === '') return 1;
      return path === prefix || path.startsWith(`${prefix}/`) ? prefix.length : -1;
    }
    case 'regex':
      return want.value.exec(path)?.[0] === path ? path.length : -1;
  }
}

function fits(match: TextMatch, value: string | undefined): boolean {
  if (value === undefined) return false;
  return match.kind === 'exact' ? value === match.value : match.value.exec(value)?.[0] === value;
}

function isTrivial(match: HttpMatch): boolean {
  const { path } = match;
  const anyPath = path === undefined || (path.kind === 'prefix' && path.value.replace(/\/+$/, '') === '');
  return anyPath && match.method === undefined && match.headers.length === 0 && match.query.length === 0;
}

function isHigher(a: readonly number[], b: readonly number[]): boolean {
  for (let at = 0; at < a.length; at += 1) {
    const left = a[at] ?? 0;
    const right = b[at] ?? 0;
    if (left !== right) return left > right;
  }
  return false;
}
