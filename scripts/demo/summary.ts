/** The end of the story: traffic, failover, identities, verdict. */
import type { DemoDocument } from './document.ts';
import { paint, seconds, trafficLines } from './text.ts';

/** What is left on the screen when all is over. */
export function summaryText(document: DemoDocument, colour: boolean): string {
  const { failover, identities } = document;
  const dim = (text: string): string => paint(text, 'dim', colour);
  const rows: readonly (readonly [string, string])[] = [
    [
      'failover',
      `${failover.ms_to_recover} ms until west answered, ${failover.failed_during} requests failed; home again ${failover.ms_to_return} ms after it was ready`,
    ],
    ['client', identities.client],
    ['gateway', identities.gateway],
    ['server', identities.server],
  ];
  const bad = document.steps.find((step) => !step.ok);
  const verb = bad?.detail === 'interrupted' ? 'interrupted' : 'failed';
  const verdict = document.ok
    ? paint(`every step held, in ${seconds(document.total_ms)}`, 'green', colour)
    : paint(`${verb} after ${seconds(document.total_ms)}: ${bad?.name ?? 'traffic'}`, 'red', colour);
  return [
    '',
    ...trafficLines(document.traffic.targets, document.traffic, colour),
    '',
    ...rows.map(([name, text]) => `  ${dim(name.padEnd(9))} ${text === '' ? '-' : text}`),
    '',
    `  ${verdict}`,
    '',
    '',
  ].join('\n');
}
