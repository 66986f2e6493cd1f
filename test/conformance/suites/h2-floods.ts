/**
 * What HTTP/2 lets a client do at no cost, and h2spec does not ask: floods and stalls, by hand-made frames, against the sidecar. The client must
 * be told to calm down (or be cut off), and others must be served meanwhile.
 */
import { createServer } from 'node:http2';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { CaseResult, SuiteResult } from '../result.ts';
import { SIDES } from '../sidecars.ts';
import type { Address } from '../sidecars.ts';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const CASE_MS = 60_000;
const GOAWAY = 7;
const ENHANCE_YOUR_CALM = 11;
/** :method GET or POST, :scheme http, :path /, all from the static table. */
const GET = Buffer.from([0x82, 0x86, 0x84, 0x41, 1, 0x61]);
const POST = Buffer.from([0x83, 0x86, 0x84, 0x41, 1, 0x61]);

function frame(type: number, flags: number, id: number, payload: Uint8Array = new Uint8Array(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}
const SETTINGS = frame(4, 0, 0);
const repeat = (count: number, make: (n: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, n) => make(n)));

interface Flood {
  readonly name: string;
  readonly bytes: Buffer;
  /** What must come: GOAWAY with ENHANCE_YOUR_CALM, or this status in an answer (indexed or literal). */
  readonly status?: string;
}

const literal = (name: string, value: Buffer): Buffer => {
  const length = value.length < 127 ? [value.length] : [127, ...varint(value.length - 127)];
  return Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from(length), value]);
};
function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >> 7)];
}
/** HEADERS without END_HEADERS, then the rest. */
const LONG_LIST = Buffer.concat([
  GET,
  literal('x', Buffer.alloc(40_000, 0x61)),
  literal('y', Buffer.alloc(40_000, 0x61)),
]);

const FLOODS: readonly Flood[] = [
  {
    name: 'rapid reset: 5,000 requests, each given up at once',
    bytes: repeat(5000, (n) =>
      Buffer.concat([frame(1, 5, 2 * n + 1, GET), frame(3, 0, 2 * n + 1, Buffer.from([0, 0, 0, 8]))]),
    ),
  },
  {
    name: 'a header block in 1,000 CONTINUATION frames',
    bytes: Buffer.concat([frame(1, 1, 1, GET), repeat(1000, () => frame(9, 0, 1))]),
  },
  { name: '20,000 PING', bytes: repeat(20_000, () => frame(6, 0, 0, Buffer.alloc(8))) },
  { name: '1,000 SETTINGS', bytes: repeat(1000, () => SETTINGS) },
  { name: '10,000 PRIORITY', bytes: repeat(10_000, () => frame(2, 0, 3, Buffer.from([0, 0, 0, 0, 1]))) },
  { name: '5,000 empty DATA', bytes: Buffer.concat([frame(1, 4, 1, POST), repeat(5000, () => frame(0, 0, 1))]) },
  {
    name: '5,000 WINDOW_UPDATE by 1',
    bytes: Buffer.concat([frame(1, 4, 1, POST), repeat(5000, () => frame(8, 0, 1, Buffer.from([0, 0, 0, 1])))]),
  },
  { name: '5,000 frames of an unknown type', bytes: repeat(5000, () => frame(0xfa, 0, 0)) },
  { name: '5,000 malformed requests', bytes: repeat(5000, (n) => frame(1, 5, 2 * n + 1, Buffer.from([0x82]))) },
  {
    name: 'a header list of 80 KB',
    status: '431',
    bytes: Buffer.concat([
      frame(1, 1, 1, LONG_LIST.subarray(0, 16_000)),
      ...[16_000, 32_000, 48_000, 64_000].map((at) =>
        frame(9, at === 64_000 ? 4 : 0, 1, LONG_LIST.subarray(at, at === 64_000 ? undefined : at + 16_000)),
      ),
    ]),
  },
  {
    name: '200 fields',
    status: '431',
    bytes: frame(1, 5, 1, Buffer.concat([GET, repeat(200, () => literal('x', Buffer.from('1')))])),
  },
];

