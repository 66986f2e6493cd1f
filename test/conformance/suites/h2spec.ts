/** h2spec and h2specd: HTTP/2 servers and clients, RFC 9113's forerunner 7540 and HPACK, strict. */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { startH2Client } from '../h2-client.ts';
import type { H2Client } from '../h2-client.ts';
import { startH2Server } from '../h2-server.ts';
import type { H2Server } from '../h2-server.ts';
import { junitCases } from '../junit.ts';
import { DIST, goProgram, run } from '../programs.ts';
import { startRelay } from '../relay.ts';
import type { CaseResult, SuiteResult } from '../result.ts';
import { startInbound, startOutbound } from '../sidecars.ts';
import type { Target } from '../sidecars.ts';

/** The suite itself waits so long for an answer; what it tests answers at once or never. */
const ANSWER_S = 3;
/** h2specd gives a case as a whole 3 s and then gives up altogether. */
const CLIENT_ANSWER_S = 2;
/** h2specd takes a port for each case; below those that the kernel gives out. */
const FIRST_PORT = 20_000 + (process.pid % 150) * 60;
const RUN_MS = 300_000;
const IP = '127.0.0.1';

export async function h2spec(through: string): Promise<SuiteResult> {
  const target = `server: ${describe(through)}`;
  const program = await goProgram('h2spec');
  if (typeof program !== 'string') return { suite: 'h2spec', target, cases: [], skipped: program.missing };
  // Behind a proxy stands a server that would not pass by itself (139 of 147), so that nobody mistakes its answers for the proxy's.
  await using server = through === 'codec' ? await startH2Server(IP) : await startNodeServer();
  await using proxy = await startTarget(through, { host: IP, port: server.port });
  const report = reportFile('h2spec');
  const { host, port } = proxy.entry;
  const command = [program, '-h', host, '-p', String(port), '--strict', '-o', String(ANSWER_S), '-j', report];
  const finished = await run(command, { timeoutMs: RUN_MS });
  return { suite: 'h2spec', target, cases: readReport(report, finished.output) };
}

/** @param through `codec`, or `outbound`: the sidecar is the client that is tested, asked by ours. */
export async function h2specd(through: string): Promise<SuiteResult> {
  const target = `client: ${describe(through)}`;
  const program = await goProgram('h2specd');
  if (typeof program !== 'string') return { suite: 'h2specd', target, cases: [], skipped: program.missing };
  const curl = await run(['curl', '--version'], { timeoutMs: 20_000 });
  if (curl.status !== 0) return { suite: 'h2specd', target, cases: [], skipped: 'curl is not installed' };
  await using stack = new AsyncDisposableStack();
  const client = stack.use(through === 'codec' ? await startH2Client(IP) : await startProxiedClient(stack));
  // Its listeners complain without end once they are closed.
  const command = ['sh', '-c', '"$0" -e "$1" -o "$2" -f "$3" 2>&1 | grep -v "^accept tcp"', program];
  command.push(`curl -s -x http://${IP}:${client.port}`, String(CLIENT_ANSWER_S), String(FIRST_PORT));
  const finished = await run(command, { timeoutMs: RUN_MS });
  return { suite: 'h2specd', target, cases: readLines(finished.output) };
}

/** Our client in front of the sidecar, and behind it a relay to the port of the case: its bytes are the sidecar's. */
async function startProxiedClient(stack: AsyncDisposableStack): Promise<H2Client> {
  const relay = stack.use(await startRelay(IP));
  const proxy = stack.use(await startOutbound({ host: IP, port: relay.port }));
  return startH2Client(IP, (url) => {
    relay.redirect(Number(url.port));
    return { ip: proxy.entry.host, port: proxy.entry.port };
  });
}

/** h2specd writes no report: its lines are `5.1. Title`, then `✔ 8: what` or `× 8: what` with the reasons below. */
function readLines(output: string): CaseResult[] {
  const cases: { name: string; outcome: 'passed' | 'failed'; detail?: string }[] = [];
  let section = '';
  for (const line of output.split('\nFailures:')[0]?.split('\n') ?? []) {
    const heading = /^\s*(\d+(?:\.\d+)*\.) /.exec(line);
    const one = /^\s*([✔×]) (\d+: .*)$/u.exec(line);
    if (heading !== null) section = heading[1] ?? '';
    else if (one !== null) cases.push({ name: `${section} ${one[2]}`, outcome: one[1] === '✔' ? 'passed' : 'failed' });
    else if (line.trim() !== '' && cases.at(-1)?.outcome === 'failed') {
      const last = cases.at(-1);
      if (last !== undefined) last.detail = `${last.detail ?? ''} ${line.trim()}`.trim();
    }
  }
  const finished = /\n(\d+) tests,/.exec(output);
  if (finished?.[1] !== String(cases.length))
    cases.push({ name: 'the suite as a whole', outcome: 'failed', detail: output.split('\n').slice(-5).join('\n') });
  return cases;
}

async function startNodeServer(): Promise<H2Server> {
  // Cases that end their connection with all streams open make the sidecar give them all up at once: no attack here.
  const options = { streamResetBurst: 1_000_000, streamResetRate: 1_000_000 };
  const server = createServer(options, (_, response) => response.end('conformance\n'));
  await new Promise<void>((resolve) => server.listen(0, IP, resolve));
  const { port } = server.address() as AddressInfo;
  return { port, [Symbol.asyncDispose]: () => new Promise((resolve) => void server.close(() => resolve())) };
}

async function startTarget(through: string, server: { readonly host: string; readonly port: number }): Promise<Target> {
  if (through === 'outbound') return startOutbound(server);
  if (through === 'inbound') return startInbound(server);
  return { entry: server, [Symbol.asyncDispose]: () => Promise.resolve() };
}

function describe(through: string): string {
  return through === 'codec' ? 'the codec on a socket' : `the sidecar, ${through}`;
}

function reportFile(name: string): string {
  mkdirSync(DIST, { recursive: true });
  const file = join(DIST, `${name}.xml`);
  rmSync(file, { force: true });
  return file;
}

function readReport(file: string, output: string): SuiteResult['cases'] {
  try {
    return junitCases(readFileSync(file, 'utf8'));
  } catch {
    return [{ name: 'the suite as a whole', outcome: 'failed', detail: output.split('\n').slice(-5).join('\n') }];
  }
}
