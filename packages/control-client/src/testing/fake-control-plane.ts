/**
 * A control plane whose every answer a test decides: the four services of the proxy API on grpc-js, in plain text or behind
 * TLS. It speaks to clients that offer no ALPN, as proxies do.
 */
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server as NetServer, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { ServerUnaryCall, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js';
import { destination, identity, inbound, outbound } from '@mesh/proxy-api';

/** One open server stream, as a test drives it. */
export interface FakeStream<Request, Response> {
  readonly request: Request;
  send(message: Response): void;
  end(): void;
  fail(code: number, message?: string): void;
  readonly cancelled: boolean;
}

type StreamHandler<Request, Response> = (stream: FakeStream<Request, Response>) => void;

/** PEM texts of the server's certificate, and what client certificates are checked against when presented. */
export interface FakeTls {
  readonly keyPem: string;
  readonly chainPem: string;
  readonly trustPem: string;
}

interface MessageType {
  encode(message: never): { finish(): Uint8Array };
  decode(bytes: Uint8Array): unknown;
}

export class FakeControlPlane {
  certify: (request: identity.CertifyRequest) => Promise<identity.CertifyResponse> = () =>
    Promise.reject(Object.assign(new Error('no certifier'), { code: 14 }));
  get: StreamHandler<destination.GetDestination, destination.Update> = () => undefined;
  getProfile: StreamHandler<destination.GetDestination, destination.DestinationProfile> = () => undefined;
  watchPort: StreamHandler<inbound.PortSpec, inbound.Server> = () => undefined;
  watchOutbound: StreamHandler<outbound.TrafficSpec, outbound.OutboundPolicy> = () => undefined;
  /** The verified names of each TLS client, `undefined` for one without certificate. */
  readonly clients: (string | undefined)[] = [];

  #server: Server | undefined;
  #listener: NetServer | undefined;
  readonly #sockets = new Set<Socket>();
  readonly #tls: FakeTls | undefined;

  constructor(tls?: FakeTls) {
    this.#tls = tls;
  }

  /** Listens on a loopback port (any, unless given) and resolves to it. */
  async listen(port = 0): Promise<number> {
    const server = this.#createServer();
    this.#server = server;
    const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
    const inject = (socket: Socket): void => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => undefined);
      injector.injectConnection(socket);
    };
    this.#listener = this.#tls === undefined ? createTcpServer(inject) : this.#tlsListener(this.#tls, inject);
    const listener = this.#listener;
    // Also those that are still in their TLS handshake.
    listener.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve) => listener.listen(port, '127.0.0.1', resolve));
    return (listener.address() as AddressInfo).port;
  }

  /** Ends everything at once, as a killed process does. */
  async stop(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    for (const socket of this.#sockets) socket.destroy();
    this.#server?.forceShutdown();
    if (listener !== undefined) await new Promise((resolve) => listener.close(resolve));
  }

  get connections(): number {
    return this.#sockets.size;
  }

  #tlsListener(tls: FakeTls, inject: (socket: Socket) => void): NetServer {
    const listener = createTlsServer(
      { key: tls.keyPem, cert: tls.chainPem, ca: tls.trustPem, requestCert: true, rejectUnauthorized: false },
      (socket: TLSSocket) => {
        this.clients.push(socket.authorized ? socket.getPeerCertificate().subjectaltname : undefined);
        // The HTTP/2 server behind the injector refuses sockets that agreed on no protocol.
        Object.assign(socket, { alpnProtocol: 'h2' });
        inject(socket);
      },
    );
    listener.on('tlsClientError', () => undefined);
    return listener;
  }

  #createServer(): Server {
    const server = new Server();
    const { DestinationDefinition } = destination;
    const { InboundServerPoliciesDefinition } = inbound;
    const { OutboundPoliciesDefinition } = outbound;
    const { certify } = identity.IdentityDefinition.methods;
    server.addService(
      { certify: unaryDefinition(identity.IdentityDefinition.fullName, certify) },
      {
        certify: (call: ServerUnaryCall<identity.CertifyRequest, unknown>, answer: sendUnaryData<unknown>) => {
          this.certify(call.request).then(
            (response) => answer(null, response),
            (error: unknown) => answer(error as Error),
          );
        },
      },
    );
    server.addService(
      {
        get: streamDefinition(DestinationDefinition.fullName, DestinationDefinition.methods.get),
        getProfile: streamDefinition(DestinationDefinition.fullName, DestinationDefinition.methods.getProfile),
      },
      { get: drive(() => this.get), getProfile: drive(() => this.getProfile) },
    );
    server.addService(
      {
        watchPort: streamDefinition(
          InboundServerPoliciesDefinition.fullName,
          InboundServerPoliciesDefinition.methods.watchPort,
        ),
      },
      { watchPort: drive(() => this.watchPort) },
    );
    server.addService(
      { watch: streamDefinition(OutboundPoliciesDefinition.fullName, OutboundPoliciesDefinition.methods.watch) },
      { watch: drive(() => this.watchOutbound) },
    );
    return server;
  }
}

interface Definition {
  readonly name: string;
  readonly requestType: MessageType;
  readonly responseType: MessageType;
}

function definition(
  service: string,
  method: Definition,
  responseStream: boolean,
): Readonly<Record<string, unknown>> & {
  path: string;
  requestStream: boolean;
  responseStream: boolean;
  requestSerialize: (value: unknown) => Buffer;
  requestDeserialize: (bytes: Buffer) => unknown;
  responseSerialize: (value: unknown) => Buffer;
  responseDeserialize: (bytes: Buffer) => unknown;
} {
  const { requestType, responseType } = method;
  return {
    path: `/${service}/${method.name}`,
    requestStream: false,
    responseStream,
    requestSerialize: (value) => Buffer.from(requestType.encode(value as never).finish()),
    requestDeserialize: (bytes) => requestType.decode(bytes),
    responseSerialize: (value) => Buffer.from(responseType.encode(value as never).finish()),
    responseDeserialize: (bytes) => responseType.decode(bytes),
  };
}

function unaryDefinition(service: string, method: Definition): ReturnType<typeof definition> {
  return definition(service, method, false);
}

function streamDefinition(service: string, method: Definition): ReturnType<typeof definition> {
  return definition(service, method, true);
}

function drive<Request, Response>(handler: () => StreamHandler<Request, Response>) {
  return (call: ServerWritableStream<Request, Response>): void => {
    handler()({
      request: call.request,
      send: (message) => void call.write(message),
      end: () => call.end(),
      fail: (code, message = 'refused') =>
        void call.emit('error', Object.assign(new Error(message), { code, details: message })),
      get cancelled() {
        return call.cancelled;
      },
    });
  };
}
