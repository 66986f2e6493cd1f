/** Two real proxies on loopback addresses with fake control planes, and programs at both ends. */
import { createServer as createHttpServer, request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, RequestListener } from 'node:http';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Endpoint, InboundPolicy } from '@mesh/model';
import { createNodeDriver } from '@mesh/net';
import type { Address } from '@mesh/net';
import { Drain, silentLogger, systemClock } from '@mesh/runtime';
import { TestAnchor } from '../../net/src/testing/certificates.ts';
import type { AccessLog } from '../src/access-log/access-log.ts';
import { DATA_PATH_DEFAULTS, DataPath } from '../src/data-path.ts';
import type { DataPathOptions } from '../src/data-path.ts';
import {
  balanced,
  endpoint,
  endpointSet,
  FakeDiscovery,
  FakeEndpoints,
  FakeIdentity,
  FakeMetrics,
  FakePolicies,
  inboundPolicy,
  outboundPolicy,
} from '../src/testing/fakes.ts';

export { TestAnchor };
export { until } from '../../net/src/testing/recorder.ts';

export const identityName = (account: string): string => `${account}.ns.serviceaccount.identity.linkerd.cluster.local`;

/** One sidecar with its fake control plane. */
export class TestProxy implements AsyncDisposable {
  readonly ip: string;
  readonly metrics = new FakeMetrics();
  readonly discovery = new FakeDiscovery();
  readonly endpoints = new FakeEndpoints();
  readonly drain = new Drain();
  readonly identity: FakeIdentity;
  readonly policies: FakePolicies;
  readonly dataPath: DataPath;
  /** What the outbound listener takes as original destination, by the client's local port; default: `destination`. */
  destination: Address = { ip: '10.0.0.1', port: 80 };
  /** Original destination of inbound connections; undefined: the listener's own address (the direct port). */
  inboundDestination: Address | undefined;

  constructor(
    ip: string,
    account: string,
    options: Partial<DataPathOptions> = {},
    policy: Partial<InboundPolicy> = {},
    accessLog?: AccessLog,
  ) {
    this.ip = ip;
    const driver = createNodeDriver({
      originalDst: (_socket, local) =>
        local.port === this.dataPath.addresses.inbound.port ? (this.inboundDestination ?? local) : this.destination,
    });
    this.identity = new FakeIdentity(driver, identityName(account));
    this.policies = new FakePolicies(() => inboundPolicy(policy));
    this.dataPath = new DataPath(
      {
        ...DATA_PATH_DEFAULTS,
        inboundListen: { ip, port: 0 },
        outboundListen: [{ ip, port: 0 }],
        ownIps: [ip],
        outboundConnectBackoff: { minMs: 20, maxMs: 200, jitterRatio: 0 },
        // Dozens of handshakes at once take their time on a busy machine.
        outboundHttp: { ...DATA_PATH_DEFAULTS.outboundHttp, connectTimeoutMs: 10_000 },
        ...options,
      },
      {
        driver,
        identity: this.identity,
        policies: this.policies,
        discovery: this.discovery,
        endpoints: this.endpoints,
        metrics: this.metrics,
        clock: systemClock,
        logger: silentLogger,
        drain: this.drain,
        accessLog,
        random: Math.random,
      },
    );
  }

  async start(anchor: TestAnchor): Promise<this> {
    this.identity.install(await anchor.material({ dns: [this.identity.name] }));
    await this.dataPath.start(new AbortController().signal);
    return this;
  }

  get inbound(): Address {
    return this.dataPath.addresses.inbound;
  }

  get outbound(): Address {
    const [first] = this.dataPath.addresses.outbound;
    if (first === undefined) throw new Error('no outbound listener');
    return first;
  }

  /** Sends `destination` to these endpoints, as one balanced backend. */
  routeTo(path: string, ...endpoints: readonly Endpoint[]): void {
    this.discovery.resolve(this.destination).set(outboundPolicy(balanced(path)));
    this.endpoints.watch(path).set(endpointSet(...endpoints));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dataPath[Symbol.asyncDispose]();
  }
}

/** `h2`: every suite also holds when HTTP/1 travels as HTTP/2 between proxies. */
const HINT = process.env['MESH_TEST_HINT'] === 'h2' ? 'h2' : 'unknown';

/** An endpoint behind a sidecar: dialled at its inbound port with a transport header. */
export function meshedEndpoint(proxy: TestProxy, port: number, changes: Partial<Endpoint> = {}): Endpoint {
  return endpoint(
    { ip: proxy.ip, port },
    {
      tls: { name: proxy.identity.name, serverName: proxy.identity.name },
      transportPort: proxy.inbound.port,
      protocolHint: HINT,
      ...changes,
    },
  );
}

/** An HTTP program; closes all connections when disposed. */
export async function httpApp(ip: string, handler: RequestListener): Promise<{ port: number; close(): Promise<void> }> {
  const server = createHttpServer(handler);
  // A test that fails before it closes its programs must not keep the process.
  server.unref();
  await new Promise<void>((resolve) => server.listen(0, ip, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

export async function tcpApp(
  ip: string,
  onSocket: (socket: Socket) => void,
): Promise<{ port: number; server: Server; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    onSocket(socket);
  });
  server.unref();
  await new Promise<void>((resolve) => server.listen(0, ip, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    server,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface AskOptions {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
  /** Source address. */
  readonly from?: string;
}

/** One request on a connection of its own. */
export function ask(to: Address, options: AskOptions = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      {
        host: to.ip,
        port: to.port,
        method: options.method ?? 'GET',
        path: options.path ?? '/',
        headers: { host: 'app.test', ...options.headers },
        agent: false,
        ...(options.from === undefined ? {} : { localAddress: options.from }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => void chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    sent.on('error', reject);
    sent.end(options.body);
  });
}

/** A raw client that keeps what it hears. */
export class RawClient {
  readonly socket: Socket;
  text = '';
  ended = false;
  closed = false;
  error: string | undefined;

  constructor(to: Address, from?: string) {
    const source = from === undefined ? {} : { localAddress: from };
    this.socket = connect({ host: to.ip, port: to.port, allowHalfOpen: true, ...source });
    this.socket.on('data', (chunk: Buffer) => (this.text += chunk.toString('latin1')));
    this.socket.on('end', () => (this.ended = true));
    this.socket.on('close', () => (this.closed = true));
    this.socket.on('error', (error: NodeJS.ErrnoException) => (this.error = error.code));
  }
}
