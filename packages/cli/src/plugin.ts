/** Plugins: `mesh X …` with an unknown X runs the executable `mesh-X`, from this project's own bins first, then from PATH. */
import { spawn } from 'node:child_process';
import { accessSync, constants as fsConstants } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';

/** The path of `mesh-<name>`, or `undefined` when there is none. */
export function findPlugin(name: string, directories: readonly string[]): string | undefined {
  if (!/^[a-z][a-z0-9-]*$/.test(name)) return undefined;
  return directories.map((directory) => path.join(directory, `mesh-${name}`)).find(isExecutable);
}

/** Where plugins are looked for: the workspace's bins, then every entry of PATH. */
export function pluginDirectories(
  env: Readonly<Record<string, string | undefined>>,
  ownBins: string,
): readonly string[] {
  return [ownBins, ...(env['PATH'] ?? '').split(path.delimiter).filter((entry) => entry !== '')];
}

/** Runs the plugin on our own terminal and returns its exit code. */
export async function runPlugin(executable: string, args: readonly string[]): Promise<number> {
  const child = spawn(executable, args, { stdio: 'inherit' });
  // Ctrl-C reaches the plugin through the terminal; we only wait for its verdict.
  const ignore = (): void => undefined;
  process.on('SIGINT', ignore);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (code, signal) => resolve(signal === null ? (code ?? 1) : 128 + constants.signals[signal]));
    });
  } finally {
    process.off('SIGINT', ignore);
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, fsConstants.X_OK);
    return true;
  } catch {
    return false;
  }
}
