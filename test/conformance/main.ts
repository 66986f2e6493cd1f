/** Runs protocol suites; `npm run conformance -- --help` tells the usage. Exit status: 0 nothing failed, 1 something failed, 2 nothing ran. */
import { parseArgs } from 'node:util';
import { count, formatResult, jsonResult } from './result.ts';
import type { SuiteResult } from './result.ts';
import { differential } from './suites/differential.ts';
import { grpc } from './suites/grpc.ts';
import { h1spec } from './suites/h1spec.ts';
import { h2Floods } from './suites/h2-floods.ts';
import { h2spec, h2specd } from './suites/h2spec.ts';
import { hpack } from './suites/hpack.ts';
import { mcs } from './suites/mcs.ts';
import { raw } from './suites/raw.ts';

const THROUGH: readonly string[] = ['codec', 'outbound', 'inbound'];

const SUITES: Readonly<Record<string, (through: string) => Promise<readonly SuiteResult[]>>> = {
  async h2spec(through) {
    const results: SuiteResult[] = [];
    for (const one of through === 'all' ? THROUGH : [through]) results.push(await h2spec(one));
    return results;
  },
  async h2specd(through) {
    const results: SuiteResult[] = [];
    for (const one of through === 'all' ? ['codec', 'outbound'] : [through]) results.push(await h2specd(one));
    return results;
  },
  'h2-floods': h2Floods,
  h1spec,
  hpack: async () => [await hpack()],
  raw,
  grpc,
  mcs,
  differential: async () => [await differential()],
};

const USAGE = `usage: npm run conformance -- NAME... [--json] [--through codec|outbound|inbound|all]
  NAME  ${Object.keys(SUITES).join(', ')}; all
  --through  what h2spec talks to: the codec on a socket, or a sidecar in front of a server (all, one after the other)`;

function fail(message: string): never {
  process.stderr.write(`${message}\n${USAGE}\n`);
  process.exit(64);
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        help: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        through: { type: 'string', default: 'all' },
      },
    });
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

async function main(): Promise<number> {
  const { values, positionals } = readArguments();
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  if (![...THROUGH, 'all'].includes(values.through))
    fail(`--through: ${values.through} is none of ${THROUGH.join(', ')}, all`);
  const names = positionals.includes('all') ? Object.keys(SUITES) : positionals;
  if (names.length === 0) fail('which suite?');
  const unknown = names.filter((name) => SUITES[name] === undefined);
  if (unknown.length > 0) fail(`unknown suite ${unknown.join(', ')}`);
  const results: SuiteResult[] = [];
  for (const name of names) {
    for (const result of (await SUITES[name]?.(values.through)) ?? []) {
      results.push(result);
      if (!values.json) process.stdout.write(`${formatResult(result)}\n`);
    }
  }
  const total = (outcome: 'passed' | 'failed' | 'skipped'): number =>
    results.reduce((sum, result) => sum + count(result, outcome), 0);
  if (values.json) process.stdout.write(`${JSON.stringify(results.map(jsonResult), null, 2)}\n`);
  else
    process.stdout.write(
      `conformance: ${total('passed')} passed, ${total('failed')} failed, ${total('skipped')} skipped\n`,
    );
  if (results.every((result) => result.skipped !== undefined)) return 2;
  return results.some((result) => count(result, 'failed') > 0) ? 1 : 0;
}

process.exitCode = await main();
