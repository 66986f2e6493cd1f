/** The sockets of the name server: UDP and TCP on one port (RFC 1035 §4.2, RFC 7766). */
import { createSocket } from 'node:dgram';
import type { Socket as UdpSocket } from 'node:dgram';
import { createServer, isIPv6 } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Component, Logger } from '@mesh/runtime';
import type { DnsObserver, Transport } from './metrics.ts';
import { TcpSession } from './tcp-session.ts';

export interface MessageHandler {
  /** @returns undefined when there is nothing to say */
  respond(message: Uint8Array, transport: Transport): Buffer | undefined;
}

export interface DnsServerOptions {
  readonly host: string;
  /** 0 for any. */
  readonly port: number;
}

export interface DnsServerDeps {
  readonly handler: MessageHandler;
  readonly observer: DnsObserver;
  readonly logger: Logger;
}

/** Resolvers of nodes keep a few connections each; a cluster has hundreds of nodes at most before it has more replicas. */
export const TCP_CONNECTIONS_MAX = 1024;
/** Bursts wait in the kernel: about ten thousand queries. The kernel grants less where `net.core.rmem_max` says so. */
const UDP_RECEIVE_BYTES = 4 * 1024 * 1024;

export class DnsServer implements Component {
  readonly name = 'dns server';
  readonly #options: DnsServerOptions;
  readonly #deps: DnsServerDeps;
  readonly #sessions = new Set<TcpSession>();
  #tcp: Server | undefined;
  #udp: UdpSocket | undefined;

  constructor(options: DnsServerOptions, deps: DnsServerDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** The bound port, the same for both; 0 before `start`. */
  get port(): number {
    return (this.#tcp?.address() as AddressInfo | null | undefined)?.port ?? 0;
  }

  async start(): Promise<void> {
    this.#tcp = await this.#listenTcp();
    this.#udp = await this.#bindUdp(this.port);
    this.#deps.logger.info('dns listening', { address: this.#options.host, port: this.port });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const [tcp, udp] = [this.#tcp, this.#udp];
    this.#tcp = undefined;
    this.#udp = undefined;
    for (const session of this.#sessions) session.close();
    if (udp !== undefined) await new Promise<void>((resolve) => void udp.close(() => resolve()));
    if (tcp !== undefined) await new Promise<void>((resolve) => void tcp.close(() => resolve()));
  }

  async #listenTcp(): Promise<Server> {
    const { host, port } = this.#options;
    const server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen({ host, port }, resolve);
    await promise;
    server.off('error', reject);
    server.on('error', (error) => this.#deps.logger.warn('dns over TCP failed', { error }));
    return server;
  }

  #accept(socket: Socket): void {
    const { handler, observer } = this.#deps;
    if (this.#sessions.size >= TCP_CONNECTIONS_MAX) {
      observer.dropped('connection_limit');
      socket.destroy();
      return;
    }
    const session = new TcpSession(socket, handler);
    this.#sessions.add(session);
    observer.connections(1);
    socket.once('close', () => {
      this.#sessions.delete(session);
      observer.connections(-1);
    });
  }

  async #bindUdp(port: number): Promise<UdpSocket> {
    const { handler, observer, logger } = this.#deps;
    const type = isIPv6(this.#options.host) ? 'udp6' : 'udp4';
    const socket = createSocket({ type, recvBufferSize: UDP_RECEIVE_BYTES });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once('error', reject);
    socket.bind(port, this.#options.host, resolve);
    await promise;
    socket.off('error', reject);
    socket.on('error', (error) => logger.warn('dns over UDP failed', { error }));
    const sent = (error: Error | null): void => {
      if (error !== null) observer.dropped('send_failed');
    };
    socket.on('message', (message, peer) => {
      const response = handler.respond(message, 'udp');
      if (response !== undefined) socket.send(response, peer.port, peer.address, sent);
    });
    return socket;
  }
}
