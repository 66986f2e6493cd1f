/**
 * A gRPC server for proxies. They speak HTTP/2 over TLS 1.3 without negotiating it by ALPN, which HTTP/2 servers refuse: so
 * TLS ends here, and the decrypted connection is handed to the gRPC library as HTTP/2 by prior knowledge.
 *
 *   client ──TLS 1.3, no ALPN──▶ tls.Server ──decrypted──▶ gRPC
 *
 * Client certificates are asked for, not required: a workload's first call is the one that gets it a certificate.
 */
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server as TcpServer, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Server as TlsServer, TLSSocket } from 'node:tls';

import type { Component, Logger } from '@mesh/runtime';

import type { ServerIdentity } from './server-identity.ts';

export interface GrpcService {
  readonly definition: ServiceDefinition;
  readonly handlers: object;
}

export interface GrpcServerOptions {
  readonly host: string;
  /** 0: any free port; see `port`. */
  readonly port: number;
  readonly services: readonly GrpcService[];
}

/** A client that does not finish its handshake within this time is dropped. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Dead clients are noticed: a ping after this time without traffic, and the time to answer it. */
const KEEPALIVE_MS = 30_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;
/** How long calls may finish after the stop; watches never do, and their clients should be with another replica soon. */
const DRAIN_MS = 300;

type Injector = ReturnType<Server['createConnectionInjector']>;

export class GrpcServer implements Component {
  readonly name = 'grpc server';
  readonly #options: GrpcServerOptions;
  readonly #identity: ServerIdentity | undefined;
  readonly #logger: Logger;
  readonly #connections = new Set<Socket>();
  #server: Server | undefined;
  #injector: Injector | undefined;
  #listener: TcpServer | undefined;
  #unsubscribe: (() => void) | undefined;

  /** @param deps.identity Undefined: plain text, for loopback and tests. */
  constructor(
    options: GrpcServerOptions,
    deps: { readonly identity: ServerIdentity | undefined; readonly logger: Logger },
  ) {
    this.#options = options;
    this.#identity = deps.identity;
    this.#logger = deps.logger;
  }

  /** The port that is listened on. */
  get port(): number {
    return (this.#listener?.address() as AddressInfo | null | undefined)?.port ?? 0;
  }

  get connections(): number {
    return this.#connections.size;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#server = new Server({
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      'grpc.enable_channelz': 0,
    });
    for (const service of this.#options.services) {
      this.#server.addService(service.definition, service.handlers as UntypedServiceImplementation);
    }
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    this.#injector = injector;
    const listener = this.#identity === undefined ? this.#plain(injector) : this.#tls(injector, this.#identity);
    this.#listener = listener;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    listener.once('error', reject);
    listener.listen({ host: this.#options.host, port: this.#options.port }, resolve);
    await promise;
    listener.off('error', reject);
    listener.on('error', (error) => this.#logger.error('grpc listener failed', { error }));
    this.#logger.info('grpc listening', {
      address: this.#options.host,
      port: this.port,
      tls: this.#identity !== undefined,
    });
  }

  /** Stops accepting, tells clients to go elsewhere, then cuts what is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    const listener = this.#listener;
    if (listener === undefined) return;
    this.#listener = undefined;
    this.#unsubscribe?.();
    const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
    // Clients learn first (GOAWAY) that they should go elsewhere.
    this.#injector?.drain(DRAIN_MS);
    const cut = setTimeout(() => {
      this.#server?.forceShutdown();
      for (const socket of this.#connections) socket.destroy();
    }, DRAIN_MS);
    await closed;
    clearTimeout(cut);
    this.#server?.forceShutdown();
  }

  #plain(injector: Injector): TcpServer {
    return createTcpServer({ noDelay: true }, (socket) => {
      this.#track(socket);
      injector.injectConnection(socket);
    });
  }

  #tls(injector: Injector, identity: ServerIdentity): TlsServer {
    const server = createTlsServer({
      ...contextOf(identity),
      minVersion: 'TLSv1.3',
      requestCert: true,
      // Verified below: an absent certificate is fine, a bad one is not.
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      noDelay: true,
    });
    this.#unsubscribe = identity.onChange(() =>
      server.setSecureContext({ ...contextOf(identity), minVersion: 'TLSv1.3' }),
    );
    server.on('connection', (socket: Socket) => this.#track(socket));
    server.on('tlsClientError', (error) => this.#logger.debug('tls handshake failed', { error }));
    server.on('secureConnection', (socket: TLSSocket) => {
      if (socket.getPeerX509Certificate() !== undefined && !socket.authorized) {
        this.#logger.debug('client certificate refused', { error: socket.authorizationError });
        socket.destroy();
        return;
      }
      socket.on('error', (error) => this.#logger.debug('grpc connection failed', { error }));
      // The HTTP/2 server looks at this field to tell prior knowledge from HTTP/1.1.
      Object.defineProperty(socket, 'alpnProtocol', { value: 'h2', configurable: true });
      injector.injectConnection(socket);
    });
    return server;
  }

  #track(socket: Socket): void {
    this.#connections.add(socket);
    socket.on('error', (error) => this.#logger.debug('grpc connection failed', { error }));
    socket.once('close', () => this.#connections.delete(socket));
  }
}

/** Without a certificate the listener refuses handshakes until there is one. */
function contextOf(identity: ServerIdentity): { key?: string; cert?: string; ca?: string } {
  const credentials = identity.current();
  if (credentials === undefined) return {};
  const { key } = credentials;
  return {
    key: typeof key === 'string' ? key : key.export({ type: 'pkcs8', format: 'pem' }),
    cert: credentials.chainPem,
    ca: credentials.trustPem,
  };
}
