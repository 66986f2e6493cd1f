/**
 * Queries per second that one core answers: the server in a thread of its own, asked over loopback UDP by this one, which keeps some
 * queries in flight; and the same without sockets, which is the cost of decoding, answering and encoding alone.
 *
 * Figures per query are processor time of the server's thread, which holds on a busy machine, too.
 *
 * Run: node packages/clusterset-dns/bench/queries.bench.ts
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { parentPort, Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { silentLogger } from '@mesh/runtime';
import { DnsServer } from '../src/dns-server.ts';
import { TYPE } from '../src/message.ts';
import type { DnsObserver } from '../src/metrics.ts';
import { Responder } from '../src/responder.ts';
import { queryBytes } from '../src/testing/messages.ts';
import { endpoints, headlessImport, serviceImport, slice } from '../src/testing/objects.ts';
import { ClustersetZone } from '../src/zone.ts';

const SUFFIX = 'shop.svc.clusterset.local';
const EDNS = { edns: { udpBytes: 1232 } };
const CASES: Readonly<Record<string, Buffer>> = {
  'A, one address': queryBytes(`web-17.${SUFFIX}`, EDNS),
  'A, no such name': queryBytes(`web-17.${SUFFIX}.shop.svc.cluster.local.clusterset.local`, EDNS),
  'SRV, one port': queryBytes(`_http._tcp.web-17.${SUFFIX}`, { ...EDNS, type: TYPE.SRV }),
  'A, headless with 50 endpoints': queryBytes(`db.${SUFFIX}`, EDNS),
};
const DURATION_MS = 3_000;
const IN_FLIGHT = 64;

const ignore: DnsObserver = { answered: () => undefined, dropped: () => undefined, connections: () => undefined };

function responder(): Responder {
  const zone = new ClustersetZone({ name: 'clusterset.local', serverAddresses: [], firstSerial: 1 });
  for (let index = 0; index < 1000; index += 1) zone.applyImport(serviceImport(`web-${index}`));
  zone.applyImport(headlessImport('db'));
  zone.applySlice(slice('db', endpoints(50)));
  return new Responder(zone, () => true, ignore);
}

interface Served {
  readonly queries: number;
  readonly cpuMicros: number;
}

/** The server's thread: tells its port, then, whenever asked, what it served and how much processor time it took. */
async function serve(port: MessagePort): Promise<void> {
  let queries = 0;
  const inner = responder();
  const handler = {
    respond: (message: Uint8Array, transport: 'udp' | 'tcp') => {
      queries += 1;
      return inner.respond(message, transport);
    },
  };
  await using server = new DnsServer(
    { host: '127.0.0.1', port: 0 },
    { handler, observer: ignore, logger: silentLogger },
  );
  await server.start();
  port.on('message', (word) => {
    if (word === 'stop') port.close();
    else {
      const { user, system } = process.threadCpuUsage();
      port.postMessage({ queries, cpuMicros: user + system } satisfies Served);
    }
  });
  port.postMessage(server.port);
  await once(port, 'close');
}

async function load(query: Buffer, port: number): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.connect(port, '127.0.0.1', resolve));
  let answered = 0;
  const endMs = performance.now() + DURATION_MS;
  socket.on('message', () => {
    answered += 1;
    if (performance.now() < endMs) socket.send(query);
  });
  for (let index = 0; index < IN_FLIGHT; index += 1) socket.send(query);
  await new Promise((resolve) => setTimeout(resolve, DURATION_MS));
  socket.close();
  return answered;
}

async function overSockets(): Promise<void> {
  const worker = new Worker(new URL(import.meta.url));
  const ask = async (word: string): Promise<unknown> => {
    const answer = once(worker, 'message');
    if (word !== '') worker.postMessage(word);
    return ((await answer) as readonly unknown[])[0];
  };
  const port = (await ask('')) as number;
  for (const query of Object.values(CASES)) await load(query, port);
  for (const [name, query] of Object.entries(CASES)) {
    const before = (await ask('served')) as Served;
    const answered = await load(query, port);
    const after = (await ask('served')) as Served;
    const perQuery = (after.cpuMicros - before.cpuMicros) / (after.queries - before.queries);
    console.log(
      `udp   ${name.padEnd(30)} ${Math.round(answered / (DURATION_MS / 1000))} answers/s, ${perQuery.toFixed(1)} µs CPU each: ${Math.round(1e6 / perQuery)}/s on one core`,
    );
  }
  worker.postMessage('stop');
}

function alone(): void {
  const server = responder();
  for (const [name, query] of Object.entries(CASES)) {
    for (let index = 0; index < 50_000; index += 1) server.respond(query, 'udp');
    const before = process.threadCpuUsage();
    for (let index = 0; index < 200_000; index += 1) server.respond(query, 'udp');
    const { user, system } = process.threadCpuUsage(before);
    console.log(`codec ${name.padEnd(30)} ${((user + system) / 200_000).toFixed(2)} µs CPU each`);
  }
}

if (parentPort === null) {
  alone();
  await overSockets();
} else await serve(parentPort);
