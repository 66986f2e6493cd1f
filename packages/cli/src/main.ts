/** The process of `mesh`: real streams, signals and exit code around `runMesh`. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Interruption, INTERRUPTED } from './interruption.ts';
import { findPlugin, pluginDirectories, runPlugin } from './plugin.ts';
import { BUILT_IN_VERBS } from './verbs.ts';

const OWN_BINS = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'node_modules', '.bin');

/** Flags that take a value, and so may stand between `mesh` and its verb. */
const GLOBAL_WITH_VALUE = new Set([
  '-L',
  '--linkerd-namespace',
  '--kubeconfig',
  '--context',
  '--as',
  '--as-group',
  '--api-addr',
]);

// A reader that has seen enough (`| head`) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});
process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const verbAt = verbIndex(argv);
  const verb = argv[verbAt];
  const plugin =
    verb === undefined || BUILT_IN_VERBS.has(verb)
      ? undefined
      : findPlugin(verb, pluginDirectories(process.env, OWN_BINS));
  if (plugin !== undefined) return runPlugin(plugin, argv.slice(verbAt + 1));
  const { createIo } = await import('./process-io.ts');
  const { runMesh } = await import('./program.ts');
  const interruption = new Interruption();
  const code = await runMesh(
    argv,
    createIo({
      signal: interruption.signal,
      hold: () => interruption.hold(),
      readFile: (file) => readFile(file, 'utf8'),
    }),
  );
  return interruption.signal.aborted ? INTERRUPTED : code;
}

function verbIndex(argv: readonly string[]): number {
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] ?? '';
    if (!word.startsWith('-')) return index;
    if (GLOBAL_WITH_VALUE.has(word)) index += 1;
  }
  return argv.length;
}
