/**
 * The peer of the gateway benchmark: a closed loop of small requests over mutual TLS, each connection with one request under way (HTTP/1.1) or
 * several (HTTP/2). Prints a line `warm` when what follows counts, and then a line of JSON, {@link LoadResult}.
 *
 * Usage: load.ts PLAN.json   (see {@link LoadPlan})
 */
import { readFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import { connect } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { once } from 'node:events';
import type { TlsMaterial } from '@mesh/net';
import { quantiles } from '../lib/quantiles.ts';

export interface LoadPlan {
  readonly ip: string;
  readonly port: number;
  readonly protocol: 'http1' | 'http2';
  readonly material: TlsMaterial;
  readonly serverName: string;
  readonly alpn: string;
  /** Sent first, base64: a transport header, or nothing. */
  readonly preface: string;
  readonly connections: number;
  /** Requests under way on a connection of HTTP/2. */
  readonly streams: number;
  /** What comes before does not count: so many requests, or so long. */
  readonly warmUpRequests: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly failed: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const HEAD_END = Buffer.from('\r\n\r\n');
/** Some 100 s of the fastest proxy. */
const SAMPLES_MAX = 8_000_000;

const plan = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as LoadPlan;
const samples = new Float64Array(SAMPLES_MAX);
let warmedUp = 0;
let answered = 0;
let failed = 0;
let isCounting = false;
let isOver = false;

function count(startedMs: number, isGood: boolean): void {
  warmedUp += 1;
  if (!isCounting) return;
  if (!isGood) failed += 1;
  if (answered < SAMPLES_MAX) samples[answered] = performance.now() - startedMs;
  answered += 1;
}

async function dial(): Promise<TLSSocket> {
  const { ip: host, port, material, serverName: servername, alpn, preface } = plan;
  const { key, chain: cert, trust: ca } = material;
  const socket = connect({ host, port, key, cert, ca, servername, ...(alpn === '' ? {} : { ALPNProtocols: [alpn] }) });
  await once(socket, 'secureConnect');
  socket.setNoDelay(true);
  const bytes = Buffer.from(preface, 'base64');
  if (bytes.length > 0) await new Promise((resolve) => socket.write(bytes, resolve));
  return socket;
}

/** One request after the other. */
async function loopHttp1(): Promise<void> {
  const socket = await dial();
  const request = Buffer.from('GET /small HTTP/1.1\r\nhost: catalog.shop.svc.cluster.local\r\n\r\n');
  let startedMs = 0;
  let rest: Buffer = Buffer.alloc(0);
  const send = (): void => {
    startedMs = performance.now();
    socket.write(request);
  };
  socket.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const head = rest.indexOf(HEAD_END);
    if (head < 0) return;
    const text = rest.toString('latin1', 0, head);
    const length = Number(/content-length: *(\d+)/i.exec(text)?.[1] ?? 0);
    if (rest.length < head + HEAD_END.length + length) return;
    rest = rest.subarray(head + HEAD_END.length + length);
    count(startedMs, text.startsWith('HTTP/1.1 200 '));
    if (!isOver) send();
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    if (!isOver) throw new Error('the gateway closed a connection');
  });
  send();
}

async function loopHttp2(): Promise<void> {
  const socket = await dial();
  const session = connectHttp2('https://catalog.shop.svc.cluster.local', { createConnection: () => socket });
  session.on('error', (error) => {
    if (!isOver) throw error;
  });
  for (let stream = 0; stream < plan.streams; stream += 1) ask(session);
}

function ask(session: ClientHttp2Session): void {
  const startedMs = performance.now();
  const stream = session.request({ ':path': '/small' });
  let status = 0;
  stream.on('response', (headers) => (status = headers[':status'] ?? 0));
  stream.on('error', () => undefined);
  stream.resume();
  stream.on('close', () => {
    count(startedMs, status === 200);
    if (!isOver) ask(session);
  });
}

const pass = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

await Promise.all(Array.from({ length: plan.connections }, plan.protocol === 'http1' ? loopHttp1 : loopHttp2));
const warmMs = performance.now() + plan.warmUpMs;
while (warmedUp < plan.warmUpRequests && performance.now() < warmMs) await pass(50);
isCounting = true;
const startedMs = performance.now();
process.stdout.write('warm\n');
await pass(plan.durationMs);
isCounting = false;
isOver = true;
const seconds = (performance.now() - startedMs) / 1000;
const { p50, p99 } = quantiles(samples.subarray(0, Math.min(answered, SAMPLES_MAX)));
const result: LoadResult = { requests: answered, failed, seconds, p50Ms: p50, p99Ms: p99 };
process.stdout.write(`${JSON.stringify(result)}\n`);
process.exit(0);
