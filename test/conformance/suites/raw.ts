/** The raw cases, through the sidecar on either side. */
import { exchange, RawServer } from '../raw-peers.ts';
import type { CaseResult, SuiteResult } from '../result.ts';
import { SIDES } from '../sidecars.ts';
import type { Address } from '../sidecars.ts';
import { RAW_CASES } from './raw-cases.ts';
import type { RawCase } from './raw-cases.ts';

const CASE_MS = 10_000;

export async function raw(): Promise<SuiteResult[]> {
  const results: SuiteResult[] = [];
  for (const [name, start] of SIDES) {
    const server = new RawServer();
    const port = await server.listen('127.0.0.1');
    await using proxy = await start({ host: '127.0.0.1', port });
    const cases: CaseResult[] = [];
    for (const one of RAW_CASES) cases.push(await runCase(one, server, proxy.entry));
    results.push({ suite: 'raw', target: `the sidecar, ${name}`, cases });
    await server.close();
  }
  return results;
}

async function runCase(one: RawCase, server: RawServer, entry: Address): Promise<CaseResult> {
  server.reset();
  if (one.answer !== undefined) server.answer = one.answer;
  if (one.until !== undefined) server.until = one.until;
  server.closeAfterAnswer = one.serverCloses === true;
  const parts = typeof one.send === 'string' ? [{ send: one.send }] : one.send;
  // Where the connection must end, the exchange goes on until it does.
  const done = one.closes === true ? /^(?!)/ : one.client;
  const { received, closed } = await exchange(entry, parts, done, CASE_MS);
  const problems: string[] = [];
  if (!one.client.test(received)) problems.push(`the client got ${show(received)}`);
  if (one.clientNot?.test(received) === true) problems.push(`the client must not get ${show(received)}`);
  if (one.closes === true && !closed) problems.push('the connection stayed open');
  if (one.server === null && server.received !== '') problems.push(`the server got ${show(server.received)}`);
  if (one.server instanceof RegExp && !one.server.test(server.received))
    problems.push(`the server got ${show(server.received)}`);
  if (one.serverNot?.test(server.received) === true) problems.push(`the server must not get ${show(server.received)}`);
  if (problems.length === 0) return { name: one.name, outcome: 'passed' };
  return { name: one.name, outcome: 'failed', detail: problems.join('; ') };
}

function show(text: string): string {
  return JSON.stringify(text.length > 300 ? `${text.slice(0, 300)}…` : text);
}
