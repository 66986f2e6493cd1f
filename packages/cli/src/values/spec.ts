/**
 * A vocabulary to describe values: name, kind, default, meaning and limits, said once. The defaults, the types, the checks of `--set`
 * and `--values`, the charts' `values.yaml` and `values.schema.json`, and the tables in the documentation all come from it.
 */

interface Described {
  /** One sentence for people who set it. */
  readonly about: string;
}

export interface TextSpec extends Described {
  readonly kind: 'text';
  readonly default: string;
  readonly oneOf?: readonly string[];
  /** A regular expression over the whole text, and what it means in words. Empty texts pass when `default` is empty. */
  readonly pattern?: { readonly source: string; readonly words: string };
  /** People write it as a bare number too: `25`, `2`. */
  readonly mayBeNumber?: boolean;
}

export interface IntegerSpec extends Described {
  readonly kind: 'integer';
  readonly default: number;
  readonly min: number;
  readonly max: number;
}

export interface FlagSpec extends Described {
  readonly kind: 'flag';
  readonly default: boolean;
}

/** A list whose items Kubernetes defines: tolerations, pull secrets. */
export interface ListSpec extends Described {
  readonly kind: 'list';
  readonly default: readonly unknown[];
  readonly items: 'text' | 'map';
}

/** A map whose keys are the user's: labels, a selector. */
export interface MapSpec extends Described {
  readonly kind: 'map';
  readonly default: Readonly<Record<string, unknown>>;
  readonly entries: 'text' | 'any';
}

export interface GroupSpec {
  readonly kind: 'group';
  readonly about: string;
  readonly fields: Readonly<Record<string, ValueSpec>>;
}

export type LeafSpec = TextSpec | IntegerSpec | FlagSpec | ListSpec | MapSpec;
export type ValueSpec = LeafSpec | GroupSpec;

/** The type of the values that a description describes. */
export type ValuesOf<S> = S extends { readonly kind: 'group'; readonly fields: infer F }
  ? { readonly [K in keyof F]: ValuesOf<F[K]> }
  : S extends { readonly kind: 'text' }
    ? string
    : S extends { readonly kind: 'integer' }
      ? number
      : S extends { readonly kind: 'flag' }
        ? boolean
        : S extends { readonly kind: 'list' }
          ? readonly unknown[]
          : S extends { readonly kind: 'map'; readonly entries: 'text' }
            ? Readonly<Record<string, string>>
            : Readonly<Record<string, unknown>>;

type Written<S> = Omit<S, 'kind' | 'about' | 'default'>;

export function text(value: string, about: string, extra: Written<TextSpec> = {}) {
  return { kind: 'text', default: value, about, ...extra } as const;
}

export function oneOf(value: string, choices: readonly string[], about: string) {
  return { kind: 'text', default: value, about, oneOf: choices } as const;
}

export function integer(value: number, about: string, min = 0, max = 2_147_483_647) {
  return { kind: 'integer', default: value, about, min, max } as const;
}

export function flag(value: boolean, about: string) {
  return { kind: 'flag', default: value, about } as const;
}

export function list(about: string, items: ListSpec['items'] = 'map') {
  return { kind: 'list', default: [] as readonly unknown[], about, items } as const;
}

export function map<const E extends MapSpec['entries']>(
  value: Readonly<Record<string, unknown>>,
  about: string,
  entries: E,
) {
  return { kind: 'map', default: value, about, entries } as const;
}

export function group<const F extends GroupSpec['fields']>(about: string, fields: F) {
  return { kind: 'group', about, fields } as const;
}

/** Go's durations, as Linkerd's values have them: `24h0m0s`, `100ms`; days as Linkerd's annotations allow them. */
export function duration(value: string, about: string) {
  return text(value, about, {
    pattern: { source: '^([0-9]+(\\.[0-9]+)?(ms|s|m|h|d))+$', words: 'a duration such as 100ms, 10s or 24h0m0s' },
  });
}

/** A Kubernetes quantity: `100m`, `250Mi`. */
export function quantity(about: string, fallback = '') {
  return text(fallback, about, {
    mayBeNumber: true,
    pattern: {
      source: '^[0-9]+(\\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$',
      words: 'a Kubernetes quantity such as 100m or 250Mi',
    },
  });
}

/** Ports and ranges: `25,587,4000-4010`. */
export function ports(value: string, about: string) {
  return text(value, about, {
    mayBeNumber: true,
    pattern: {
      source: '^[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*$',
      words: 'ports and ranges, comma-separated, such as 25,587,4000-4010',
    },
  });
}

export function resources(about: string, { cpuRequest = '' } = {}) {
  return group(about, {
    cpu: group('CPU', { request: quantity('CPU asked for', cpuRequest), limit: quantity('CPU at most') }),
    memory: group('memory', { request: quantity('memory asked for'), limit: quantity('memory at most') }),
  });
}

/** Every default, as a values object. */
export function defaultsOf<S extends ValueSpec>(spec: S): ValuesOf<S> {
  return (
    spec.kind === 'group'
      ? Object.fromEntries(Object.entries(spec.fields).map(([name, field]) => [name, defaultsOf(field)]))
      : spec.default
  ) as ValuesOf<S>;
}

/** What is wrong with a value, in words that follow its name; undefined when it is fine. */
export function faultOf(spec: LeafSpec, value: unknown): string | undefined {
  const given = JSON.stringify(value);
  switch (spec.kind) {
    case 'text':
      return typeof value === 'string' ? textFault(spec, value) : `is ${given}: give a text`;
    case 'integer':
      return Number.isInteger(value) && (value as number) >= spec.min && (value as number) <= spec.max
        ? undefined
        : `is ${given}: give a whole number from ${spec.min} to ${spec.max}`;
    case 'flag':
      return typeof value === 'boolean' ? undefined : `is ${given}: give true or false`;
    case 'list':
      if (!Array.isArray(value)) return `is ${given}: give a list`;
      return value.every((item) => (spec.items === 'text' ? typeof item === 'string' : isMap(item)))
        ? undefined
        : `is ${given}: each item must be a ${spec.items}`;
    case 'map':
      if (!isMap(value)) return `is ${given}: give a map`;
      return spec.entries === 'any' || Object.values(value).every((entry) => typeof entry === 'string')
        ? undefined
        : `is ${given}: its values must be texts; put numbers and booleans in quotes`;
    default:
      return spec satisfies never;
  }
}

function textFault(spec: TextSpec, value: string): string | undefined {
  if (value === '' && spec.default === '') return undefined;
  if (spec.oneOf !== undefined && !spec.oneOf.includes(value))
    return `is ${JSON.stringify(value)}: give ${spec.oneOf.join(' or ')}`;
  if (spec.pattern !== undefined && !new RegExp(spec.pattern.source).test(value))
    return `is ${JSON.stringify(value)}: give ${spec.pattern.words}`;
  return undefined;
}

export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
