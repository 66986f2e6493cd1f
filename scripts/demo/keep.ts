/** `--keep`: the clusters stay for you to play with, with the last ten seconds of traffic on the screen, until Ctrl-C. */
import { summarise } from '../home/traffic.ts';
import type { DemoState } from './state.ts';
import { trafficLines } from './text.ts';

const REDRAW_MS = 1000;
const RECENT_MS = 10_000;

export function usageText(kubeconfig: string): string {
  return [
    '  Both clusters stay up until Ctrl-C. In another terminal, in this folder:',
    '',
    `    export KUBECONFIG=${kubeconfig}`,
    '    kubectl --context east get svc -A',
    '    kubectl --context east -n shop delete pod -l app=catalog',
    '    npx mesh --context east multicluster gateways',
    '    npx mesh --context east check',
    '',
    '',
  ].join('\n');
}

/** Resolves when the signal is aborted. */
export async function keepRunning(state: DemoState, live: boolean, write: (text: string) => void): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let drawn = 0;
  const draw = (): void => {
    state.log.forgetBefore(Date.now() - 2 * RECENT_MS);
    const lines = recentTraffic(state, live);
    write(
      `${drawn === 0 ? '' : `\u001b[${drawn}A\r`}${lines.map((line) => `${line}${live ? '\u001b[K' : ''}\n`).join('')}`,
    );
    drawn = live ? lines.length : 0;
  };
  // Without a terminal a line a minute says enough.
  const timer = setInterval(draw, live ? REDRAW_MS : 60_000);
  draw();
  state.signal.addEventListener('abort', () => resolve(), { once: true });
  if (state.signal.aborted) resolve();
  await promise;
  clearInterval(timer);
}

function recentTraffic(state: DemoState, colour: boolean): readonly string[] {
  const records = state.log
    .select({ fromMs: Date.now() - RECENT_MS })
    .filter((record) => state.accounting.counts(record));
  const targets = [...new Set(records.map((record) => record.target))].sort();
  const summaries = Object.fromEntries(
    targets.map((target) => [
      target,
      { ...summarise(records.filter((record) => record.target === target)), excluded: 0 },
    ]),
  );
  return trafficLines(summaries, summarise(records), colour);
}
