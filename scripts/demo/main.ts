/**
 * `npm run demo`: two clusters in one command. Installs the mesh in two embedded clusters, links them, exports a service, sends requests across,
 * and breaks things while traffic flows.
 *
 *   --json   one JSON document on standard output and nothing else there (docs/demo.md)
 *   --keep   leave both clusters up, with a live traffic table, until Ctrl-C
 */
import { parseArgs } from 'node:util';
import { messageOf } from '@mesh/runtime';
import { openEmbeddedHome } from '../home/embedded-home.ts';
import { keepRunning, usageText } from './keep.ts';
import { LIVE_SIZE_MIN } from './live-picture.ts';
import { runSteps } from './run.ts';
import { DemoState } from './state.ts';
import { STEPS } from './steps.ts';
import { createView } from './view.ts';

const INTERRUPTED = 130;

process.exitCode = await main();

async function main(): Promise<number> {
  const flags = readFlags();
  if (flags === undefined) return 64;
  const interrupted = new AbortController();
  const stop = (): void => interrupted.abort();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  // With --json standard output is the document's alone; people get the picture on standard error.
  const stream = flags.json ? process.stderr : process.stdout;
  const live = !flags.json && isLiveTerminal(process.stdout);
  const write = (text: string): void => void stream.write(text);

  const state = new DemoState({
    signal: interrupted.signal,
    open: () => openEmbeddedHome({ clusters: ['east', 'west'], signal: interrupted.signal }),
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

function readFlags(): { readonly json: boolean; readonly keep: boolean } | undefined {
  try {
    const { values } = parseArgs({
      options: { json: { type: 'boolean', default: false }, keep: { type: 'boolean', default: false } },
    });
    return values;
  } catch (error) {
    process.stderr.write(`demo: ${messageOf(error)}\nusage: npm run demo -- [--json] [--keep]\n`);
    return undefined;
  }
}
