/**
 * The table of an encoder, RFC 7541 §2.3 and §4, arranged for the question that an encoder asks: is there an entry with this name and
 * value? One look-up finds the name; its few values are compared as strings, which are most often the very same object.
 */
import { ENTRY_OVERHEAD_BYTES } from './dynamic-table.ts';
import { STATIC_ENTRIES, STATIC_TABLE } from './static-table.ts';

/** How a field may be sent. `once`: seldom the same again, so it is indexed only when it was seen shortly before. */
export const POLICY = { index: 0, once: 1, never: 2 } as const;

/** Credentials: written as "never indexed", so that no intermediary stores them (RFC 7541 §7.1.3). */
const NEVER_INDEXED: ReadonlySet<string> = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie']);
/** Values that seldom repeat: indexing each would only push useful entries out. */
const SELDOM_SAME: ReadonlySet<string> = new Set([
  ':path',
  'content-length',
  'date',
  'etag',
  'grpc-timeout',
  'if-modified-since',
  'if-none-match',
  'last-modified',
  'location',
  'traceparent',
  'x-request-id',
  'x-b3-traceid',
  'x-b3-spanid',
  'b3',
  'l5d-ctx-trace',
  'age',
  'expires',
]);

/** Values of one name in a row that may enter the table without any of them having been of use. */
const MISSES_MAX = 8;

const NO_STRINGS: string[] = [];
const NO_NUMBERS: number[] = [];

/** What is known of a name. */
export class NameEntry {
  readonly name: string;
  readonly policy: number;
  /** Index in the static table of the first entry with this name, or 0. */
  readonly staticIndex: number;
  /** Static entries with a value: value and index alternating. */
  readonly staticValues: readonly (string | number)[];
  /** Dynamic entries with this name: values, and their numbers, newest last. */
  values: string[];
  numbers: number[];
  /** Entries added since one was last of use. A name whose values never repeat stops to push useful entries out. */
  misses: number;
  /** Values that were sent without being indexed, by a cheap hash: the second time pays. */
  seen: string[] | undefined;

  constructor(name: string, staticIndex: number, staticValues: readonly (string | number)[]) {
    this.name = name;
    this.policy = NEVER_INDEXED.has(name) ? POLICY.never : SELDOM_SAME.has(name) ? POLICY.once : POLICY.index;
    this.staticIndex = staticIndex;
    this.staticValues = staticValues;
    this.values = NO_STRINGS;
    this.numbers = NO_NUMBERS;
    this.misses = 0;
    this.seen = undefined;
  }

  staticPair(value: string): number {
    const { staticValues } = this;
    for (let at = 0; at < staticValues.length; at += 2)
      if (staticValues[at] === value) return staticValues[at + 1] as number;
    return 0;
  }

  /** Number of the dynamic entry with this value, or 0. */
  find(value: string): number {
    for (let at = this.values.length - 1; at >= 0; at -= 1) {
      if (this.values[at] !== value) continue;
      this.misses = 0;
      return this.numbers[at] as number;
    }
    return 0;
  }

  /** Whether a value that is not in the table shall enter it. */
  wants(value: string): boolean {
    if (this.policy === POLICY.index && this.misses < MISSES_MAX) {
      this.misses += 1;
      return true;
    }
    return this.#again(value);
  }

  /** True when this value was asked about shortly before. */
  #again(value: string): boolean {
    this.seen ??= ['', '', '', '', '', '', '', ''];
    const { length } = value;
    const slot = (length + value.charCodeAt(length - 1) * 3 + value.charCodeAt(length >> 1)) & 7;
    if (this.seen[slot] === value) return true;
    this.seen[slot] = value;
    return false;
  }
}

export class EncoderTable {
  readonly #byName = new Map<string, NameEntry>();
  /** Ring of dynamic entries, oldest first; a power of two long. */
  #ring: (NameEntry | undefined)[] = [];
  #oldest = 0;
  #count = 0;
  #bytes = 0;
  #bytesMax: number;
  /** Entries ever added; the newest has this number, the first 1. */
  #added = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytesMax(): number {
    return this.#bytesMax;
  }

  /** The entry of a name; made when there is none, and kept while a dynamic entry has the name. */
  entry(name: string): NameEntry {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const fixed = STATIC_NAMES.get(name);
    const made = new NameEntry(name, fixed?.index ?? 0, fixed?.values ?? NO_VALUES);
    // Names that we know are few, so they may stay; others come with their first entry.
    if (fixed !== undefined || made.policy !== POLICY.index) this.#byName.set(name, made);
    return made;
  }

  /** Index on the wire of the dynamic entry with this number, 0 for 0. */
  indexOf(number: number): number {
    return number === 0 ? 0 : STATIC_ENTRIES + 1 + this.#added - number;
  }

  /** Index on the wire of any entry with the name, or 0. */
  nameIndex(entry: NameEntry): number {
    if (entry.staticIndex > 0) return entry.staticIndex;
    return this.indexOf(entry.numbers.at(-1) ?? 0);
  }

  resize(bytesMax: number): void {
    this.#bytesMax = bytesMax;
    this.#shrinkTo(bytesMax);
  }

  add(entry: NameEntry, value: string): void {
    const size = entry.name.length + value.length + ENTRY_OVERHEAD_BYTES;
    this.#shrinkTo(this.#bytesMax - size);
    if (size > this.#bytesMax) return;
    if (this.#count === this.#ring.length) this.#grow();
    this.#ring[(this.#oldest + this.#count) & (this.#ring.length - 1)] = entry;
    this.#count += 1;
    this.#bytes += size;
    this.#added += 1;
    if (entry.values === NO_STRINGS) {
      entry.values = [];
      entry.numbers = [];
    }
    entry.values.push(value);
    entry.numbers.push(this.#added);
    if (entry.values.length === 1 && entry.staticIndex === 0) this.#byName.set(entry.name, entry);
  }

  #shrinkTo(bytes: number): void {
    while (this.#count > 0 && this.#bytes > bytes) {
      const entry = this.#ring[this.#oldest] as NameEntry;
      this.#ring[this.#oldest] = undefined;
      this.#oldest = (this.#oldest + 1) & (this.#ring.length - 1);
      this.#count -= 1;
      // Entries of a name leave in the order in which they came; a name has few.
      const value = entry.values.shift() as string;
      entry.numbers.shift();
      this.#bytes -= entry.name.length + value.length + ENTRY_OVERHEAD_BYTES;
      if (entry.values.length === 0 && entry.staticIndex === 0 && entry.policy === POLICY.index)
        this.#byName.delete(entry.name);
    }
  }

  #grow(): void {
    const ring: (NameEntry | undefined)[] = Array.from<NameEntry | undefined>({
      length: Math.max(8, this.#ring.length * 2),
    });
    for (let at = 0; at < this.#count; at += 1) ring[at] = this.#ring[(this.#oldest + at) & (this.#ring.length - 1)];
    this.#ring = ring;
    this.#oldest = 0;
  }
}

const NO_VALUES: readonly (string | number)[] = [];
const STATIC_NAMES: ReadonlyMap<string, { readonly index: number; readonly values: readonly (string | number)[] }> =
  staticNames();

function staticNames(): Map<string, { index: number; values: (string | number)[] }> {
  const names = new Map<string, { index: number; values: (string | number)[] }>();
  for (let index = 1; index <= STATIC_ENTRIES; index += 1) {
    const name = STATIC_TABLE[2 * index - 2] as string;
    const value = STATIC_TABLE[2 * index - 1] as string;
    const known = names.get(name) ?? { index, values: [] };
    known.values.push(value, index);
    names.set(name, known);
  }
  return names;
}
