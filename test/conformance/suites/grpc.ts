/**
 * gRPC's interoperability cases with grpc-go as client and server, through two sidecars with mutual TLS between them: unary calls, all kinds of
 * streams, metadata, statuses, cancellation, deadlines, soaks.
 */
import { startProgram, untilListening } from '../../../bench/lib/programs.ts';
import { goProgram, run } from '../programs.ts';
import type { CaseResult, SuiteResult } from '../result.ts';
import { freePort, startPair } from '../sidecars.ts';

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

export async function grpc(): Promise<SuiteResult[]> {
  const client = await goProgram('grpc-interop-client');
  const server = await goProgram('grpc-interop-server');
  const target = 'grpc-go, two sidecars with mTLS';
  for (const program of [client, server])
    if (typeof program !== 'string') return [{ suite: 'grpc', target, cases: [], skipped: program.missing }];
  const results: SuiteResult[] = [];
  for (const runtime of ['node', 'bun'] as const) {
    const port = await freePort();
    await using running = startProgram([server as string, '-port', String(port)]);
    await untilListening('127.0.0.1', port, running, START_MS);
    await using pair = await startPair(port, runtime);
    if (pair === undefined) {
      results.push({
        suite: 'grpc',
        target: `${target}, ${runtime}`,
        cases: [],
        skipped: `no ${runtime} for this platform`,
      });
      continue;
    }
    const cases: CaseResult[] = [];
    for (const name of CASES) {
      const flags = ['-server_host', pair.entry.host, '-server_port', String(pair.entry.port), '-test_case', name];
      const { status, output } = await run([client as string, ...flags], { timeoutMs: CASE_MS });
      if (status === 0) cases.push({ name, outcome: 'passed' });
      else cases.push({ name, outcome: 'failed', detail: output.trim().split('\n').slice(-3).join('\n') });
    }
    results.push({ suite: 'grpc', target: `${target}, ${runtime}`, cases });
  }
  return results;
}
