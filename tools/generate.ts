/**
 * Makes the generated files anew: the gRPC contract's types, the built-in Kubernetes schemas and the Helm charts.
 *
 * Usage: npm run generate; `git diff` then shows what changed.
 */
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(fileURLToPath(import.meta.url), '../..');
const GENERATORS = [
  'packages/proxy-api/tools/generate.ts',
  'packages/embedded-cluster/tools/gen-schemas.ts',
  'packages/cli/tools/generate-charts.ts',
];

for (const generator of GENERATORS) {
  const result = spawnSync(process.execPath, [join(ROOT, generator)], { stdio: 'inherit' });
  console.log(`${generator}: ${result.status === 0 ? 'ok' : 'FAILED'}`);
  if (result.status !== 0) process.exitCode = 1;
}
