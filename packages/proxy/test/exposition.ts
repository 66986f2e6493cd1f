/** Reads the Prometheus text format back, for tests of what is exported. */

export interface ScrapedFamily {
  readonly type: string;
  /** Label sets, without `le`. */
  readonly series: readonly Readonly<Record<string, string>>[];
  /** Of histograms: upper bounds without +Inf, ascending. */
  readonly buckets: readonly number[];
}

export function parseExposition(text: string): ReadonlyMap<string, ScrapedFamily> {
  const families = new Map<string, { type: string; series: Record<string, string>[]; bounds: Set<number> }>();
  for (const line of text.split('\n')) {
    const declared = /^# TYPE (\S+) (\S+)$/.exec(line);
    if (declared !== null) families.set(declared[1] ?? '', { type: declared[2] ?? '', series: [], bounds: new Set() });
    if (line === '' || line.startsWith('#')) continue;
    const { name, labels } = parseSeries(line);
    const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ''));
    if (family === undefined) throw new Error(`a series without a family: ${line}`);
    const { le, ...rest } = labels;
    if (le !== undefined && le !== '+Inf') family.bounds.add(Number(le));
    if (le === undefined) family.series.push(rest);
  }
  return new Map(
    [...families].map(([name, { type, series, bounds }]) => [
      name,
      { type, series, buckets: [...bounds].toSorted((a, b) => a - b) },
    ]),
  );
}

function parseSeries(line: string): { readonly name: string; readonly labels: Record<string, string> } {
  const [, name = '', inner = ''] = /^([a-z0-9_]+)(?:\{(.*)\})? \S+$/.exec(line) ?? [];
  const labels: Record<string, string> = {};
  for (const [, label = '', value = ''] of inner.matchAll(/([a-z0-9_]+)="((?:[^"\\]|\\.)*)"/g)) labels[label] = value;
  return { name, labels };
}
