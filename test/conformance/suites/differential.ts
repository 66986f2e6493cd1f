/**
 * Do others read what we forward as we read it? Requests, good, odd and damaged, are read by our parser; what it accepts is written as the proxy
 * writes it, and read by node:http, nginx and HAProxy. Each must see the same requests with the same bodies, or refuse; to see others, or to
 * wait for more, is what request smuggling needs. The same with hostile header lists of HTTP/2 that are translated for an HTTP/1 server.
 */
import { createServer as createHttpServer } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  FRAMING,
  h1RequestFraming,
  h1RequestHead,
  HTTP_1_1,
  isAbsolute,
  MessageReader,
  METHOD,
  writeHead,
} from '@mesh/wire';
import { freePort } from '@mesh/runtime/testing';
import { findProgram, startProgram, untilListening } from '../../../bench/lib/programs.ts';
import { readCorpus } from '../../../packages/wire/test/fuzz/corpus.ts';
import { mutate } from '../../../packages/wire/test/fuzz/mutate.ts';
import { Random } from '../../../packages/wire/test/fuzz/random.ts';
import { exchange } from '../raw-peers.ts';
import type { CaseResult, SuiteResult } from '../result.ts';
import { RAW_CASES } from './raw-cases.ts';

/** How many inputs are made. */
export interface DifferentialSize {
  readonly damaged: number;
  readonly downgraded: number;
}

const SIZE: DifferentialSize = { damaged: 10_000, downgraded: 5000 };
const SEED = 11;
const ANSWER_MS = 5000;
const IP = '127.0.0.1';
const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';
const REFUSAL = 'HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n';
const NO_EDITS = { drop: 0, add: new Uint8Array(0), authority: undefined };

/** A request as somebody read it: method, path, host and body. */
type Reading = string;

interface Ours {
  readonly readings: readonly Reading[];
  /** What the proxy would send. */
  readonly forwarded: string;
  readonly refused: boolean;
}

interface Reader extends AsyncDisposable {
  readonly name: string;
  readonly port: number;
  /** What it read since the last call. */
  take(): Reading[];
}

const reading = (method: string, target: string, host: string, body: string): Reading =>
  JSON.stringify([
    method,
    target.replace(/^https?:\/\/[^/?]*/i, '').replace(/^(?=\?|$)/, '/'),
    host.toLowerCase(),
    body,
  ]);

/** Every complete request in a stream, as our parser reads it; stops at tunnels, which have no requests in them. */
class OurReader {
  readonly readings: Reading[] = [];
  forwarded = '';
  refused = false;
  readonly #reader = new MessageReader();
  #start = '';
  #current: readonly [string, string, string] | undefined = undefined;
  #payload = '';
  #raw = '';