/** Sends bytes and reads frames until `done` says so. */
function talk(
  entry: Address,
  bytes: Buffer,
  done: (frames: readonly Buffer[]) => boolean,
): Promise<{ frames: Buffer[]; closed: boolean }> {
  const { promise, resolve } = Promise.withResolvers<{ frames: Buffer[]; closed: boolean }>();
  const socket = connect(entry.port, entry.host);
  const frames: Buffer[] = [];
  let pending = Buffer.alloc(0);
  const finish = (closed: boolean): void => {
    clearTimeout(timer);
    resolve({ frames, closed });
    socket.destroy();
  };
  const timer = setTimeout(() => finish(false), CASE_MS);
  socket.on('connect', () => socket.write(Buffer.concat([PREFACE, SETTINGS, bytes])));
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 9 && pending.length >= 9 + pending.readUIntBE(0, 3)) {
      const length = 9 + pending.readUIntBE(0, 3);
      frames.push(pending.subarray(0, length));
      pending = pending.subarray(length);
    }
    if (done(frames)) finish(false);
  });
  socket.on('error', () => undefined);
  socket.on('close', () => finish(true));
  return promise;
}

const isCalm = (one: Buffer): boolean => one[3] === GOAWAY && one.readUInt32BE(13) === ENHANCE_YOUR_CALM;
const hasStatus =
  (status: string) =>
  (one: Buffer): boolean =>
    one[3] === 1 && one.includes(status, 9, 'latin1');
const isAnswer = (one: Buffer): boolean => one[3] === 1;

async function runFlood(flood: Flood, entry: Address): Promise<CaseResult> {
  const wanted = flood.status === undefined ? isCalm : hasStatus(flood.status);
  const { frames, closed } = await talk(entry, flood.bytes, (list) => list.some(wanted));
  // A peer that is cut off while it still sends may lose the last words to a reset.
  if (frames.some(wanted) || (closed && flood.status === undefined)) return { name: flood.name, outcome: 'passed' };
  const kinds = frames
    .slice(-5)
    .map((one) => `type ${one[3]} stream ${one.readUInt32BE(5)}: ${one.subarray(9, 29).toString('hex')}`);
  return { name: flood.name, outcome: 'failed', detail: `${frames.length} frames, the last: ${kinds.join('; ')}` };
}

/** 90 streams that will not take their answers, and a client beside them that gets its own. */
async function runStall(entry: Address): Promise<CaseResult> {
  const name = '90 streams with a window of 0 hold up nobody';
  const socket = connect(entry.port, entry.host);
  socket.on('error', () => undefined);
  socket.on('data', () => undefined);
  const noWindow = frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0]));
  socket.write(Buffer.concat([PREFACE, noWindow, repeat(90, (n) => frame(1, 5, 2 * n + 1, GET))]));
  const beside = await talk(entry, frame(1, 5, 1, GET), (list) => list.some(isAnswer));
  const answered = beside.frames.some(isAnswer);
  socket.destroy();
  return answered ? { name, outcome: 'passed' } : { name, outcome: 'failed', detail: 'another client got no answer' };
}

export async function h2Floods(): Promise<SuiteResult[]> {
  const server = createServer((_, response) => response.end(Buffer.alloc(100_000, 0x61)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  const results: SuiteResult[] = [];
  for (const [name, start] of SIDES) {
    await using proxy = await start(address);
    const cases: CaseResult[] = [];
    for (const flood of FLOODS) cases.push(await runFlood(flood, proxy.entry));
    cases.push(await runStall(proxy.entry));
    results.push({ suite: 'h2-floods', target: `the sidecar, ${name}`, cases });
  }
  server.close();
  return results;
}
