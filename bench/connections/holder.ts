/**
 * The client of the connection benchmarks: holds connections that were used once. Told by lines on its standard input, answers each
 * with a line on its standard output:
 *
 *      open N   opens N more, some at a time, has one request answered on each, keeps them    → done N, all that are open
 *      count    says how many are open                                                        → done N
 *      close    closes all that are open, by FIN                                              → done N
 *
 * Usage: holder.ts PLAN.json   (see {@link HolderPlan})
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createNodeDriver } from '@mesh/net';
import type { Conn, Handlers, TlsMaterial } from '@mesh/net';

export interface HolderPlan {
  readonly ip: string;
  readonly port: number;
  readonly tls?: { readonly material: TlsMaterial; readonly serverName: string; readonly alpn?: string };
  /** Sent first, base64: a transport header. */
  readonly preface: string;
  /** Source addresses, in turn; absent: as the system chooses. */
  readonly localIps?: readonly string[];
}

const REQUEST = Buffer.from('GET / HTTP/1.1\r\nhost: catalog.shop\r\n\r\n');
const OPENING_AT_ONCE = 16;

interface Held {
  answered(): void;
  gone(): void;
}

const HANDLERS: Handlers<Held> = {
  open(conn) {
    conn.writev([preface, REQUEST]);
  },
  data: (conn) => conn.state.answered(),
  end: (conn) => conn.end(),
  drain() {},
  close(conn, why) {
    if (!open.delete(conn)) throw new Error(`a connection was not answered: ${why.code}`);
    conn.state.gone();
  },
};

const plan = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as HolderPlan;
const preface = Buffer.from(plan.preface, 'base64');
const driver = createNodeDriver();
const tls = plan.tls === undefined ? {} : { tls: { ...plan.tls, context: driver.context(plan.tls.material) } };
const open = new Set<Conn<Held>>();
let opened = 0;

function openOne(): Promise<void> {
  return new Promise((resolve) => {
    const state: Held = {
      answered() {
        open.add(conn);
        resolve();
      },
      gone() {},
    };
    const address = { ip: plan.ip, port: plan.port };
    opened += 1;
    const localIp = plan.localIps?.[opened % plan.localIps.length];
    const from = localIp === undefined ? {} : { localIp };
    const conn = driver.connect({ address, timeoutMs: 60_000, ...tls, ...from }, HANDLERS, state);
  });
}

async function openMany(count: number): Promise<void> {
  let left = count;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await openOne();
    }
  };
  await Promise.all(Array.from({ length: OPENING_AT_ONCE }, worker));
}

async function closeAll(): Promise<number> {
  const all = [...open];
  await Promise.all(
    all.map(
      (conn) =>
        new Promise<void>((resolve) => {
          conn.state.gone = resolve;
          conn.end();
        }),
    ),
  );
  return all.length;
}

for await (const line of createInterface({ input: process.stdin })) {
  const [verb, count] = line.split(' ');
  if (verb === 'open') await openMany(Number(count));
  const done = verb === 'close' ? await closeAll() : open.size;
  process.stdout.write(`done ${done}\n`);
}
process.exit(0);
