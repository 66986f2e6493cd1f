/**
 * Command line flags as Linkerd's programs take them: `--name value`, `--name=value`, `-n value`; a boolean is `--name` or
 * `--name=false`. A flag that is given twice has two values. Pure; all problems are collected.
 */

export interface FlagSpec {
  readonly kind: 'text' | 'boolean';
  /** One letter, without the dash. */
  readonly short?: string;
  /** For `--help`. */
  readonly about: string;
}

export interface Flags {
  /** Values in the order given; a bare boolean has the value `true`. Flags that were not given are absent. */
  readonly values: ReadonlyMap<string, readonly string[]>;
  /** One sentence per problem: the argument and what is wanted. */
  readonly problems: readonly string[];
}

export function parseFlags(args: readonly string[], specs: Readonly<Record<string, FlagSpec>>): Flags {
  const values = new Map<string, string[]>();
  const problems: string[] = [];
  const byLetter = new Map(
    Object.entries(specs).flatMap(([name, { short }]) => (short === undefined ? [] : [[short, name] as const])),
  );
  const rest = [...args];
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    const match = /^(?:--([a-z0-9][a-z0-9-]*)|-([a-zA-Z]))(?:=(.*))?$/s.exec(argument);
    const name = match?.[1] ?? byLetter.get(match?.[2] ?? '') ?? '';
    const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
    if (spec === undefined) {
      problems.push(`${JSON.stringify(argument)} is not an argument of this program: see --help`);
      continue;
    }
    const value = match?.[3] ?? (spec.kind === 'boolean' ? 'true' : rest.shift());
    if (value === undefined) problems.push(`--${name} needs a value`);
    else values.set(name, [...(values.get(name) ?? []), value]);
  }
  return { values, problems };
}

/** What `--help` prints, when that is asked for. */
export function helpText(
  program: string,
  args: readonly string[],
  specs: Readonly<Record<string, FlagSpec>>,
): string | undefined {
  if (!args.includes('--help') && !args.includes('-h')) return undefined;
  const lines = Object.entries(specs).map(([name, { short, about }]) => {
    const flag = `${short === undefined ? '    ' : `-${short}, `}--${name}`;
    return `  ${flag.padEnd(32)} ${about}`;
  });
  return [`Usage: ${program} [flags]`, '', ...lines].join('\n');
}

/** Typed readings of {@link Flags}; what is wrong goes to `problems`, and the reading is then the fallback. */
export class FlagReader {
  readonly problems: string[];
  readonly #flags: Flags;

  constructor(flags: Flags) {
    this.#flags = flags;
    this.problems = [...flags.problems];
  }

  problem(name: string, value: string, wanted: string): void {
    this.problems.push(`--${name}: ${JSON.stringify(value)} is not ${wanted}`);
  }

  /** The last value given. */
  text(name: string): string | undefined {
    return this.#flags.values.get(name)?.at(-1);
  }

  /** All values of a list flag, joined by commas. */
  list(name: string): string {
    return (this.#flags.values.get(name) ?? []).join(',');
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.text(name);
    if (value === undefined) return fallback;
    if (value === 'true' || value === '1') return true;
    if (value === 'false' || value === '0') return false;
    this.problem(name, value, 'true or false');
    return fallback;
  }

  integer(name: string, fallback: number, range: readonly [min: number, max: number]): number {
    const value = this.text(name);
    if (value === undefined) return fallback;
    const number = /^-?\d+$/.test(value) ? Number(value) : Number.NaN;
    if (number >= range[0] && number <= range[1]) return number;
    this.problem(name, value, `a number from ${range[0]} to ${range[1]}`);
    return fallback;
  }

  oneOf<T>(name: string, fallback: T, choices: Readonly<Record<string, T>>): T {
    const value = this.text(name);
    if (value === undefined) return fallback;
    const choice = Object.hasOwn(choices, value) ? choices[value] : undefined;
    if (choice !== undefined) return choice;
    this.problem(name, value, `one of ${Object.keys(choices).join(', ')}`);
    return fallback;
  }
}
