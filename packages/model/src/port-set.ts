/** Sets of TCP ports as Linkerd's configuration writes them: `25,587,3306,9000-9010`. */

const PORT_MAX = 65_535;

/** An immutable set of ports, kept as sorted, disjoint ranges. */
export class PortSet {
  static readonly EMPTY: PortSet = new PortSet([]);

  /** Sorted, disjoint, both ends included. */
  readonly ranges: readonly (readonly [first: number, last: number])[];

  constructor(ranges: readonly (readonly [first: number, last: number])[]) {
    const merged: [number, number][] = [];
    for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0])) {
      const previous = merged.at(-1);
      if (previous !== undefined && first <= previous[1] + 1) previous[1] = Math.max(previous[1], last);
      else merged.push([first, last]);
    }
    this.ranges = merged;
  }

  has(port: number): boolean {
    return this.ranges.some(([first, last]) => port >= first && port <= last);
  }

  get isEmpty(): boolean {
    return this.ranges.length === 0;
  }

  /** Each port once, ascending. Ranges may be wide: only for lists known to be short. */
  *ports(): Generator<number> {
    for (const [first, last] of this.ranges) for (let port = first; port <= last; port += 1) yield port;
  }

  /** The spelling that {@link parsePortSet} reads back. */
  toString(): string {
    return this.ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
  }
}

/**
 * Reads a comma list of ports and ranges; blanks and empty items are skipped.
 * @returns the set, or the first item that is not a port in 1..65535 nor an ascending range.
 */
export function parsePortSet(text: string): PortSet | { readonly invalid: string } {
  const ranges: [number, number][] = [];
  for (const raw of text.split(',')) {
    const item = raw.trim();
    if (item === '') continue;
    const match = /^(\d{1,5})(?:\s*-\s*(\d{1,5}))?$/.exec(item);
    const first = Number(match?.[1]);
    const last = match?.[2] === undefined ? first : Number(match[2]);
    if (match === null || first < 1 || last > PORT_MAX || last < first) return { invalid: item };
    ranges.push([first, last]);
  }
  return new PortSet(ranges);
}
