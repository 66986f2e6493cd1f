/** One run of the open loop (generator.ts), in a process of its own on the load's processor. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LOAD_CPU, pinned } from '../lib/programs.ts';
import type { OpenLoopPlan, OpenLoopResult } from './generator.ts';

export async function runOpenLoop(plan: OpenLoopPlan): Promise<OpenLoopResult> {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-bench-'));
  try {
    const file = join(folder, 'plan.json');
    writeFileSync(file, JSON.stringify(plan));
    const program = fileURLToPath(new URL('generator.ts', import.meta.url));
    return JSON.parse(await outputOf(pinned(LOAD_CPU, [process.execPath, program, file]))) as OpenLoopResult;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function outputOf([file = '', ...args]: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    let trouble = '';
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
    child.stderr.on('data', (chunk: Buffer) => (trouble += chunk.toString('utf8')));
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve(output) : reject(new Error(`the open loop's generator ended with ${code}: ${trouble}`)),
    );
  });
}
