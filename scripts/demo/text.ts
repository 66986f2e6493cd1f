/** Colours, times and the traffic table, shared by all views. */
import type { TargetTraffic } from './document.ts';
import type { TrafficSummary } from '../home/traffic.ts';

const CODES = { green: 32, red: 31, yellow: 33, cyan: 36, dim: 2, bold: 1 } as const;

export function paint(text: string, style: keyof typeof CODES, colour: boolean): string {
  return colour ? `\u001b[${CODES[style]}m${text}\u001b[0m` : text;
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** One row per target and one for all, a column per cluster that answered. */
export function trafficLines(
  targets: Readonly<Record<string, TargetTraffic>>,
  total: TrafficSummary,
  colour: boolean,
): readonly string[] {
  const clusters = Object.keys(total.by_cluster).sort();
  const header = ['traffic', 'sent', 'failed', 'p50', 'p99', ...clusters];
  const row = (name: string, summary: TrafficSummary): readonly string[] => [
    name,
    String(summary.sent),
    String(summary.failed),
    `${summary.p50_ms.toFixed(1)} ms`,
    `${summary.p99_ms.toFixed(1)} ms`,
    ...clusters.map((cluster) => share(summary, cluster)),
  ];
  const rows = [...Object.entries(targets).map(([name, summary]) => row(name, summary)), row('all', total)];
  const widths = header.map((name, index) => Math.max(name.length, ...rows.map((cells) => cells[index]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `  ${cells.map((cell, index) => (index === 0 ? cell.padEnd(Math.max(9, widths[0] ?? 0)) : cell.padStart(widths[index] ?? 0))).join('  ')}`;
  return [
    paint(line(header), 'dim', colour),
    ...rows.map((cells) => (cells[2] === '0' ? line(cells) : paint(line(cells), 'yellow', colour))),
  ];
}

function share(summary: TrafficSummary, cluster: string): string {
  const good = summary.sent - summary.failed;
  if (good === 0) return '-';
  return `${Math.round((100 * (summary.by_cluster[cluster] ?? 0)) / good)} %`;
}

/** Cuts to the width of the terminal; the text must be without colours. */
export function fit(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
