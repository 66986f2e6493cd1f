/** The benchmarks; `npm run bench -- --help` tells the usage. */
import { parseArgs } from 'node:util';
import { benchConnections, connectionBenchTable } from './connections/bench.ts';
import { CONNECTION_SCENARIOS } from './connections/scenarios.ts';
import { benchGateway, gatewayBenchTable, isGoodGateway } from './gateway/bench.ts';
import { GATEWAY_PROTOCOLS } from './gateway/site.ts';
import { benchKind, kindBenchTable } from './kind/bench.ts';
import { choices, numbers, positive, UsageError } from './lib/choices.ts';
import { BODIES, PROTOCOLS } from './lib/protocols.ts';
import { benchMirror, mirrorBenchTable } from './mirror/bench.ts';
import { benchProxy, isGood, proxyBenchTable } from './proxy/bench.ts';
import { LOADS, PROXIES, RUNTIME_NAMES, SCENARIOS } from './proxy/matrix.ts';
import { benchScale, scaleBenchTable } from './scale/bench.ts';
import { benchSoak, soakReport } from './soak/bench.ts';

const USAGE = `usage: npm run bench [-- NAME] [-- --json] [--FLAG VALUE]…
  NAME  proxy (default): the sidecar beside HAProxy, nginx and Envoy. Lists choose, else the standard matrix is measured, about 25 minutes:
          --scenarios ${SCENARIOS.join(',')}   --protocols ${PROTOCOLS.join(',')}
          --loads ${LOADS.join(',')}   --proxies ${PROXIES.join(',')}   --runtimes ${RUNTIME_NAMES.join(',')} (of ours)
          --connections 1,32,256   --bodies ${BODIES.join(',')} (either makes a product of all that is chosen)
          --duration 3 (seconds of a cell)   --rounds 2
        idle: memory of 1,000 idle connections; churn: what 3,000 leave behind that came and went
          --connections N   --scenarios ${CONNECTION_SCENARIOS.join(',')}   --runtimes ${RUNTIME_NAMES.join(',')}
        soak: mixed load through a pair with mutual TLS while certificates and endpoints change; ends with a verdict
          --minutes 30   --runtimes bun (${RUNTIME_NAMES.join(',')})
        mirror: the service mirror with --services N exported Services (10000)
        scale: one importer with many peers, --links 100 of --services 100 each, then --endpoints 10000 of a flat Service
          --duration 10 (seconds of quiet, and of a burst of changes that are not exported)
        gateway: the gateway beside HAProxy, TLS in and TLS out, and connections that it holds
          --protocols ${GATEWAY_PROTOCOLS.join(',')}   --proxies haproxy,mesh   --runtimes ${RUNTIME_NAMES.join(',')}   --workers 1,2
          --connections 32   --duration 3   --rounds 3   --held 20000 (0: none)
        kind: the sidecar in the first cluster that npm run kind -- up made: memory, start-up, added latency
          --duration 4   --rounds 3`;

function readArguments() {
  const text = { type: 'string' } as const;
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        help: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        connections: text,
        duration: text,
        rounds: text,
        scenarios: text,
        protocols: text,
        bodies: text,
        loads: text,
        proxies: text,
        runtimes: text,
        services: text,
        links: text,
        endpoints: text,
        minutes: text,
        workers: text,
        held: text,
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

type Values = ReturnType<typeof readArguments>['values'];

const say = (line: string): boolean => process.stderr.write(`${line}\n`);

/** What each benchmark prints, and the exit code. */
interface Outcome {
  readonly result: object;
  readonly table: string;
  readonly isGood: boolean;
}

const BENCHMARKS: Readonly<Record<string, (values: Values) => Promise<Outcome>>> = {
  async proxy(values) {
    const result = await benchProxy({
      scenarios: choices('scenarios', values.scenarios, SCENARIOS),
      protocols: choices('protocols', values.protocols, PROTOCOLS),
      connections: numbers('connections', values.connections),
      bodies: choices('bodies', values.bodies, BODIES),
      loads: choices('loads', values.loads, LOADS),
      proxies: choices('proxies', values.proxies, PROXIES),
      runtimes: choices('runtimes', values.runtimes, RUNTIME_NAMES),
      durationS: positive('duration', values.duration ?? '3'),
      rounds: positive('rounds', values.rounds ?? '2'),
      say,
    });
    return { result, table: proxyBenchTable(result), isGood: isGood(result) };
  },
  idle: (values) => connections('idle', values),
  churn: (values) => connections('churn', values),
  async soak(values) {
    const result = await benchSoak({
      minutes: positive('minutes', values.minutes ?? '30'),
      runtimes: choices('runtimes', values.runtimes ?? 'bun', RUNTIME_NAMES),
      say,
    });
    return { result, table: soakReport(result), isGood: result.isGood };
  },
  async mirror(values) {
    const result = await benchMirror({ services: positive('services', values.services ?? '10000'), say });
    return { result, table: mirrorBenchTable(result), isGood: true };
  },
  async scale(values) {
    const result = await benchScale({
      links: positive('links', values.links ?? '100'),
      services: positive('services', values.services ?? '100'),
      endpoints: positive('endpoints', values.endpoints ?? '10000'),
      durationS: positive('duration', values.duration ?? '10'),
      say,
    });
    return { result, table: scaleBenchTable(result), isGood: true };
  },
  async gateway(values) {
    const result = await benchGateway({
      protocols: choices('protocols', values.protocols, GATEWAY_PROTOCOLS),
      proxies: choices('proxies', values.proxies, PROXIES),
      runtimes: choices('runtimes', values.runtimes, RUNTIME_NAMES),
      workers: numbers('workers', values.workers ?? '1,2'),
      connections: positive('connections', values.connections ?? '32'),
      durationS: positive('duration', values.duration ?? '3'),
      rounds: positive('rounds', values.rounds ?? '3'),
      held: values.held === '0' ? 0 : positive('held', values.held ?? '20000'),
      say,
    });
    return { result, table: gatewayBenchTable(result), isGood: isGoodGateway(result) };
  },
  async kind(values) {
    const result = await benchKind({
      durationS: positive('duration', values.duration ?? '4'),
      rounds: positive('rounds', values.rounds ?? '3'),
      say,
    });
    return { result, table: kindBenchTable(result), isGood: true };
  },
};

async function connections(kind: 'idle' | 'churn', values: Values): Promise<Outcome> {
  const standard = kind === 'idle' ? '1000' : '3000';
  const result = await benchConnections({
    kind,
    connections: positive('connections', values.connections ?? standard),
    scenarios: choices('scenarios', values.scenarios, CONNECTION_SCENARIOS),
    runtimes: choices('runtimes', values.runtimes, RUNTIME_NAMES),
    say,
  });
  return { result, table: connectionBenchTable(result), isGood: result.rows.length > 0 };
}

async function main(): Promise<number> {
  const { values, positionals } = readArguments();
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const [name = 'proxy', ...more] = positionals;
  const run = Object.hasOwn(BENCHMARKS, name) ? BENCHMARKS[name] : undefined;
  if (run === undefined || more.length > 0)
    throw new UsageError(`unknown benchmark ${positionals.join(' ')}: ${Object.keys(BENCHMARKS).join(', ')} are known`);
  const { result, table, isGood: good } = await run(values);
  console.log(values.json ? JSON.stringify(result, null, 2) : table);
  return good ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n${USAGE}`);
  process.exitCode = 64;
}
