/** The few counters and gauges of a control-plane role, and their Prometheus text. */

type Labels = Readonly<Record<string, string>>;

interface Family {
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly values: Map<string, number>;
  readonly read: (() => number) | undefined;
}

/** Label sets per family; more would be a bug in the caller, and end in one that says so. */
const SERIES_MAX = 200;

export class RoleMetrics {
  readonly #families = new Map<string, Family>();

  /** @param help A sentence. */
  counter(name: string, help: string): (labels?: Labels, by?: number) => void {
    const family = this.#family(name, help, 'counter', undefined);
    return (labels = {}, by = 1) => add(family, labels, by);
  }

  gauge(name: string, help: string): (labels: Labels, by: number) => void {
    const family = this.#family(name, help, 'gauge', undefined);
    return (labels, by) => add(family, labels, by);
  }

  /** Computed when scraped. */
  computed(name: string, help: string, read: () => number, type: 'counter' | 'gauge' = 'gauge'): void {
    this.#family(name, help, type, read);
  }

  /** Prometheus text format 0.0.4. */
  text(): string {
    const lines: string[] = [];
    for (const [name, { help, type, values, read }] of this.#families) {
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
      if (read !== undefined) lines.push(`${name} ${read()}`);
      for (const [labels, value] of values) lines.push(`${name}${labels} ${value}`);
    }
    return `${lines.join('\n')}\n`;
  }

  #family(name: string, help: string, type: 'counter' | 'gauge', read: (() => number) | undefined): Family {
    const family: Family = { help, type, values: new Map(), read };
    this.#families.set(name, family);
    return family;
  }
}

function add(family: Family, labels: Labels, by: number): void {
  const key = labelText(labels);
  const place = family.values.has(key) || family.values.size < SERIES_MAX ? key : '{overflow="true"}';
  family.values.set(place, (family.values.get(place) ?? 0) + by);
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escape(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
