/** An HTTP/1.1 client for load: one constant request, one at a time on each connection; answers are counted and checked, not kept. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { answerBytes, requestPath } from '../lib/protocols.ts';
import type { Client, Outcomes, Target } from './client.ts';
import { Queue } from './queue.ts';

const HEAD_END = Buffer.from('\r\n\r\n');
const HEAD_BYTES_MAX = 16_384;

/** A proxy that refuses connections should not be hammered. */
const REOPEN_MS = 20;

interface Connection {
  readonly socket: Socket;
  /** The request under way, or -1. */
  index: number;
  /** Bytes of the answer's body that are still to come; -1 before its head is complete. */
  left: number;
  head: Buffer;
}

export class Http1Client implements Client {
  readonly #target: Target;
  readonly #outcomes: Outcomes;
  readonly #request: Buffer;
  readonly #free: Connection[] = [];
  readonly #all = new Set<Connection>();
  readonly #waiting = new Queue();
  #closed = false;

  constructor(target: Target, outcomes: Outcomes) {
    this.#target = target;
    this.#outcomes = outcomes;
    const { protocol, body, host, port } = target;
    this.#request = Buffer.from(`GET ${requestPath(protocol, body)} HTTP/1.1\r\nhost: ${host}:${port}\r\n\r\n`);
  }

  async open(): Promise<void> {
    await Promise.all(Array.from({ length: this.#target.connections }, () => this.#connect()));
  }

  send(index: number): void {
    const connection = this.#free.pop();
    if (connection === undefined) this.#waiting.push(index);
    else this.#start(connection, index);
  }

  cancel(index: number): void {
    for (const connection of this.#all) {
      if (connection.index !== index) continue;
      connection.index = -1;
      connection.socket.resetAndDestroy();
    }
  }

  close(): void {
    this.#closed = true;
    for (const { socket } of this.#all) socket.destroy();
  }

  #connect(): Promise<void> {
    const { host, port } = this.#target;
    const socket = connect({ host, port, noDelay: true });
    const connection: Connection = { socket, index: -1, left: -1, head: Buffer.alloc(0) };
    this.#all.add(connection);
    let why = 'the connection was closed';
    socket.on('data', (chunk: Buffer) => this.#read(connection, chunk));
    socket.on('error', (error) => (why = error.message));
    return new Promise((resolve, reject) => {
      socket.once('connect', () => {
        resolve();
        this.#next(connection);
      });
      socket.once('close', () => {
        reject(new Error(`${host}:${port}: ${why}`));
        this.#gone(connection, why);
      });
    });
  }

  #gone(connection: Connection, why: string): void {
    this.#all.delete(connection);
    const at = this.#free.indexOf(connection);
    if (at !== -1) this.#free.splice(at, 1);
    if (this.#closed) return;
    if (connection.index !== -1) this.#outcomes.failed(connection.index, why);
    // What can't be opened is tried again, as `close` comes then too; requests wait meanwhile.
    setTimeout(() => void (this.#closed || this.#connect().catch(() => undefined)), REOPEN_MS);
  }

  #next(connection: Connection): void {
    const index = this.#waiting.shift();
    if (index === undefined) this.#free.push(connection);
    else this.#start(connection, index);
  }

  #start(connection: Connection, index: number): void {
    connection.index = index;
    connection.left = -1;
    connection.socket.write(this.#request);
  }

  #read(connection: Connection, chunk: Buffer): void {
    let body = chunk;
    if (connection.left === -1) {
      const bytes = connection.head.length === 0 ? chunk : Buffer.concat([connection.head, chunk]);
      const end = bytes.indexOf(HEAD_END);
      if (end === -1 && bytes.length < HEAD_BYTES_MAX) {
        connection.head = bytes;
        return;
      }
      connection.head = Buffer.alloc(0);
      const trouble = this.#take(connection, bytes.toString('latin1', 0, end + 2));
      if (trouble !== undefined) {
        connection.socket.destroy(new Error(trouble));
        return;
      }
      body = bytes.subarray(end + HEAD_END.length);
    }
    connection.left -= body.length;
    if (connection.left > 0) return;
    const { index } = connection;
    connection.index = -1;
    if (index !== -1) this.#outcomes.answered(index);
    this.#next(connection);
  }

  /** Reads an answer's head; says what is wrong with it. */
  #take(connection: Connection, head: string): string | undefined {
    if (!head.startsWith('HTTP/1.1 200 ')) return `the answer was ${head.slice(0, head.indexOf('\r\n'))}`;
    const length = Number(/\r\ncontent-length: *(\d+)\r\n/i.exec(head)?.[1]);
    const expected = answerBytes(this.#target.protocol, this.#target.body);
    if (length !== expected) return `the answer's body has ${length} bytes, not ${expected}`;
    connection.left = length;
    return undefined;
  }
}
