/** Where the pinned Bun is: it comes through npm, one package per platform. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** @returns undefined where npm had no Bun for this platform. */
export function bunBinary(): string | undefined {
  const require = createRequire(import.meta.url);
  for (const arch of ['x64', 'aarch64']) {
    try {
      const binary = join(dirname(require.resolve(`@oven/bun-linux-${arch}/package.json`)), 'bin', 'bun');
      if (existsSync(binary)) return binary;
    } catch {
      // Not installed on this platform: an optional dependency.
    }
  }
  return undefined;
}
