/**
 * Speaks to a live server in every way and tells, one line of JSON a case, whether it was as without a mesh. Usage: live-client HOST; it goes on
 * existing afterwards, so that its log can be read.
 */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { WebSocket } from 'ws';
import { EVENTS, GRPC_PORT, HTTP_PORT, LIVE } from './live-service.ts';
import type { Note } from './live-service.ts';

/** One case. */
export interface LiveResult {
  readonly name: string;
  /** Absent: it held. */
  readonly error?: string;
  /** What the test wants to look at, such as the client's identity as the server was told. */
  readonly detail?: unknown;
}

const CASE_TIMEOUT_MS = 60_000;
/** Names resolve and routes exist a moment after they were made. */
const START_TIMEOUT_MS = 60_000;

const host = process.argv[2] ?? '';
const client = new Client(`${host}:${GRPC_PORT}`, credentials.createInsecure(), {
  'grpc.max_receive_message_length': 16 * 1024 * 1024,
});

interface Answer {
  readonly note: Note;
  readonly trailer: Metadata;
}

async function unary(text: string, method = LIVE.unary, deadlineMs = CASE_TIMEOUT_MS): Promise<Answer> {
  const note = Promise.withResolvers<Note>();
  const trailer = Promise.withResolvers<Metadata>();
  const call = client.makeUnaryRequest(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
    { text },
    new Metadata(),
    { deadline: Date.now() + deadlineMs },
    (error: ServiceError | null, answer?: Note) => {
      if (error !== null) note.reject(error);
      else note.resolve(answer ?? { text: '' });
    },
  );
  call.on('status', ({ metadata }) => trailer.resolve(metadata));
  return { note: await note.promise, trailer: await trailer.promise };
}

async function failed(call: Promise<unknown>): Promise<ServiceError> {
  return call.then(
    () => assert.fail('the call succeeded'),
    (error: unknown) => error as ServiceError,
  );
}

async function textsOf(notes: AsyncIterable<Note>): Promise<readonly string[]> {
  const texts: string[] = [];
  for await (const { text } of notes) texts.push(text);
  return texts;
}

async function openSocket(): Promise<WebSocket> {
  const socket = new WebSocket(`ws://${host}:${HTTP_PORT}/echo`);
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  return socket;
}

function nextMessage(socket: WebSocket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    socket.once('message', (data: Buffer) => resolve(data));
    socket.once('close', () => reject(new Error('closed before the message')));
  });
}

const CASES: Readonly<Record<string, () => Promise<unknown>>> = {
  'HTTP: who the server is told that we are': async () => (await fetch(`http://${host}:${HTTP_PORT}/`)).text(),
  'gRPC: a unary call with trailers': async () => {
    const { note, trailer } = await unary('hello');
    assert.equal(note.text, 'hello');
    assert.deepEqual(trailer.get('live-trailer'), ['kept']);
    return note.client;
  },
  'gRPC: status, message and trailers of a call that fails': async () => {
    const error = await failed(unary('fail'));
    assert.equal(error.code, status.FAILED_PRECONDITION);
    assert.equal(error.details, 'as asked');
    assert.deepEqual(error.metadata.get('live-trailer'), ['kept']);
  },
  'gRPC: a deadline ends the call': async () => {
    assert.equal((await failed(unary('x', LIVE.never, 500))).code, status.DEADLINE_EXCEEDED);
  },
  'gRPC: a message of 4 MB': async () => {
    const text = 'mesh'.repeat(1_000_000);
    assert.ok((await unary(text)).note.text === text, 'it came back changed');
  },
  'gRPC: a stream of the server': async () => {
    const { path, requestSerialize, responseDeserialize } = LIVE.count;
    const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { text: '1000' });
    const texts = await textsOf(call as AsyncIterable<Note>);
    assert.equal(texts.length, 1000);
    assert.equal(texts.at(-1), '1000');
  },
  'gRPC: a stream of the client': async () => {
    const { path, requestSerialize, responseDeserialize } = LIVE.collect;
    const { promise, resolve, reject } = Promise.withResolvers<Note | undefined>();
    const call = client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, (error, note) =>
      error === null ? resolve(note) : reject(error),
    );
    for (const text of ['a', 'b', 'c']) call.write({ text });
    call.end();
    assert.equal((await promise)?.text, 'abc');
  },
  'gRPC: a conversation, line by line': async () => {
    const { path, requestSerialize, responseDeserialize } = LIVE.chat;
    const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    const answers = (call as AsyncIterable<Note>)[Symbol.asyncIterator]();
    for (const text of ['one', 'two', 'three']) {
      call.write({ text });
      assert.equal(((await answers.next()).value as Note).text, text.toUpperCase());
    }
    call.end();
    assert.equal((await answers.next()).done, true);
  },
  'WebSocket: texts and a megabyte, there and back': async () => {
    const socket = await openSocket();
    for (const text of ['one', 'two']) {
      socket.send(text);
      assert.equal((await nextMessage(socket)).toString(), text);
    }
    const megabyte = Buffer.alloc(1_000_000, 'mesh');
    socket.send(megabyte);
    assert.ok(megabyte.equals(await nextMessage(socket)), 'it came back changed');
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.close(1000, 'done');
    assert.equal(await closed, 1000);
  },
  'server-sent events: each as it is sent': async () => {
    const response = await fetch(`http://${host}:${HTTP_PORT}/events`);
    assert.ok(response.body !== null);
    let text = '';
    const delaysMs: number[] = [];
    for await (const chunk of response.body) {
      text += Buffer.from(chunk).toString();
      const whole = text.split('\n\n');
      text = whole.pop() ?? '';
      for (const event of whole) delaysMs.push(Date.now() - Number(/data: (\d+)/.exec(event)?.[1]));
    }
    assert.equal(delaysMs.length, EVENTS.count);
    return delaysMs;
  },
};

async function reachable(): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    const answered = await fetch(`http://${host}:${HTTP_PORT}/`).then(
      (response) => response.status === 200,
      () => false,
    );
    if (answered || Date.now() > deadline) return;
    await pause(100);
  }
}

async function tell(name: string, run: () => Promise<unknown>): Promise<void> {
  let result: LiveResult;
  try {
    const signal = AbortSignal.timeout(CASE_TIMEOUT_MS);
    const late = new Promise<never>((_, reject) =>
      signal.addEventListener('abort', () => reject(new Error(`not over after ${CASE_TIMEOUT_MS} ms`)), { once: true }),
    );
    result = { name, detail: await Promise.race([run(), late]) };
  } catch (error) {
    result = { name, error: error instanceof Error ? error.message : String(error) };
  }
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

await reachable();
for (const [name, run] of Object.entries(CASES)) await tell(name, run);
process.stdout.write(`${JSON.stringify({ name: 'end' })}\n`);
setInterval(() => undefined, 60_000);