  /** Reads on. Returns how many requests were completed. */
  feed(bytes: Buffer): number {
    const before = this.readings.length;
    const reader = this.#reader;
    reader.feed(bytes);
    while (!this.refused && this.#step(reader));
    return this.readings.length - before;
  }

  #step(reader: MessageReader): boolean {
    if (this.#current === undefined) {
      if (!reader.readHead()) {
        this.refused = reader.head.error !== undefined;
        return false;
      }
      const { head } = reader;
      if (head.upgrade || head.method === METHOD.connect) {
        this.refused = true;
        return false;
      }
      const host = isAbsolute(head) ? new URL(head.target()).host : head.host < 0 ? '' : head.value(head.host);
      this.#current = [head.methodText(), head.target(), head.host < 0 ? host : head.value(head.host)];
      this.#start = Buffer.from(writeHead(head, NO_EDITS, new Uint8Array(0))).toString('latin1');
      this.#payload = '';
      this.#raw = '';
    }
    const { body } = reader;
    while (!body.done && reader.at < reader.bytes.length) {
      const from = reader.at;
      const end = body.segment(reader.bytes, from, reader.bytes.length);
      if (end < 0) {
        this.refused = true;
        return false;
      }
      const chunk = Buffer.from(reader.bytes);
      this.#payload += chunk.toString('latin1', body.dataStart, body.dataEnd);
      this.#raw += chunk.toString('latin1', from, end);
      reader.at = end;
    }
    if (!body.done) return false;
    const [method, target, host] = this.#current;
    this.readings.push(reading(method, target, host, this.#payload));
    this.forwarded += this.#start + this.#raw;
    this.#current = undefined;
    return reader.at < reader.bytes.length;
  }
}

export async function differential(size: DifferentialSize = SIZE): Promise<SuiteResult> {
  const results: CaseResult[] = [];
  const inputs = [...knownInputs(), ...damagedInputs(size.damaged), ...downgradedInputs(size.downgraded)];
  let refused = 0;
  let compared = 0;
  await using stack = new AsyncDisposableStack();
  const readers: Reader[] = [stack.use(await nodeReader())];
  for (const name of ['nginx', 'haproxy'] as const) {
    const reader = await programReader(name);
    if (reader === undefined) results.push({ name: `${name} is not installed`, outcome: 'skipped' });
    else readers.push(stack.use(reader));
  }
  for (const { name, bytes } of inputs) {
    const ours = new OurReader();
    ours.feed(bytes);
    if (ours.readings.length === 0) {
      refused += 1;
      continue;
    }
    compared += 1;
    for (const reader of readers) {
      const problem = await compare(reader, ours);
      if (problem === undefined) results.push({ name: `${reader.name}: ${name}`, outcome: 'passed' });
      else
        results.push({
          name: `${reader.name}: ${name}`,
          outcome: 'failed',
          detail: `${problem}\nforwarded ${JSON.stringify(ours.forwarded)}`,
        });
    }
  }
  const target = `${inputs.length} inputs: ${compared} forwarded, ${refused} refused or incomplete; ${readers.map((one) => one.name).join(', ')}`;
  return { suite: 'differential', target, cases: results };
}

async function compare(reader: Reader, ours: Ours): Promise<string | undefined> {
  reader.take();
  const wanted = ours.readings.length;
  const done = new RegExp(
    `(?:HTTP/1\\.[01] (?!100)\\d\\d\\d[^]*){${wanted}}|HTTP/1\\.[01] [345]\\d\\d [^]*\\r\\n\\r\\n`,
  );
  const { received, closed } = await exchange(
    { host: IP, port: reader.port },
    [{ send: ours.forwarded }],
    done,
    ANSWER_MS,
  );
  const seen = reader.take();
  for (const [index, one] of seen.entries())
    if (one !== ours.readings[index])
      return `request ${index + 1} is ${ours.readings[index] ?? 'none'} for us and ${one} for ${reader.name}`;
  const answered = done.test(received);
  return answered || closed ? undefined : `${reader.name} read ${seen.length} of ${wanted} and waits for more`;
}

function* knownInputs(): Generator<{ name: string; bytes: Buffer }> {
  for (const one of RAW_CASES) {
    const send = typeof one.send === 'string' ? one.send : one.send.map((part) => part.send).join('');
    yield { name: one.name, bytes: Buffer.from(send, 'latin1') };
  }
}

const NAMES =
  ':method :path :scheme :authority :protocol host content-length transfer-encoding connection te upgrade cookie expect x trailer keep-alive X a:b'.split(
    ' ',
  );
const VALUES = [
  'GET',
  'POST',
  'PUT',
  '/',
  '/a',
  '*',
  '//a',
  '/a?b',
  '5',
  '0',
  '+5',
  '5, 5',
  'chunked',
  'trailers',
  'a.test',
  'b.test',
  'a.test:80',
  'u@a',
  'close',
  'a b',
  '',
  'x',
];
const TAILS = [
  '',
  '\r\nx: y',
  '\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n',
  '\n',
  '\0',
  ' ',
  '\t',
  '\x7f',
  '\xff',
];

/** Requests of HTTP/2 as the proxy would write them for an HTTP/1 server, with a body of 5 bytes where one is due. */
function* downgradedInputs(count: number): Generator<{ name: string; bytes: Buffer }> {
  for (let index = 0; index < count; index += 1) {
    const random = new Random(SEED + 1, index);
    const fields = [
      ':method',
      random.below(2) === 0 ? 'GET' : 'POST',
      ':scheme',
      'http',
      ':path',
      '/',
      ':authority',
      'a.test',
    ];
    // Most lists stay near a good one: what is refused at once tells nothing.
    for (let changes = random.below(3); changes > 0; changes -= 1) {
      const tail = random.below(4) === 0 ? (TAILS[random.below(TAILS.length)] ?? '') : '';
      const value = `${VALUES[random.below(VALUES.length)]}${tail}`;
      if (random.below(2) === 0) fields[1 + 2 * random.below(4)] = value;
      else fields.push(NAMES[random.below(NAMES.length)] ?? '', value);
    }
    const end = random.below(2) === 0;
    const head = h1RequestHead(fields, end, HTTP_1_1, NO_EDITS);
    const framing = h1RequestFraming(fields, end);
    const body = framing === FRAMING.chunked ? '5\r\nhello\r\n0\r\n\r\n' : framing === FRAMING.length ? 'hello' : '';
    // A refusal by the translation is as good as one by the parser.
    yield {
      name: `downgraded ${JSON.stringify(fields)}`,
      bytes: typeof head === 'string' ? Buffer.alloc(0) : Buffer.concat([head, Buffer.from(body)]),
    };
  }
}

function* damagedInputs(count: number): Generator<{ name: string; bytes: Buffer }> {
  const corpus = [
    ...readCorpus('h1-request'),
    ...[...knownInputs()].map((one) => one.bytes).filter((one) => one.length < 2000),
  ];
  for (let index = 0; index < count; index += 1)
    yield { name: `damaged input ${SEED}/${index}`, bytes: mutate(corpus, new Random(SEED, index)) };
}

/** node:http reads and answers by itself. */
async function nodeReader(): Promise<Reader> {
  const seen: Reading[] = [];
  const server = createHttpServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('latin1');
      seen.push(reading(request.method ?? '', request.url ?? '', request.headers.host ?? '', body));
      response.writeHead(200, { 'content-length': '0' }).end();
    });
    request.on('error', () => undefined);
  });
  const port = await listen(server);
  return {
    name: `node:http ${process.versions.node}`,
    port,
    take: () => seen.splice(0),
    [Symbol.asyncDispose]() {
      server.closeAllConnections();
      return new Promise((resolve) => void server.close(() => resolve()));
    },
  };
}

