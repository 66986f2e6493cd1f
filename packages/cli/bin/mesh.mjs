#!/usr/bin/env node
/**
 * The `mesh` executable: hands over to packages/cli/src/main.ts on the pinned runtime. Plain JavaScript, because the Node
 * that `npx` finds may be one that cannot read TypeScript.
 */
import { spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(realpathSync(fileURLToPath(import.meta.url))), '..', '..', '..');
// The terminal sends Ctrl-C to both; the program decides what it means.
process.on('SIGINT', () => undefined);
const result = spawnSync(
  process.execPath,
  [join(root, 'tools', 'run.mjs'), 'packages/cli/src/main.ts', ...process.argv.slice(2)],
  {
    stdio: 'inherit',
  },
);
process.exitCode = result.signal === null ? (result.status ?? 1) : 128 + (constants.signals[result.signal] ?? 0);
