/** The demo in whatever home: signals, output and exit code around the steps. */
import type { Home } from '../home/home.ts';
import { keepRunning, usageText } from './keep.ts';
import { LIVE_SIZE_MIN } from './live-picture.ts';
import { runSteps } from './run.ts';
import { DemoState } from './state.ts';
import { STEPS } from './steps.ts';
import { createView } from './view.ts';

export interface DemoFlags {
  readonly json: boolean;
  readonly keep: boolean;
}

const INTERRUPTED = 130;

/** Runs all steps in a home with clusters `east` and `west`; resolves with the exit code. */
export async function runDemo(flags: DemoFlags, open: (signal: AbortSignal) => Promise<Home>): Promise<number> {
  const interrupted = new AbortController();
  const stop = (): void => interrupted.abort();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  // With --json standard output is the document's alone; people get the picture on standard error.
  const stream = flags.json ? process.stderr : process.stdout;
  const live = !flags.json && isLiveTerminal(process.stdout);
  const write = (text: string): void => void stream.write(text);

  const state = new DemoState({
    signal: interrupted.signal,
    open: () => open(interrupted.signal),
  });
  const view = createView({
    mode: flags.json ? 'silent' : live ? 'live' : 'plain',
    steps: STEPS,
    accounting: state.accounting,
    write,
  });
  try {
    const document = await runSteps(STEPS, state, view);
    view.finish(document);
    view.close();
    if (flags.json) process.stdout.write(`${JSON.stringify(document, undefined, 2)}\n`);
    if (flags.keep && !interrupted.signal.aborted) {
      write(usageText(state.home.kubeconfig));
      await keepRunning(state, live, write);
    }
    if (interrupted.signal.aborted && !flags.keep) return INTERRUPTED;
    return document.ok ? 0 : 1;
  } finally {
    view.close();
    await state[Symbol.asyncDispose]();
  }
}

function isLiveTerminal(stream: NodeJS.WriteStream): boolean {
  if (!stream.isTTY || process.env['TERM'] === 'dumb') return false;
  return stream.columns >= LIVE_SIZE_MIN.columns && stream.rows >= LIVE_SIZE_MIN.rows;
}
