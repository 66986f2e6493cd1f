/** Programs that speak HTTP/2, by implementations that are not ours: node:http2 and grpc-js. */
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2';
import type {
  ClientHttp2Session,
  ClientHttp2Stream,
  Http2Server,
  IncomingHttpHeaders,
  OutgoingHttpHeaders,
  ServerHttp2Session,
  Settings,
  ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Address } from '@mesh/net';

/** What node:http2 queues for a connection before it refuses streams; its 10 are less than our bodies. */
const SESSION_MEGABYTES = 200;

export interface H2App {
  readonly port: number;
  readonly server: Http2Server;
  /** Connections that are open. */
  readonly sessions: ReadonlySet<ServerHttp2Session>;
  close(): Promise<void>;
}

export async function h2App(
  ip: string,
  onStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
  settings: Settings = {},
): Promise<H2App> {
  const sessions = new Set<ServerHttp2Session>();
  const server = createHttp2Server({ settings, maxSessionMemory: SESSION_MEGABYTES });
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => undefined);
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', () => undefined);
    onStream(stream, headers);
  });
  server.unref();
  await new Promise<void>((resolve) => server.listen(0, ip, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    server,
    sessions,
    close() {
      for (const session of sessions) session.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

export interface H2Answer {
  readonly headers: IncomingHttpHeaders;
  readonly interim: readonly IncomingHttpHeaders[];
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders;
}

/** A client with one connection. */
export class H2Client {
  readonly session: ClientHttp2Session;
  goaways: number[] = [];
  closed = false;

  constructor(to: Address) {
    this.session = connectHttp2(`http://${to.ip}:${to.port}`, { maxSessionMemory: SESSION_MEGABYTES });
    this.session.on('error', () => undefined);
    this.session.on('goaway', (_code, last) => this.goaways.push(last ?? -1));
    this.session.on('close', () => (this.closed = true));
  }

  request(headers: OutgoingHttpHeaders = {}, endStream = true): ClientHttp2Stream {
    return this.session.request({ ':path': '/', ':authority': 'app.test', ...headers }, { endStream });
  }

  /** Rejects with the stream's error when it is reset. */
  async ask(
    headers: OutgoingHttpHeaders = {},
    body?: Buffer | string,
    trailers?: OutgoingHttpHeaders,
  ): Promise<H2Answer> {
    const stream = this.session.request(
      { ':path': '/', ':authority': 'app.test', ...headers },
      { endStream: body === undefined && trailers === undefined, waitForTrailers: trailers !== undefined },
    );
    if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    if (body !== undefined || trailers !== undefined) stream.end(body);
    return answerOf(stream);
  }

  close(): void {
    this.session.destroy();
  }
}

export function answerOf(stream: ClientHttp2Stream): Promise<H2Answer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const interim: IncomingHttpHeaders[] = [];
    let head: IncomingHttpHeaders = {};
    let tail: IncomingHttpHeaders = {};
    stream.on('headers', (got) => interim.push(got));
    stream.on('response', (got) => (head = got));
    stream.on('data', (chunk: Buffer) => void chunks.push(chunk));
    stream.on('trailers', (got) => (tail = got));
    stream.on('error', reject);
    stream.on('aborted', () => reject(new Error(`aborted, code ${stream.rstCode}`)));
    stream.on('end', () => resolve({ headers: head, interim, body: Buffer.concat(chunks), trailers: tail }));
  });
}
