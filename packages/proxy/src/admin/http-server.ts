/**
 * A small HTTP/1.1 server for the admin port: short requests, short answers, on the same driver as the data path, so that the
 * sidecar does not carry a second HTTP stack (`node:http` costs 1.2 to 1.5 MB private on Bun 1.4).
 *
 * The port takes plain text, and TLS when the proxy has an identity: a first byte of 0x16 is a TLS record.
 */
import type { Conn, Driver, Handlers, Listener, TlsContext } from '@mesh/net';
import { FRAMING, MessageReader } from '@mesh/wire';

export interface AdminRequest {
  readonly method: string;
  /** Without query. */
  readonly path: string;
  /** Without the question mark; empty when there is none. */
  readonly query: string;
  readonly body: string;
  /** Address of the peer. */
  readonly clientIp: string;
  readonly acceptsGzip: boolean;
}

export interface AdminResponse {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Uint8Array;
  readonly gzipped?: boolean;
}

export type AdminHandler = (request: AdminRequest) => AdminResponse | Promise<AdminResponse>;

/** Admin requests carry log filters at most. */
const BODY_BYTES_MAX = 4096;
/** Idle or slow clients are cut: the port is open to whoever reaches the pod. */
const IDLE_MS = 30_000;
const CONNECTIONS_MAX = 256;
const TLS_TIMEOUT_MS = 10_000;
const TLS_HANDSHAKE = 0x16;

export interface HttpServerDeps {
  readonly driver: Driver;
  readonly handler: AdminHandler;
  /** The context to accept TLS with; `undefined`: none yet. */
  readonly tls: () => TlsContext | undefined;
}

export async function listenHttp(
  at: { readonly ip: string; readonly port: number },
  deps: HttpServerDeps,
): Promise<Listener> {
  let open = 0;
  const handlers: Handlers<Session> = {
    open(conn) {
      open += 1;
      conn.state.started(conn, open > CONNECTIONS_MAX);
    },
    data: (conn, bytes) => conn.state.received(bytes),
    end: (conn) => conn.end(),
    drain: () => undefined,
    close(conn) {
      open -= 1;
      conn.state.closed();
    },
  };
  return driverListen(at, deps, handlers);
}

function driverListen(
  at: { readonly ip: string; readonly port: number },
  deps: HttpServerDeps,
  handlers: Handlers<Session>,
): Promise<Listener> {
  return deps.driver.listen(at, handlers, () => new Session(deps));
}

class Session {
  readonly #deps: HttpServerDeps;
  readonly #reader = new MessageReader();
  #conn: Conn<Session> | undefined;
  #first = true;
  #busy = false;
  #waiting: Uint8Array[] = [];
  #body: Uint8Array[] = [];
  #bodyBytes = 0;
  #inBody = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(deps: HttpServerDeps) {
    this.#deps = deps;
  }

  started(conn: Conn<Session>, tooMany: boolean): void {
    this.#conn = conn;
    if (tooMany) return conn.reset();
    this.#timer = setTimeout(() => conn.reset(), IDLE_MS);
    this.#timer.unref();
  }

  closed(): void {
    clearTimeout(this.#timer);
    this.#waiting = [];
  }

  received(bytes: Uint8Array): void {
    const conn = this.#conn;
    if (conn === undefined) return;
    this.#timer?.refresh();
    if (this.#first) {
      this.#first = false;
      const context = bytes[0] === TLS_HANDSHAKE ? this.#deps.tls() : undefined;
      if (context !== undefined)
        return conn.startTls({ context, clientCertificate: 'optional', timeoutMs: TLS_TIMEOUT_MS }, bytes);
    }
    if (this.#busy) {
      this.#waiting.push(bytes);
      return conn.pause();
    }
    this.#read(bytes);
  }

  /** Reads until a request is complete; what follows waits for its answer. */
  #read(bytes: Uint8Array): void {
    const reader = this.#reader;
    reader.feed(bytes);
    if (!this.#inBody) {
      if (!reader.readHead()) {
        if (reader.head.error !== undefined) this.#refuse(400, `${reader.head.error}\n`);
        return;
      }
      this.#inBody = true;
      this.#body = [];
      this.#bodyBytes = 0;
    }
    if (reader.head.framing === FRAMING.chunked) return this.#refuse(411, 'length required\n');
    while (!reader.body.done && reader.unread > 0) {
      const from = reader.at;
      const end = reader.readBody();
      if (end < 0) return this.#refuse(400, 'bad body\n');
      this.#bodyBytes += end - from;
      if (this.#bodyBytes > BODY_BYTES_MAX) return this.#refuse(413, 'too large\n');
      this.#body.push(reader.bytes.slice(from, end));
    }
    if (reader.body.done) this.#dispatch();
  }

  #dispatch(): void {
    const { head } = this.#reader;
    const rest = this.#reader.takeRest().slice();
    const [path, query] = splitOnce(head.target(), '?');
    const headers = new Map(Array.from({ length: head.count }, (_, at) => [head.name(at), head.value(at)] as const));
    const keepAlive = head.keepAlive;
    const isHead = head.methodText() === 'HEAD';
    const request: AdminRequest = {
      method: isHead ? 'GET' : head.methodText(),
      path,
      query,
      body: Buffer.concat(this.#body).toString('utf8'),
      clientIp: this.#conn?.remote.ip ?? '',
      acceptsGzip: /\bgzip\b/.test(headers.get('accept-encoding') ?? ''),
    };
    this.#inBody = false;
    this.#busy = true;
    void this.#answer(request).then((response) => this.#finish(response, keepAlive, isHead, rest));
  }

  async #answer(request: AdminRequest): Promise<AdminResponse> {
    try {
      return await this.#deps.handler(request);
    } catch {
      return { status: 500, contentType: 'text/plain', body: 'internal error\n' };
    }
  }

  #finish(response: AdminResponse, keepAlive: boolean, isHead: boolean, rest: Uint8Array): void {
    const conn = this.#conn;
    if (conn === undefined || conn.closed) return;
    conn.write(encode(response, keepAlive, isHead));
    this.#busy = false;
    if (!keepAlive) return conn.end();
    const waiting = [rest, ...this.#waiting];
    this.#waiting = [];
    const next = Buffer.concat(waiting);
    conn.resume();
    if (next.length > 0) this.#read(next);
  }

  #refuse(status: number, body: string): void {
    this.#conn?.write(encode({ status, contentType: 'text/plain', body }, false, false));
    this.#conn?.end();
  }
}

const REASONS: Readonly<Record<number, string>> = {
  200: 'OK',
  204: 'No Content',
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  411: 'Length Required',
  413: 'Content Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

function encode(response: AdminResponse, keepAlive: boolean, isHead: boolean): Uint8Array {
  const body = typeof response.body === 'string' ? Buffer.from(response.body) : response.body;
  const head = [
    `HTTP/1.1 ${response.status} ${REASONS[response.status] ?? 'Unknown'}`,
    `content-type: ${response.contentType}`,
    `content-length: ${body.length}`,
    ...(response.gzipped === true ? ['content-encoding: gzip'] : []),
    ...(keepAlive ? [] : ['connection: close']),
    `date: ${new Date().toUTCString()}`,
    '\r\n',
  ].join('\r\n');
  return isHead ? Buffer.from(head) : Buffer.concat([Buffer.from(head), body]);
}

function splitOnce(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
