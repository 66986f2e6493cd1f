/** The live programs as one file each, small enough for a ConfigMap, since no image has them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bunBinary } from '@mesh/runtime/testing';

/** @throws Error when the program cannot be bundled, or npm had no Bun for this platform. */
export function bundleProgram(name: 'live-server' | 'live-client' | 'http-client'): string {
  const bun = bunBinary();
  if (bun === undefined)
    throw new Error(`no Bun for ${process.platform} ${process.arch}: the e2e programs are bundled with it`);
  const folder = mkdtempSync(path.join(tmpdir(), 'mesh-e2e-'));
  try {
    const file = path.join(folder, `${name}.mjs`);
    const source = path.join(import.meta.dirname, `${name}.ts`);
    execFileSync(bun, ['build', '--target=node', '--format=esm', '--minify', `--outfile=${file}`, source], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    return readFileSync(file, 'utf8');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
