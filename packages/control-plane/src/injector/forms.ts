/** How annotations write things: each form reads a text, and says in words what it takes. */
import { parseCidr, parsePortSet, PortSet } from '@mesh/model';
import { parseDurationMs } from '@mesh/runtime';

export interface Form<T> {
  /** Follows "give", as in "give a port from 1 to 65535". */
  readonly words: string;
  /** Undefined when the text is not of this form. */
  readonly parse: (text: string) => T | undefined;
}

/** More ports than this one by one in a variable would make pods unreadable. */
const LISTED_PORTS_MAX = 1_000;

export const TEXT: Form<string> = {
  words: 'a text that is not empty',
  parse: (text) => (text === '' ? undefined : text),
};

export const SWITCH: Form<boolean> = {
  words: 'true or false',
  // Linkerd writes some switches as words.
  parse: (text) =>
    text === 'true' || text === 'enabled' ? true : text === 'false' || text === 'disabled' ? false : undefined,
};

/** As {@link SWITCH}; said with the words that Linkerd has for these. */
export const ENABLED: Form<boolean> = { ...SWITCH, words: 'enabled or disabled' };

export const PORT: Form<number> = { words: 'a port from 1 to 65535', parse: integer(1, 65_535).parse };

export const PORTS: Form<string> = {
  words: 'ports and ranges of 1 to 65535, comma-separated, such as 25,8000-8010',
  parse: (text) => (parsePortSet(text) instanceof PortSet ? text.replaceAll(' ', '') : undefined),
};

/** Ranges written out. */
export const LISTED_PORTS: Form<string> = {
  words: `${PORTS.words}, no more than ${LISTED_PORTS_MAX} in all`,
  parse: (text) => {
    const set = parsePortSet(text);
    if (!(set instanceof PortSet)) return undefined;
    const size = set.ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
    return size > LISTED_PORTS_MAX ? undefined : [...set.ports()].join(',');
  },
};

export const NETWORKS: Form<string> = {
  words: 'networks in CIDR form, comma-separated, such as 10.0.0.0/8,fd00::/8',
  parse: (text) => {
    const items = text.split(',').map((item) => item.trim());
    return items.every((item) => parseCidr(item) !== undefined) ? items.join(',') : undefined;
  },
};

/** As the sidecar reads it. */
export const DURATION: Form<string> = {
  words: 'a duration of one number and one unit (ms, s, m, h, d), such as 100ms or 10s',
  parse: (text) => (parseDurationMs(text) === undefined ? undefined : text),
};

/** Whole seconds, also of Go's compound durations: `1h30m`. */
export const SECONDS: Form<number> = {
  words: 'a duration of whole seconds, such as 3600s or 1h',
  parse: (text) => {
    const parts = text.match(/\d+(?:ms|s|m|h|d)/g) ?? [];
    if (parts.length === 0 || parts.join('') !== text) return undefined;
    const ms = parts.reduce((sum, part) => sum + (parseDurationMs(part) ?? Number.NaN), 0);
    return Number.isSafeInteger(ms) && ms > 0 && ms % 1000 === 0 ? ms / 1000 : undefined;
  },
};

/** A Kubernetes quantity, as it was written. */
export const QUANTITY: Form<string> = {
  words: 'a Kubernetes quantity such as 100m, 1, 64Mi or 1Gi',
  parse: (text) => (quantityOf(text) === undefined ? undefined : text),
};

export const RATIO: Form<string> = {
  words: 'a number above 0 and up to 1, such as 0.25',
  parse: (text) => (/^\d*\.?\d+$/.test(text) && Number(text) > 0 && Number(text) <= 1 ? text : undefined),
};

/** `warn,linkerd=info`, with trace filters such as `[{headers}]=off`. */
export const LOG_FILTER: Form<string> = {
  words: 'levels (trace, debug, info, warn, error, off), such as info or warn,linkerd=debug',
  parse: (text) =>
    text.split(',').every((item) => /^(?:[^=\s]+=)?(?:trace|debug|info|warn|error|off)$/i.test(item.trim()))
      ? text
      : undefined,
};

export interface AdditionalVariable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: Readonly<Record<string, unknown>>;
}

/** Environment variables as containers list them. */
export const VARIABLES: Form<readonly AdditionalVariable[]> = {
  words: 'a JSON list of environment variables, such as [{"name":"A","value":"1"}]',
  parse: (text) => {
    try {
      const parsed: unknown = JSON.parse(text);
      return Array.isArray(parsed) && parsed.every(isVariable) ? parsed : undefined;
    } catch {
      return undefined;
    }
  },
};

export function oneOf<const W extends string>(...words: readonly W[]): Form<W> {
  return { words: words.join(' or '), parse: (text) => words.find((word) => word === text) };
}

export function integer(min: number, max: number): Form<number> {
  return {
    words: `a whole number from ${min} to ${max}`,
    parse: (text) => (/^\d+$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : undefined),
  };
}

const SUFFIX: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** The number that a Kubernetes quantity means; undefined when it is none. */
export function quantityOf(text: string): number | undefined {
  const match = /^(\d+(?:\.\d*)?|\.\d+)(?:(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)|[eE]([+-]?\d{1,2}))?$/.exec(text);
  if (match === null) return undefined;
  const factor = match[3] === undefined ? SUFFIX[match[2] ?? ''] : 10 ** Number(match[3]);
  return factor === undefined ? undefined : Number(match[1]) * factor;
}

/** True for what a container's `env` takes. */
export function isVariable(one: unknown): one is AdditionalVariable {
  if (typeof one !== 'object' || one === null) return false;
  const { name, value, valueFrom } = one as Readonly<Record<string, unknown>>;
  return (
    typeof name === 'string' &&
    /^[A-Za-z_][A-Za-z0-9_.-]*$/.test(name) &&
    (value === undefined || typeof value === 'string') &&
    (valueFrom === undefined || (typeof valueFrom === 'object' && valueFrom !== null))
  );
}
