/** Pieces of the Prometheus text exposition format, version 0.0.4. */

/** `a="b",c="d"`, escaped; empty for no labels. */
export function renderLabels(labels: Readonly<Record<string, string>>): string {
  let text = '';
  for (const name in labels) {
    const value = labels[name] ?? '';
    text += `${text === '' ? '' : ','}${name}="${NEEDS_ESCAPE.test(value) ? escape(value) : value}"`;
  }
  return text;
}

export function formatValue(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}

const NEEDS_ESCAPE = /["\\\n]/;

function escape(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
