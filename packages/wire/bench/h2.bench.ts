/**
 * What one HTTP/2 hop costs in the codec: a client's and a server's connection talk to each other in memory, so an exchange is decoded
 * twice and encoded twice, as in a proxy between two HTTP/2 peers.
 *
 * Figures are processor time, which holds on a busy machine too, the least of five rounds; and bytes allocated on the heap.
 *
 * Run: node --expose-gc packages/wire/bench/h2.bench.ts
 */
import { H2Connection } from '../src/h2/connection.ts';
import type { H2Handlers } from '../src/h2/handlers.ts';
import type { H2Stream } from '../src/h2/stream.ts';

const REQUEST = Object.entries({
  ':method': 'GET',
  ':scheme': 'http',
  ':authority': 'catalog.shop:80',
  ':path': '/items/17?full=1',
  'user-agent': 'bench/1.0',
  accept: '*/*',
  'x-request-id': '6a3f2e90-11d2-4c1b-8f2a-0a1b2c3d4e5f',
}).flat();
const RESPONSE = Object.entries({
  ':status': '200',
  'content-type': 'application/json',
  'content-length': '100',
  date: 'Sat, 21 Nov 2026 20:00:00 GMT',
  server: 'catalog',
}).flat();
const SMALL = new Uint8Array(100).fill(0x61);
const LARGE = Buffer.alloc(65_536, 0x62);

class Side {
  readonly connection: H2Connection<null>;
  readonly out: Uint8Array[] = [];
  ended = 0;
  bodyBytes = 0;

  constructor(role: 'client' | 'server', onRequest: (connection: H2Connection<null>, stream: H2Stream<null>) => void) {
    const handlers: H2Handlers<null> = {
      write: (_, parts) => {
        for (const part of parts) this.out.push(part);
      },
      headers: (stream, _fields, _kind, end) => {
        if (end) onRequest(this.connection, stream);
      },
      data: (stream, bytes, end) => {
        this.bodyBytes += bytes.length;
        this.connection.consume(stream, bytes.length);
        if (end) this.ended += 1;
      },
      reset: (_, code) => {
        throw new Error(`reset ${code}`);
      },
      writable: (stream) => onWritable(this.connection, stream),
      goaway: () => undefined,
      pong: () => undefined,
      settings: () => undefined,
      failed: (_, code) => {
        throw new Error(`failed ${code}`);
      },
    };
    this.connection = new H2Connection<null>(
      { role, initStream: () => null, streamWindowBytes: 1_048_576, connectionWindowBytes: 4_194_304 },
      handlers,
    );
  }
}

let onWritable: (connection: H2Connection<null>, stream: H2Stream<null>) => void = () => undefined;

function pair(onRequest: (connection: H2Connection<null>, stream: H2Stream<null>) => void): [Side, Side] {
  const client = new Side('client', () => undefined);
  const server = new Side('server', onRequest);
  client.connection.start();
  server.connection.start();
  pump(client, server);
  return [client, server];
}

function pump(client: Side, server: Side): void {
  while (client.out.length + server.out.length > 0) {
    const up = client.out.splice(0);
    if (up.length > 0) server.connection.receive(up.length === 1 ? up[0]! : Buffer.concat(up), 0);
    const down = server.out.splice(0);
    if (down.length > 0) client.connection.receive(down.length === 1 ? down[0]! : Buffer.concat(down), 0);
  }
}

const [smallClient, smallServer] = pair((connection, stream) => {
  connection.respond(stream, RESPONSE, false);
  connection.send(stream, SMALL, true);
});

const sentOf = new Map<number, number>();
const MEGABYTE = 16;
onWritable = (connection, stream) => sendMore(connection, stream);
function sendMore(connection: H2Connection<null>, stream: H2Stream<null>): void {
  let sent = sentOf.get(stream.id) ?? 0;
  while (sent < MEGABYTE) {
    sent += 1;
    sentOf.set(stream.id, sent);
    if (!connection.send(stream, LARGE, sent === MEGABYTE)) return;
  }
  sentOf.delete(stream.id);
}
const [largeClient, largeServer] = pair((connection, stream) => {
  connection.respond(stream, [':status', '200'], false);
  sendMore(connection, stream);
});
let id = 0;

/** Runs `exchange` in rounds of `count` and prints the best round. */
function measure(name: string, count: number, exchange: () => void): void {
  let bestUs = Number.POSITIVE_INFINITY;
  let bytes = 0;
  for (let round = 0; round < 6; round += 1) {
    globalThis.gc?.();
    const before = process.cpuUsage();
    for (let n = 0; n < count; n += 1) exchange();
    const { user, system } = process.cpuUsage(before);
    if (round > 0) bestUs = Math.min(bestUs, (user + system) / count);
    // Without a collection in between the growth is what was allocated.
    for (let n = 0; n < 200; n += 1) exchange();
    globalThis.gc?.();
    const empty = process.memoryUsage().heapUsed;
    for (let n = 0; n < 200; n += 1) exchange();
    bytes = (process.memoryUsage().heapUsed - empty) / 200;
  }
  console.log(`${name.padEnd(52)} ${bestUs.toFixed(2).padStart(9)} µs ${(bytes / 1024).toFixed(1).padStart(8)} KiB`);
}

measure('exchange: same fields, 100-byte body', 50_000, () => {
  smallClient.connection.request(REQUEST, null, true);
  pump(smallClient, smallServer);
});
measure('exchange: new path and id each time, 100-byte body', 50_000, () => {
  id += 1;
  const fields = REQUEST.slice();
  fields[7] = `/items/${id}`;
  fields[13] = `6a3f2e90-11d2-4c1b-8f2a-${id}`;
  smallClient.connection.request(fields, null, true);
  pump(smallClient, smallServer);
});
measure('exchange: 1 MiB body', 300, () => {
  largeClient.connection.request(REQUEST, null, true);
  pump(largeClient, largeServer);
});
if (smallClient.ended === 0 || largeClient.bodyBytes % 1_048_576 !== 0) throw new Error('an exchange was not complete');
