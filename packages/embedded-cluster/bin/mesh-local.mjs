#!/usr/bin/env node
/** The `mesh-local` executable, which `mesh local …` runs: hands over to src/bin/mesh-local.ts on the pinned runtime. */
import { spawnSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(realpathSync(fileURLToPath(import.meta.url))), '..', '..', '..');
// The terminal sends Ctrl-C to both; the program decides what it means.
process.on('SIGINT', () => undefined);
const program = 'packages/embedded-cluster/src/bin/mesh-local.ts';
const result = spawnSync(process.execPath, [join(root, 'tools', 'run.mjs'), program, ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.exitCode = result.signal === null ? (result.status ?? 1) : 128 + (constants.signals[result.signal] ?? 0);
