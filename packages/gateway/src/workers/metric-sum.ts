/** Metrics of several processes as those of one: pages of the Prometheus text exposition format, added up. */

/** Of the machine or of the whole, not of a process: every one tells the same, or the newest counts. */
const COMMON =
  /^(process_clock_time_seconds|process_max_fds|process_uptime_seconds_total|process_network_.*|mesh_gateway_(exported_services|exports_staleness_seconds|admits_peers_only|bridge_ports)|.*_timestamp_seconds|.*_info)$/;
const EARLIEST = 'process_start_time_seconds';

interface Family {
  readonly help: string;
  readonly type: string;
  /** Value by name and labels. */
  readonly series: Map<string, number>;
}

/** A page that can be added to. */
export class MetricSum {
  readonly #families = new Map<string, Family>();

  /** @param onlyCounts What a process that is gone leaves behind: gauges end with it. */
  add(page: string, onlyCounts = false): this {
    let help = '';
    let family: Family | undefined;
    let name = '';
    for (const line of page.split('\n')) {
      if (line.startsWith('# HELP ')) help = line;
      else if (line.startsWith('# TYPE ')) {
        const [, , of = '', type = ''] = line.split(' ');
        name = of;
        family = onlyCounts && type === 'gauge' ? undefined : this.#family(of, type, help);
      } else if (line !== '' && family !== undefined) addSample(family.series, name, line);
    }
    return this;
  }

  toString(): string {
    let text = '';
    for (const [name, { help, type, series }] of this.#families) {
      text += `${help === '' ? '' : `${help}\n`}# TYPE ${name} ${type}\n`;
      for (const [key, value] of series) text += `${key} ${formatValue(value)}\n`;
    }
    return text;
  }

  #family(name: string, type: string, help: string): Family {
    const known = this.#families.get(name);
    if (known !== undefined) return known;
    const family: Family = { help: help.startsWith(`# HELP ${name} `) ? help : '', type, series: new Map() };
    this.#families.set(name, family);
    return family;
  }
}

function addSample(series: Map<string, number>, name: string, line: string): void {
  // Labels may hold spaces, values do not, and our pages carry no timestamps.
  const space = line.lastIndexOf(' ');
  const key = line.slice(0, space);
  const value = parseValue(line.slice(space + 1));
  const before = series.get(key);
  if (before === undefined) series.set(key, value);
  else if (name === EARLIEST) series.set(key, Math.min(before, value));
  else series.set(key, COMMON.test(name) ? Math.max(before, value) : before + value);
}

function parseValue(text: string): number {
  return text === '+Inf' ? Number.POSITIVE_INFINITY : text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text);
}

function formatValue(value: number): string {
  return value === Number.POSITIVE_INFINITY ? '+Inf' : value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}
