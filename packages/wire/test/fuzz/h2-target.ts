/** HTTP/2 connections of both roles under any bytes: the events are the same however they are cut, and what is sent consists of frames. */
import assert from 'node:assert/strict';
import { H2_PREFACE } from '../../src/h2/codes.ts';
import { H2Connection } from '../../src/h2/connection.ts';
import type { H2Handlers } from '../../src/h2/handlers.ts';

const BODY = Buffer.alloc(3000, 0x61);
const SETTINGS = Buffer.from('000000040000000000', 'hex');

class Recorder implements H2Handlers<null> {
  readonly log: string[] = [];
  readonly sent: Uint8Array[] = [];
  connection: H2Connection<null> | undefined = undefined;
  #dataOf = 0;
  #dataBytes = 0;

  note(line: string): void {
    if (this.#dataOf > 0) this.log.push(`data ${this.#dataOf} ${this.#dataBytes}`);
    this.#dataOf = 0;
    this.#dataBytes = 0;
    this.log.push(line);
  }
  write(_: unknown, parts: readonly Uint8Array[]): void {
    this.sent.push(...parts);
  }
  headers(...[stream, fields, kind, end]: Parameters<H2Handlers<null>['headers']>): void {
    this.note(`${kind} ${stream.id} ${fields.join(' ')} ${end}`);
    if (this.connection === undefined || !end) return;
    this.connection.respond(stream, [':status', '200'], false);
    this.connection.send(stream, BODY, true);
  }
  data(...[stream, bytes, end]: Parameters<H2Handlers<null>['data']>): void {
    // Pieces of the same stream are one event here.
    if (this.#dataOf !== stream.id && bytes.length > 0) {
      if (this.#dataOf > 0) this.log.push(`data ${this.#dataOf} ${this.#dataBytes}`);
      this.#dataOf = stream.id;
      this.#dataBytes = 0;
    }
    this.#dataBytes += bytes.length;
    this.consume(stream, bytes.length);
    if (end) this.note(`end ${stream.id}`);
  }
  consume: (stream: Parameters<H2Handlers<null>['data']>[0], bytes: number) => void = () => undefined;
  reset(...[stream, code, byPeer, reason]: Parameters<H2Handlers<null>['reset']>): void {
    this.note(`reset ${stream.id} ${code} ${byPeer} ${reason}`);
  }
  writable(): void {}
  goaway(_: unknown, last: number): void {
    this.note(`goaway ${last}`);
  }
  pong(): void {
    this.note('pong');
  }
  settings(): void {
    this.note('settings');
  }
  failed(_: unknown, code: number, reason: string): void {
    this.note(`failed ${code} ${reason}`);
  }
  refused(_: unknown, reason: string): void {
    this.note(`refused ${reason}`);
  }
}

function run(role: 'client' | 'server', chunks: readonly Buffer[]): Recorder {
  const recorder = new Recorder();
  const connection = new H2Connection<null>({ role, initStream: () => null, connectProtocol: true }, recorder);
  recorder.consume = (stream, bytes) => connection.consume(stream, bytes);
  connection.start();
  if (role === 'server') {
    recorder.connection = connection;
    connection.receive(H2_PREFACE, 0);
  }
  connection.receive(SETTINGS, 0);
  if (role === 'client')
    for (const method of ['GET', 'HEAD', 'POST'])
      connection.request([':method', method, ':scheme', 'http', ':path', '/'], null, method !== 'POST');
  for (const chunk of chunks) connection.receive(chunk, 0);
  connection.abort();
  recorder.note('over');
  assert.equal(connection.streamCount, 0);
  assert.equal(connection.pendingBytes, 0);
  return recorder;
}

function checkFrames(sent: Buffer, from: number): void {
  let at = from;
  while (at < sent.length) {
    assert.ok(at + 9 <= sent.length && sent.readUIntBE(at, 3) <= 16_384, 'what was sent is not made of frames');
    at += 9 + sent.readUIntBE(at, 3);
  }
  assert.equal(at, sent.length);
}

function same(role: 'client' | 'server', whole: Buffer, parts: readonly Buffer[]): void {
  const once = run(role, [whole]);
  assert.deepEqual(run(role, parts).log, once.log);
  checkFrames(Buffer.concat(once.sent), role === 'client' ? H2_PREFACE.length : 0);
}

export const h2Server = (whole: Buffer, parts: readonly Buffer[]): void => same('server', whole, parts);
export const h2Client = (whole: Buffer, parts: readonly Buffer[]): void => same('client', whole, parts);
