/** The cluster's DNS server: UDP and TCP on one address, answers from a `NameSource`. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import type { Component, Logger } from '@mesh/runtime';
import {
  type DnsAnswer,
  type DnsQuery,
  DNS_CODE,
  decodeQuery,
  encodeResponse,
  truncatedResponse,
} from './dns-message.ts';

const TCP_BYTES_MAX = 65_535;
const TCP_IDLE_MS = 10_000;

export interface NameSource {
  answer(name: string, type: number): DnsAnswer | Promise<DnsAnswer>;
  /** How to pass a query on, for names of zones that another server has. */
  relay?(name: string): ((message: Uint8Array) => Promise<Buffer>) | undefined;
}

export class DnsServer implements Component {
  readonly name = 'dns';
  readonly #address: string;
  readonly #port: number;
  readonly #names: NameSource;
  readonly #log: Logger;
  readonly #connections = new Set<Socket>();
  #udp: UdpSocket | undefined;
  #tcp: Server | undefined;
  #boundPort = 0;

  /** @param options.port 0 for any */
  constructor(options: { readonly address: string; readonly port: number }, deps: { names: NameSource; log: Logger }) {
    this.#address = options.address;
    this.#port = options.port;
    this.#names = deps.names;
    this.#log = deps.log;
  }

  /** The bound port, once started. */
  get port(): number {
    return this.#boundPort;
  }

  async start(): Promise<void> {
    const tcp = createServer((socket) => this.#serveTcp(socket));
    await new Promise<void>((resolve, reject) => {
      tcp.once('error', reject);
      tcp.listen(this.#port, this.#address, resolve);
    });
    this.#tcp = tcp;
    const bound = tcp.address();
    this.#boundPort = typeof bound === 'object' && bound !== null ? bound.port : 0;
    const udp = createSocket('udp4');
    await new Promise<void>((resolve, reject) => {
      udp.once('error', reject);
      udp.bind(this.#boundPort, this.#address, resolve);
    });
    udp.on('error', (error) => this.#log.warn('DNS socket failed', { error }));
    udp.on('message', (message: Buffer, peer) => {
      void this.#respond(message, undefined).then((response) => {
        if (response !== undefined && this.#udp === udp) udp.send(response, peer.port, peer.address);
      });
    });
    this.#udp = udp;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const [udp, tcp] = [this.#udp, this.#tcp];
    this.#udp = undefined;
    this.#tcp = undefined;
    for (const socket of this.#connections) socket.destroy();
    if (udp !== undefined) await new Promise<void>((resolve) => void udp.close(() => resolve()));
    if (tcp !== undefined) await new Promise<void>((resolve) => void tcp.close(() => resolve()));
  }

  #serveTcp(socket: Socket): void {
    let pending: Buffer = Buffer.alloc(0);
    this.#connections.add(socket);
    socket.setTimeout(TCP_IDLE_MS, () => socket.destroy());
    socket.on('close', () => this.#connections.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const length = pending.readUInt16BE(0);
        const message = pending.subarray(2, 2 + length);
        pending = pending.subarray(2 + length);
        void this.#respond(message, TCP_BYTES_MAX).then((response) => {
          if (response === undefined) return socket.destroy();
          const prefix = Buffer.alloc(2);
          prefix.writeUInt16BE(response.length);
          socket.write(Buffer.concat([prefix, response]));
          return undefined;
        });
      }
    });
  }

  async #respond(message: Uint8Array, bytesMax: number | undefined): Promise<Buffer | undefined> {
    const query = decodeQuery(message);
    if (query === undefined) return undefined;
    const limit = bytesMax ?? query.udpBytes;
    const relay = this.#names.relay?.(query.question.name);
    if (relay !== undefined) return this.#relayed(query, message, relay, limit);
    const answer = await this.#answer(query);
    return encodeResponse(query, answer, limit);
  }

  async #relayed(
    query: DnsQuery,
    message: Uint8Array,
    relay: (message: Uint8Array) => Promise<Buffer>,
    bytesMax: number,
  ): Promise<Buffer> {
    try {
      const response = await relay(message);
      return response.length <= bytesMax ? response : truncatedResponse(query);
    } catch (error) {
      this.#log.warn('name server of a zone failed', { name: query.question.name, error });
      return encodeResponse(query, { code: DNS_CODE.serverFailure, answers: [] }, bytesMax);
    }
  }

  async #answer(query: DnsQuery): Promise<DnsAnswer> {
    if (query.opcode !== 0) return { code: DNS_CODE.notImplemented, answers: [] };
    if (query.question.class !== 1) return { code: DNS_CODE.refused, answers: [] };
    try {
      return await this.#names.answer(query.question.name, query.question.type);
    } catch (error) {
      this.#log.debug('name lookup failed', { name: query.question.name, error });
      return { code: DNS_CODE.serverFailure, answers: [] };
    }
  }
}
