/** An HTTP/2 client for load, in plain text by prior knowledge: one constant request, many at a time on each connection; answers are counted and checked, not kept. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { answerBytes, requestPath } from '../lib/protocols.ts';
import type { Client, Outcomes, Target } from './client.ts';
import {
  cancelStream,
  clientPreface,
  FLAG,
  FRAME,
  frame,
  FRAME_HEAD_BYTES,
  isOk,
  maxConcurrentStreams,
  requestTemplate,
  setStream,
  windowUpdate,
} from './http2-frames.ts';
import { Queue } from './queue.ts';

/** Used until the peer says otherwise; RFC 9113 §6.5.2 recommends no less. */
const STREAMS_MAX = 100;
/** Consumed bytes that are given back to the connection's window at once. */
const WINDOW_STEP = 2 ** 28;
const STREAM_LAST = 2 ** 31 - 1;

interface Stream {
  readonly index: number;
  bytes: number;
  isOk: boolean;
}

/** A proxy that refuses connections should not be hammered. */
const REOPEN_MS = 20;

interface Connection {
  readonly socket: Socket;
  readonly streams: Map<number, Stream>;
  nextStream: number;
  streamsMax: number;
  consumed: number;
  /** The peer takes no more requests here. */
  isLeaving: boolean;
  rest: Buffer;
  /** Called with the peer's first SETTINGS: only now its limits are known. */
  ready: (() => void) | undefined;
}

export class Http2Client implements Client {
  readonly #target: Target;
  readonly #outcomes: Outcomes;
  readonly #template: Buffer;
  /** Those that take requests. */
  readonly #all: Connection[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #waiting = new Queue();
  #turn = 0;
  #closed = false;

  constructor(target: Target, outcomes: Outcomes) {
    this.#target = target;
    this.#outcomes = outcomes;
    const { protocol, body, host, port } = target;
    const authority = `${host}:${port}`;
    this.#template = requestTemplate({ path: requestPath(protocol, body), authority, isGrpc: protocol === 'grpc' });
  }

