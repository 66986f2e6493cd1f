/** The program `await`: arguments in, exit code out. */
import { setTimeout } from 'node:timers/promises';
import { stderrSink } from '@mesh/runtime';
import { askReady, runAwait } from './await.ts';

void runAwait(process.argv.slice(2), {
  now: () => performance.now(),
  pause: setTimeout,
  ask: askReady,
  print: (text) => void process.stdout.write(`${text}\n`),
  logs: stderrSink,
}).then((code) => process.exit(code));