/** nginx or HAProxy in front of a server that reads with our parser what they pass on. */
async function programReader(name: 'nginx' | 'haproxy'): Promise<Reader | undefined> {
  const program = findProgram(name);
  if (program === undefined) return undefined;
  await using stack = new AsyncDisposableStack();
  const seen: Reading[] = [];
  const sockets = new Set<Socket>();
  const backend = createServer((socket) => {
    const reader = new OurReader();
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (bytes: Buffer) => {
      const complete = reader.feed(bytes);
      seen.push(...reader.readings.splice(0));
      for (let answers = 0; answers < complete; answers += 1) socket.write(ANSWER);
      // What the program in front made of the request is refused here: that is an answer too.
      if (reader.refused) socket.end(REFUSAL);
    });
  });
  const backendPort = await listen(backend);
  stack.defer(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise<void>((resolve) => void backend.close(() => resolve()));
  });
  const folder = mkdtempSync(join(tmpdir(), 'mesh-differential-'));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const port = await freePort();
  const file = join(folder, 'conf');
  writeFileSync(file, name === 'nginx' ? nginxConfig(folder, port, backendPort) : haproxyConfig(port, backendPort));
  const command = name === 'nginx' ? [program, '-p', folder, '-c', file] : [program, '-db', '-f', file];
  const running = stack.use(startProgram(command));
  await untilListening(IP, port, running);
  const owned = stack.move();
  return { name, port, take: () => seen.splice(0), [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function nginxConfig(folder: string, port: number, backend: number): string {
  return `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 256; }
http { access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  large_client_header_buffers 4 128k;
  server { listen ${IP}:${port}; location / { proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_pass http://${IP}:${backend}; } } }
`;
}

function haproxyConfig(port: number, backend: number): string {
  return `global
  tune.bufsize 131072
defaults
  mode http
  timeout connect 5s
  timeout client 10s
  timeout server 10s
frontend in
  bind ${IP}:${port}
  default_backend out
backend out
  server s ${IP}:${backend}
`;
}

interface Listening {
  listen(port: number, ip: string, done: () => void): unknown;
  address(): unknown;
}

async function listen(server: Listening): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, IP, resolve));
  return (server.address() as AddressInfo).port;
}
