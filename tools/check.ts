/**
 * Every check that needs no test run, cheapest first: format, lint, types, layers, lockfile, dead code.
 *
 * Usage: tools/check.ts [--fix] [NAME…]   NAME: format, lint, types, layers, lockfile, dead-code (default: all)
 */
import { spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = resolve(fileURLToPath(import.meta.url), '../..');
const bin = (name: string): string => join(ROOT, 'node_modules/.bin', name);

interface Check {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly fixArgs?: readonly string[];
}

const CHECKS: readonly Check[] = [
  { name: 'format', command: bin('oxfmt'), args: ['--check', '.'], fixArgs: ['.'] },
  { name: 'lint', command: bin('oxlint'), args: ['.'], fixArgs: ['--fix', '.'] },
  { name: 'types', command: bin('tsc'), args: ['--noEmit'] },
  { name: 'layers', command: process.execPath, args: [join(ROOT, 'tools/check-layers.ts')] },
  {
    name: 'lockfile',
    command: process.execPath,
    args: [join(ROOT, 'tools/complete-lock.ts'), '--check'],
    fixArgs: [join(ROOT, 'tools/complete-lock.ts')],
  },
  { name: 'dead-code', command: bin('knip'), args: ['--no-progress'] },
];

/** Runs one check; its output is shown only when it fails. */
function run(check: Check, fix: boolean): Promise<boolean> {
  const { promise, resolve: done } = Promise.withResolvers<boolean>();
  const startedAt = performance.now();
  const chunks: Buffer[] = [];
  const args = fix ? (check.fixArgs ?? check.args) : check.args;
  const child = spawn(check.command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.on('error', (error) => {
    chunks.push(Buffer.from(error.message));
    done(false);
  });
  child.on('close', (code) => {
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    console.log(`${check.name}: ${code === 0 ? 'ok' : 'FAILED'} (${seconds} s)`);
    if (code !== 0) console.log(Buffer.concat(chunks).toString('utf8'));
    done(code === 0);
  });
  return promise;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { fix: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const unknown = positionals.filter((name) => !CHECKS.some((check) => check.name === name));
  if (unknown.length > 0) {
    console.error(`unknown check ${unknown.join(', ')}; checks are ${CHECKS.map((check) => check.name).join(', ')}`);
    return 64;
  }
  const chosen = CHECKS.filter((check) => positionals.length === 0 || positionals.includes(check.name));
  let passed = 0;
  for (const check of chosen) if (await run(check, values.fix)) passed += 1;
  console.log(`checks: ${passed} passed, ${chosen.length - passed} failed`);
  return passed === chosen.length ? 0 : 1;
}

process.exitCode = await main();
