/** The benchmarks; `npm run bench -- --help` tells the usage. */
import { parseArgs } from 'node:util';
import { benchConnections, connectionBenchTable } from './connections/bench.ts';
import { benchKind, kindBenchTable } from './kind/bench.ts';
import { benchMirror, mirrorBenchTable } from './mirror/bench.ts';
import { benchProxy, proxyBenchTable } from './proxy/bench.ts';
import { BODIES } from './proxy/row.ts';
import type { Body } from './proxy/row.ts';

const USAGE = `usage: npm run bench [-- NAME] [-- --json] [--connections N] [--duration SECONDS] [--rounds N] [--services N] [--scenarios A,B] [--bodies A,B] [--runtimes A,B]
  NAME  proxy (default): the sidecar beside HAProxy and nginx; --scenarios of none,hop,mtls-pair,tcp-pair, --bodies of small,1m,
        --runtimes (ours) of bun,node
        idle: memory of 1,000 idle connections; churn: what 3,000 leave behind that came and went. --scenarios of mtls-accept,tcp-pair
        mirror: the service mirror with --services N exported Services (10000)
        kind: the sidecar in the first cluster that npm run kind -- up made: memory, start-up, added latency`;

function fail(message: string): never {
  console.error(message);
  console.error(USAGE);
  process.exit(64);
}

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        help: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        connections: { type: 'string' },
        duration: { type: 'string', default: '4' },
        rounds: { type: 'string', default: '3' },
        scenarios: { type: 'string', default: '' },
        bodies: { type: 'string', default: 'small,1m' },
        runtimes: { type: 'string', default: '' },
        services: { type: 'string', default: '10000' },
      },
    });
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

const { values, positionals } = readArguments();

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value <= 0) fail(`--${name}: ${text} is not a positive whole number`);
  return value;
}

function list(text: string): readonly string[] {
  return text.split(',').filter((word) => word !== '');
}

function bodies(text: string): readonly Body[] {
  return list(text).map((word) =>
    word in BODIES ? (word as Body) : fail(`--bodies: ${word} is none of ${Object.keys(BODIES).join(', ')}`),
  );
}

async function main(): Promise<number> {
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const [name = 'proxy'] = positionals;
  const options = {
    connections: positive('connections', values.connections ?? '32'),
    durationS: positive('duration', values.duration),
    rounds: positive('rounds', values.rounds),
    say: (line: string) => process.stderr.write(`${line}\n`),
  };
  switch (name) {
    case 'proxy': {
      const result = await benchProxy({
        ...options,
        scenarios: list(values.scenarios),
        runtimes: list(values.runtimes),
        bodies: bodies(values.bodies),
      });
      console.log(values.json ? JSON.stringify(result, null, 2) : proxyBenchTable(result));
      return result.rows.length > 0 ? 0 : 1;
    }
    case 'idle':
    case 'churn': {
      const standard = name === 'idle' ? 1000 : 3000;
      const result = await benchConnections({
        kind: name,
        connections: values.connections === undefined ? standard : positive('connections', values.connections),
        scenarios: list(values.scenarios),
        runtimes: list(values.runtimes),
        say: options.say,
      });
      console.log(values.json ? JSON.stringify(result, null, 2) : connectionBenchTable(result));
      return result.rows.length > 0 ? 0 : 1;
    }
    case 'mirror': {
      const result = await benchMirror({ services: positive('services', values.services), say: options.say });
      console.log(values.json ? JSON.stringify(result, null, 2) : mirrorBenchTable(result));
      return 0;
    }
    case 'kind': {
      const result = await benchKind(options);
      console.log(values.json ? JSON.stringify(result, null, 2) : kindBenchTable(result));
      return 0;
    }
    default:
      return fail(`unknown benchmark ${name}`);
  }
}

process.exitCode = await main();
