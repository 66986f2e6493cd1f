/**
 * Reads configuration from an environment: typed getters with defaults that collect every problem, so that a person can fix all
 * at once. Pure: the environment comes in as an object.
 */
import { parseCidr, parsePortSet, parseSocketAddress, PortSet } from '@mesh/model';
import type { Cidr, SocketAddress } from '@mesh/model';
import { parseDurationMs } from './duration.ts';
import { MeshError } from './errors.ts';

export type Env = Readonly<Record<string, string | undefined>>;

export interface ConfigErrorInfo {
  readonly code: 'bad_config';
  /** One sentence per problem: the key, its value, what is wanted. */
  readonly problems: readonly string[];
}

/** The configuration has problems; the process must not start. Processes exit with {@link EXIT_CODE}.usage. */
export class ConfigError extends MeshError<ConfigErrorInfo> {
  override readonly name = 'ConfigError';
  constructor(problems: readonly string[]) {
    super({ code: 'bad_config', problems }, problems.join('\n'));
  }
}

/** Exit codes: sysexits' EX_USAGE for bad configuration, as Linkerd's proxy; 1 for everything else that prevents a start. */
export const EXIT_CODE = { ok: 0, failure: 1, usage: 64 } as const;

const VALUE_SHOWN_MAX = 80;

export class ConfigReader {
  readonly #env: Env;
  readonly #prefix: string;
  readonly #problems: string[] = [];
  readonly #known = new Set<string>();

  /** @param prefix Common to all keys; getters take the rest. */
  constructor(env: Env, prefix = '') {
    this.#env = env;
    this.#prefix = prefix;
  }

  /** The text, or `undefined` when unset. Marks the key as known. */
  text(key: string): string | undefined {
    this.#known.add(this.#prefix + key);
    return this.#env[this.#prefix + key];
  }

  /** The text; unset or empty is a problem. */
  requiredText(key: string, what: string): string {
    const value = this.text(key);
    if (value !== undefined && value !== '') return value;
    this.problem(key, `is not set: give ${what}`);
    return '';
  }

  /** `10s`, `250ms`, bare `0`. */
  durationMs(key: string, fallback: number): number;
  durationMs(key: string, fallback: undefined): number | undefined;
  durationMs(key: string, fallback: number | undefined): number | undefined {
    return this.#parse(key, fallback, 'a duration such as 250ms, 10s or 1h', parseDurationMs);
  }

  integer(key: string, fallback: number, limits: { readonly min: number; readonly max: number }): number {
    return this.#parse(key, fallback, `an integer from ${limits.min} to ${limits.max}`, (text) => {
      const value = Number(text);
      return /^\d{1,15}$/.test(text) && value >= limits.min && value <= limits.max ? value : undefined;
    });
  }

  number(key: string, fallback: number, limits: { readonly min: number; readonly max: number }): number {
    return this.#parse(key, fallback, `a number from ${limits.min} to ${limits.max}`, (text) => {
      const value = Number(text);
      return /^\d*\.?\d+$/.test(text) && value >= limits.min && value <= limits.max ? value : undefined;
    });
  }

  boolean(key: string, fallback: boolean): boolean {
    return this.#parse(key, fallback, 'true or false', (text) =>
      text === 'true' ? true : text === 'false' ? false : undefined,
    );
  }

  oneOf<T extends string>(key: string, fallback: T, values: readonly T[]): T {
    return this.#parse(key, fallback, `one of ${values.join(', ')}`, (text) => values.find((value) => value === text));
  }

  /** `ip:port` or `[v6]:port`. */
  socketAddress(key: string, fallback: SocketAddress): SocketAddress {
    return this.#parse(key, fallback, 'an address such as 127.0.0.1:4140 or [::1]:4140', parseSocketAddress);
  }

  /** A comma list of `ip:port`. */
  socketAddresses(key: string, fallback: readonly SocketAddress[]): readonly SocketAddress[] {
    return this.#parse(key, fallback, 'addresses such as 127.0.0.1:4140,[::1]:4140', (text) =>
      all(text, parseSocketAddress),
    );
  }

  /** A comma list of networks. */
  cidrs(key: string, fallback: readonly Cidr[]): readonly Cidr[] {
    return this.#parse(key, fallback, 'networks such as 10.0.0.0/8,fd00::/8', (text) => all(text, parseCidr));
  }

  /** A comma list of ports and ranges. */
  portSet(key: string, fallback: PortSet): PortSet {
    return this.#parse(key, fallback, 'ports such as 25,587,9000-9010', (text) => {
      const parsed = parsePortSet(text);
      return parsed instanceof PortSet ? parsed : undefined;
    });
  }

  /** A comma list of texts; blanks are cut, empty items left out. */
  list(key: string, fallback: readonly string[]): readonly string[] {
    return this.#parse(key, fallback, 'a comma list', items);
  }

  /** Any other syntax. */
  custom<T>(key: string, fallback: T, what: string, parse: (text: string) => T | undefined): T {
    return this.#parse(key, fallback, what, parse);
  }

  /** Adds a problem of a key. */
  problem(key: string, sentence: string): void {
    this.#problems.push(`${this.#prefix}${key} ${sentence}`);
  }

  /** Keys of the prefix that no getter asked for. */
  unknownKeys(): readonly string[] {
    return Object.keys(this.#env).filter((key) => key.startsWith(this.#prefix) && !this.#known.has(key));
  }

  /** @throws ConfigError with all problems, when there are any. */
  check(): void {
    if (this.#problems.length > 0) throw new ConfigError(this.#problems);
  }

  #parse<T>(key: string, fallback: T, what: string, parse: (text: string) => T | undefined): T {
    const text = this.text(key)?.trim();
    if (text === undefined || text === '') return fallback;
    const value = parse(text);
    if (value !== undefined) return value;
    const shown = text.length > VALUE_SHOWN_MAX ? `${text.slice(0, VALUE_SHOWN_MAX)}…` : text;
    this.problem(key, `is ${JSON.stringify(shown)}: give ${what}`);
    return fallback;
  }
}

function items(text: string): readonly string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function all<T>(text: string, parse: (item: string) => T | undefined): readonly T[] | undefined {
  const values = items(text).map(parse);
  return values.every((value) => value !== undefined) ? values : undefined;
}
