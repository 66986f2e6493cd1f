/** The process of `mesh`: real streams, signals and exit code around `runMesh`. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
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
  const interrupted = new AbortController();
  process.once('SIGINT', () => {
    interrupted.abort();
    // A second Ctrl-C, or one that nobody listens to, ends the process as people expect.
    setTimeout(() => process.exit(130), 500).unref();
  });
  return runMesh(argv, createIo({ signal: interrupted.signal, readFile: (file) => readFile(file, 'utf8') }));
}

function verbIndex(argv: readonly string[]): number {
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] ?? '';
    if (!word.startsWith('-')) return index;
    if (GLOBAL_WITH_VALUE.has(word)) index += 1;
  }
  return argv.length;
}
