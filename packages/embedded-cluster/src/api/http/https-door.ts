/** The HTTPS listener: TLS with optional client certificates, one handler per request, an orderly end. */
import { createServer, type Server } from 'node:https';
import { constants } from 'node:crypto';
import type { AddressInfo, Socket } from 'node:net';
import { MeshError } from '@mesh/runtime';
import type { CertificatePair } from '../credentials.ts';
import { handleRequest } from './handler.ts';
import type { HandlerParts } from './handler-parts.ts';

export interface HttpsDoorOptions {
  readonly host: string;
  readonly port: number;
  readonly serving: CertificatePair;
  readonly clientCaPem: string;
}

export class HttpsDoor {
  readonly #server: Server;
  readonly #parts: HandlerParts;
  readonly #options: HttpsDoorOptions;
  readonly #sockets = new Set<Socket>();

  constructor(options: HttpsDoorOptions, parts: HandlerParts) {
    this.#options = options;
    this.#parts = parts;
    this.#server = createServer(
      {
        key: options.serving.keyPem,
        cert: options.serving.certificatePem,
        ca: options.clientCaPem,
        requestCert: true,
        // The certificate is judged per request, so that a bad one gets a 401 with a body instead of a broken handshake.
        rejectUnauthorized: false,
        // A resumed session doesn't carry the client's certificate again.
        secureOptions: constants.SSL_OP_NO_TICKET,
        minVersion: 'TLSv1.2',
        ALPNProtocols: ['http/1.1'],
        keepAliveTimeout: 90_000,
        requestTimeout: 60_000,
      },
      (request, response) => void handleRequest(parts, request, response),
    );
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    // Clients that leave during the handshake are everyday life.
    this.#server.on('tlsClientError', () => undefined);
    this.#server.on('upgrade', (_request, socket) => {
      socket.end('HTTP/1.1 501 Not Implemented\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    });
  }

  /** Resolves to the port. */
  async listen(): Promise<number> {
    const { host, port } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen(port, host, resolve);
    try {
      await promise;
    } catch (error) {
      throw new MeshError(
        { code: 'listen_failed', host, port },
        `API server can't listen on ${host}:${port} (${(error as Error).message}): use port 0 or another address`,
        { cause: error },
      );
    }
    this.#server.on('error', (error) => this.#parts.operations.machinery.log.warn('API listener failed', { error }));
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends watches, refuses new connections, lets requests in flight finish for a moment, then closes. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const end of this.#parts.openWatches) end();
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => this.#destroyAll(), 500);
    await closed;
    clearTimeout(timer);
  }

  /** Breaks every connection at once, as a crash would. */
  async destroy(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#destroyAll();
    await closed;
  }

  #destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
