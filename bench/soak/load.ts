/**
 * The load of the soak: kept connections of HTTP/1.1 and HTTP/2, connections that come for one request and go, and callers that give up in the middle of
 * a large answer. Prints a {@link SoakCount} in JSON a line each ten seconds, and one more when it is told to stop by the end of its standard input.
 *
 * Usage: load.ts HOST PORT
 */
import { Http1Client } from '../open-loop/http1-client.ts';
import { Http2Client } from '../open-loop/http2-client.ts';
import type { Client, Outcomes, Target } from '../open-loop/client.ts';

/** Since the start. */
export interface SoakCount {
  readonly answered: number;
  readonly failed: number;
  /** What those that failed met, with how often. */
  readonly reasons: Readonly<Record<string, number>>;
  /** Given up on purpose. */
  readonly cancelled: number;
  /** Connections that were opened for one request. */
  readonly churned: number;
}

/** Milliseconds between two of a kind: 200 requests a second on each kind of kept connection, 20 new connections, 10 that give up. */
const EVERY_MS = { kept: 5, churn: 50, giveUp: 200 } as const;
const REPORT_MS = 10_000;
/** Answers that take longer have failed. */
const PATIENCE_MS = 30_000;
/** A large answer has begun by then, and is not complete. */
const GIVE_UP_AFTER_MS = 3;

/** Different ones that are told apart. */
const REASONS_MAX = 20;

const [host = '', port = ''] = process.argv.slice(2);
const target = (protocol: Target['protocol'], body: Target['body'], connections: number): Target => ({
  host,
  port: Number(port),
  protocol,
  body,
  connections,
});

const count = { answered: 0, failed: 0, cancelled: 0, churned: 0 };
const reasons = new Map<string, number>();
const sentAt = new Map<number, number>();
let lastIndex = 0;
let isStopping = false;

function fail(why: string): void {
  count.failed += 1;
  const known = reasons.has(why) || reasons.size < REASONS_MAX ? why : 'others';
  reasons.set(known, (reasons.get(known) ?? 0) + 1);
}

function outcomes(kind: string, after: () => void = () => undefined): Outcomes {
  return {
    answered(index) {
      if (sentAt.delete(index)) count.answered += 1;
      after();
    },
    failed(index, why) {
      if (sentAt.delete(index)) fail(`${kind}: ${why}`);
      after();
    },
  };
}

function send(client: Client): number {
  lastIndex += 1;
  sentAt.set(lastIndex, performance.now());
  client.send(lastIndex);
  return lastIndex;
}

/** Whoever gives up counts as neither answered nor failed. */
function giveUp(client: Client): void {
  const index = send(client);
  setTimeout(() => {
    if (!sentAt.delete(index)) return;
    count.cancelled += 1;
    client.cancel(index);
  }, GIVE_UP_AFTER_MS);
}

function churn(): void {
  const client = new Http1Client(
    target('http1', 'small', 1),
    outcomes('new connection', () => client.close()),
  );
  count.churned += 1;
  send(client);
  client.open().catch((error: unknown) => {
    client.close();
    fail(`new connection: ${String(error)}`);
  });
}

function report(): void {
  const now = performance.now();
  for (const [index, at] of sentAt) {
    if (now - at < PATIENCE_MS) continue;
    sentAt.delete(index);
    fail(`no answer within ${PATIENCE_MS} ms`);
  }
  process.stdout.write(`${JSON.stringify({ ...count, reasons: Object.fromEntries(reasons) })}\n`);
}

const http1 = new Http1Client(target('http1', 'small', 16), outcomes('HTTP/1.1'));
const http2 = new Http2Client(target('http2', 'small', 4), outcomes('HTTP/2'));
const impatient = [
  new Http1Client(target('http1', '1m', 4), outcomes('HTTP/1.1, large')),
  new Http2Client(target('http2', '1m', 1), outcomes('HTTP/2, large')),
];
const clients = [http1, http2, ...impatient];
await Promise.all(clients.map((client) => client.open()));

const every = (ms: number, act: () => void) => setInterval(() => isStopping || act(), ms);
const timers = [
  ...[http1, http2].map((client) => every(EVERY_MS.kept, () => send(client))),
  every(EVERY_MS.churn, churn),
  ...impatient.map((client) => every(EVERY_MS.giveUp, () => giveUp(client))),
  setInterval(report, REPORT_MS),
];

async function stop(): Promise<void> {
  isStopping = true;
  const deadline = performance.now() + PATIENCE_MS;
  while (sentAt.size > 0 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
  for (const timer of timers) clearInterval(timer);
  report();
  process.exit(0);
}

process.stdin.resume().once('end', () => void stop());
