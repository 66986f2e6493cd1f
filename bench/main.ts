/**
 * The benchmarks.
 *
 * Usage: npm run bench [-- NAME] [-- --json] [--connections N] [--duration SECONDS] [--rounds N]
 *   NAME   proxy (default): the sidecar beside HAProxy and nginx
 *          mirror: the service mirror with --services N exported Services (10000)
 */
import { parseArgs } from 'node:util';
import { benchMirror, mirrorBenchTable } from './mirror/bench.ts';
import { benchProxy, proxyBenchTable } from './proxy/bench.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    connections: { type: 'string', default: '32' },
    duration: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    services: { type: 'string', default: '10000' },
  },
});

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value <= 0) {
    console.error(`--${name}: ${text} is not a positive whole number`);
    process.exit(64);
  }
  return value;
}

async function main(): Promise<number> {
  const [name = 'proxy'] = positionals;
  const options = {
    connections: positive('connections', values.connections),
    durationS: positive('duration', values.duration),
    rounds: positive('rounds', values.rounds),
    say: (line: string) => process.stderr.write(`${line}\n`),
  };
  switch (name) {
    case 'proxy': {
      const result = await benchProxy(options);
      console.log(values.json ? JSON.stringify(result, null, 2) : proxyBenchTable(result));
      return result.rows.length > 0 ? 0 : 1;
    }
    case 'mirror': {
      const result = await benchMirror({ services: positive('services', values.services), say: options.say });
      console.log(values.json ? JSON.stringify(result, null, 2) : mirrorBenchTable(result));
      return 0;
    }
    default:
      console.error(`unknown benchmark ${name}; benchmarks are: proxy, mirror`);
      return 64;
  }
}

process.exitCode = await main();
