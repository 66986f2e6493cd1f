/**
 * gRPC's interoperability cases with grpc-go as client and server, through two sidecars with mutual TLS between them, and through a gateway: unary calls, all kinds of
 * streams, metadata, statuses, cancellation, deadlines, soaks.
 */
import { freePort } from '@mesh/runtime/testing';
import { startProgram, untilListening } from '../../../bench/lib/programs.ts';
import { routeThrough, TestGateway } from '../../../packages/gateway/test/gateway-harness.ts';
import { TestAnchor, TestProxy } from '../../../packages/proxy/test/harness.ts';
import { goProgram, run } from '../programs.ts';
import type { CaseResult, SuiteResult } from '../result.ts';
import { ownIp, startPair } from '../sidecars.ts';
import type { Target } from '../sidecars.ts';

const CASES = [
  'empty_unary',
  'large_unary',
  'client_streaming',
  'server_streaming',
  'ping_pong',
  'empty_stream',
  'custom_metadata',
  'status_code_and_message',
  'special_status_message',
  'unimplemented_method',
  'unimplemented_service',
  'cancel_after_begin',
  'cancel_after_first_response',
  'timeout_on_sleeping_server',
  'rpc_soak',
  'channel_soak',
];
const CASE_MS = 60_000;
const START_MS = 60_000;

const TARGET = 'grpc-go';

export async function grpc(): Promise<SuiteResult[]> {
  const client = await goProgram('grpc-interop-client');
  const server = await goProgram('grpc-interop-server');
  if (typeof client !== 'string') return [{ suite: 'grpc', target: TARGET, cases: [], skipped: client.missing }];
  if (typeof server !== 'string') return [{ suite: 'grpc', target: TARGET, cases: [], skipped: server.missing }];
  const routes: readonly (readonly [string, (port: number) => Promise<Target | undefined>])[] = [
    ['two sidecars with mTLS, node', (port) => startPair(port, 'node')],
    ['two sidecars with mTLS, bun', (port) => startPair(port, 'bun')],
    ['sidecar, gateway, sidecar', startThroughGateway],
  ];
  const results: SuiteResult[] = [];
  for (const [name, start] of routes) {
    const target = `${TARGET}, ${name}`;
    const port = await freePort();
    await using running = startProgram([server, '-port', String(port)]);
    await untilListening('127.0.0.1', port, running, START_MS);
    await using route = await start(port);
    if (route === undefined)
      results.push({ suite: 'grpc', target, cases: [], skipped: 'no such runtime for this platform' });
    else results.push({ suite: 'grpc', target, cases: await runCases(client, route) });
  }
  return results;
}

async function runCases(client: string, route: Target): Promise<CaseResult[]> {
  const cases: CaseResult[] = [];
  for (const name of CASES) {
    const flags = ['-server_host', route.entry.host, '-server_port', String(route.entry.port), '-test_case', name];
    const { status, output } = await run([client, ...flags], { timeoutMs: CASE_MS });
    if (status === 0) cases.push({ name, outcome: 'passed' });
    else cases.push({ name, outcome: 'failed', detail: output.trim().split('\n').slice(-3).join('\n') });
  }
  return cases;
}

/** The real gateway and sidecars, in this process. */
async function startThroughGateway(port: number): Promise<Target> {
  const anchor = await TestAnchor.create('root');
  const client = await new TestProxy(ownIp(7), 'web').start(anchor);
  const server = await new TestProxy(ownIp(8), 'catalog').start(anchor);
  const gateway = new TestGateway(ownIp(9));
  gateway.export();
  await gateway.start(anchor);
  routeThrough(client, gateway);
  gateway.serve(server, port);
  return {
    entry: { host: client.outbound.ip, port: client.outbound.port },
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await gateway[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}
