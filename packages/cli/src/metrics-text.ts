/** Reads the text exposition format of Prometheus. Loads nothing else: the traffic probe reads metrics too. */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Parses the text exposition format; lines that are not samples are skipped. */
export function parseMetrics(text: string): readonly Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (match === null) continue;
    const labels: Record<string, string> = {};
    for (const [, name, value] of (match[2] ?? '').matchAll(/([\w]+)="((?:[^"\\]|\\.)*)"/g)) {
      labels[name ?? ''] = (value ?? '').replaceAll('\\n', '\n').replaceAll(/\\(.)/g, '$1');
    }
    samples.push({ name: match[1] ?? '', labels, value: numberOf(match[3] ?? '') });
  }
  return samples;
}

/** The format writes infinities as `+Inf` and `-Inf`. */
function numberOf(text: string): number {
  return Number(text.replace('Inf', 'Infinity'));
}
