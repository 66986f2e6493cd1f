/** Reads configuration from environment variables and collects every problem, so that one start shows them all. */
import type { Cidr, PortSet } from '@mesh/model';
import { parseCidr, parsePortSet, PortSet as Ports } from '@mesh/model';

export type Env = Readonly<Record<string, string | undefined>>;

export class EnvReader {
  readonly problems: string[] = [];
  readonly #env: Env;

  constructor(env: Env) {
    this.#env = env;
  }

  /** An absent or empty variable gives `fallback`; without one that is a problem. */
  text(name: string, fallback?: string): string {
    const value = this.#env[name];
    if (value !== undefined && value !== '') return value;
    if (fallback === undefined) this.problems.push(`${name} is not set`);
    return fallback ?? '';
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.text(name, String(fallback));
    if (value !== 'true' && value !== 'false') this.problems.push(`${name}="${value}" is neither "true" nor "false"`);
    return value === 'true';
  }

  oneOf<const T extends string>(name: string, values: readonly T[], fallback: T): T {
    const value = this.text(name, fallback);
    const found = values.find((one) => one === value);
    if (found === undefined) this.problems.push(`${name}="${value}" is none of ${values.join(', ')}`);
    return found ?? fallback;
  }

  /** Milliseconds, from `24h`, `20s` or a compound such as `24h0m0s`. */
  durationMs(name: string, fallback: string): number {
    const value = this.text(name, fallback);
    const ms = parseCompoundDurationMs(value);
    if (ms === undefined) this.problems.push(`${name}="${value}" is not a duration such as 24h or 20s`);
    return ms ?? 0;
  }

  ports(name: string, fallback: string): PortSet {
    const value = this.#env[name] ?? fallback;
    const ports = parsePortSet(value);
    if (ports instanceof Ports) return ports;
    this.problems.push(`${name}="${value}": "${ports.invalid}" is no port in 1..65535 and no range of them`);
    return Ports.EMPTY;
  }

  networks(name: string, fallback: string): readonly Cidr[] {
    const value = this.text(name, fallback);
    return value.split(',').flatMap((item) => {
      const network = parseCidr(item.trim());
      if (network === undefined)
        this.problems.push(`${name}="${value}": "${item.trim()}" is no network such as 10.0.0.0/8`);
      return network ?? [];
    });
  }

  /** Where to listen: `host:port`, `:port` or `port`. */
  address(name: string, fallback: string): { readonly host: string; readonly port: number } {
    const value = this.text(name, fallback);
    const match = /^(?:(.*):)?(\d{1,5})$/.exec(value);
    const port = Number(match?.[2]);
    if (match === null || port > 65_535) {
      this.problems.push(`${name}="${value}" is not host:port`);
      return { host: '', port: 0 };
    }
    const host = (match[1] ?? '').replace(/^\[|\]$/g, '');
    return { host: host === '' ? '0.0.0.0' : host, port };
  }
}

/** Go's notation without fractions: `24h0m0s`, `90s`, `250ms`, `0`. */
export function parseCompoundDurationMs(text: string): number | undefined {
  if (text === '0') return 0;
  const matches = [...text.matchAll(/(\d+)(ms|s|m|h|d)/g)];
  if (matches.length === 0 || matches.map((match) => match[0]).join('') !== text) return undefined;
  return matches.reduce((sum, match) => sum + Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? 0), 0);
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