  async open(): Promise<void> {
    await Promise.all(Array.from({ length: this.#target.connections }, () => this.#connect()));
  }

  send(index: number): void {
    const connection = this.#pick();
    if (connection === undefined) this.#waiting.push(index);
    else this.#start(connection, index);
  }

  cancel(index: number): void {
    for (const { streams, socket } of this.#all) {
      for (const [id, stream] of streams) {
        if (stream.index !== index) continue;
        streams.delete(id);
        socket.write(cancelStream(id));
      }
    }
  }

  close(): void {
    this.#closed = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** The next one, in turn, that has room. */
  #pick(): Connection | undefined {
    for (let tried = 0; tried < this.#all.length; tried += 1) {
      this.#turn = (this.#turn + 1) % this.#all.length;
      const connection = this.#all[this.#turn];
      if (connection !== undefined && !connection.isLeaving && connection.streams.size < connection.streamsMax)
        return connection;
    }
    return undefined;
  }

  #start(connection: Connection, index: number): void {
    const request = Buffer.from(this.#template);
    setStream(request, connection.nextStream);
    connection.streams.set(connection.nextStream, { index, bytes: 0, isOk: false });
    connection.nextStream += 2;
    if (connection.nextStream > STREAM_LAST) connection.isLeaving = true;
    connection.socket.write(request);
  }

  #connect(): Promise<void> {
    const { host, port } = this.#target;
    const socket = connect({ host, port, noDelay: true });
    this.#sockets.add(socket);
    const connection: Connection = {
      socket,
      streams: new Map(),
      nextStream: 1,
      streamsMax: STREAMS_MAX,
      consumed: 0,
      isLeaving: false,
      rest: Buffer.alloc(0),
      ready: undefined,
    };
    let why = 'the connection was closed';
    socket.on('data', (chunk: Buffer) => this.#read(connection, chunk));
    socket.on('error', (error) => (why = error.message));
    return new Promise((resolve, reject) => {
      socket.once('connect', () => socket.write(clientPreface()));
      connection.ready = () => {
        connection.ready = undefined;
        this.#all.push(connection);
        resolve();
      };
      socket.once('close', () => {
        this.#sockets.delete(socket);
        reject(new Error(`${host}:${port}: ${why}`));
        this.#gone(connection, why);
      });
    });
  }

  #gone(connection: Connection, why: string): void {
    const at = this.#all.indexOf(connection);
    if (at !== -1) this.#all.splice(at, 1);
    if (this.#closed) return;
    for (const { index } of connection.streams.values()) this.#outcomes.failed(index, why);
    // What can't be opened is tried again, as `close` comes then too; requests wait meanwhile.
    setTimeout(() => void (this.#closed || this.#connect().catch(() => undefined)), REOPEN_MS);
  }

  #drain(): void {
    for (let connection = this.#pick(); connection !== undefined; connection = this.#pick()) {
      const index = this.#waiting.shift();
      if (index === undefined) return;
      this.#start(connection, index);
    }
  }

  #read(connection: Connection, chunk: Buffer): void {
    const bytes = connection.rest.length === 0 ? chunk : Buffer.concat([connection.rest, chunk]);
    let at = 0;
    while (at + FRAME_HEAD_BYTES <= bytes.length) {
      const end = at + FRAME_HEAD_BYTES + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      this.#frame(connection, bytes, at, end);
      at = end;
    }
    connection.rest = at === bytes.length ? Buffer.alloc(0) : bytes.subarray(at);
    this.#drain();
  }

  #frame(connection: Connection, bytes: Buffer, at: number, end: number): void {
    const type = bytes[at + 3];
    const flags = bytes[at + 4] ?? 0;
    const id = bytes.readUInt32BE(at + 5) & STREAM_LAST;
    const payload = bytes.subarray(at + FRAME_HEAD_BYTES, end);
    switch (type) {
      case FRAME.data:
        return this.#data(connection, id, flags, payload);
      case FRAME.headers:
        return this.#headers(connection, id, flags, payload);
      case FRAME.rstStream:
        return this.#fail(connection, id, `the stream was reset with ${payload.readUInt32BE(0)}`);
      case FRAME.settings:
        if ((flags & FLAG.ack) !== 0) return;
        connection.streamsMax = maxConcurrentStreams(payload) ?? connection.streamsMax;
        connection.socket.write(frame(FRAME.settings, FLAG.ack, 0, Buffer.alloc(0)));
        connection.ready?.();
        return;
      case FRAME.ping:
        if ((flags & FLAG.ack) === 0) connection.socket.write(frame(FRAME.ping, FLAG.ack, 0, payload));
        return;
      case FRAME.goAway:
        return this.#goAway(connection, payload.readUInt32BE(0));
      default:
        // Its windows are never exhausted by our requests; what it does not know a client ignores (RFC 9113 §4.1).
        return;
    }
  }

  #data(connection: Connection, id: number, flags: number, payload: Buffer): void {
    connection.consumed += payload.length;
    if (connection.consumed >= WINDOW_STEP) {
      connection.socket.write(windowUpdate(connection.consumed));
      connection.consumed = 0;
    }
    const stream = connection.streams.get(id);
    if (stream === undefined) return;
    const padding = (flags & FLAG.padded) === 0 ? 0 : 1 + (payload[0] ?? 0);
    stream.bytes += payload.length - padding;
    if ((flags & FLAG.endStream) !== 0) this.#end(connection, id, stream);
  }

  #headers(connection: Connection, id: number, flags: number, payload: Buffer): void {
    const stream = connection.streams.get(id);
    if (stream === undefined) return;
    const skipped = ((flags & FLAG.padded) === 0 ? 0 : 1) + ((flags & FLAG.priority) === 0 ? 0 : 5);
    // Trailers come later and have no status.
    if (stream.bytes === 0 && !stream.isOk) stream.isOk = isOk(payload.subarray(skipped));
    if ((flags & FLAG.endStream) !== 0) this.#end(connection, id, stream);
  }

  #end(connection: Connection, id: number, stream: Stream): void {
    const expected = answerBytes(this.#target.protocol, this.#target.body);
    if (!stream.isOk) return this.#fail(connection, id, "the answer's status was not 200");
    if (stream.bytes !== expected)
      return this.#fail(connection, id, `the answer's body had ${stream.bytes} bytes, not ${expected}`);
    connection.streams.delete(id);
    this.#outcomes.answered(stream.index);
  }

  #fail(connection: Connection, id: number, why: string): void {
    const stream = connection.streams.get(id);
    if (stream === undefined) return;
    connection.streams.delete(id);
    this.#outcomes.failed(stream.index, why);
  }

  /** Streams above the last one were not looked at, so they may be sent anew (RFC 9113 §6.8). */
  #goAway(connection: Connection, last: number): void {
    connection.isLeaving = true;
    for (const [id, { index }] of connection.streams) {
      if (id <= last) continue;
      connection.streams.delete(id);
      this.#waiting.push(index);
    }
    if (connection.streams.size === 0) connection.socket.destroy();
  }
}
