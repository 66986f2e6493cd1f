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
  /** In pieces: sent as they come, while the client takes them. */
  readonly body: string | Uint8Array | AsyncIterable<string | Uint8Array>;
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
    drain: (conn) => conn.state.drained(),
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
  /** Called when the client takes more, or is gone. */
  #onRoom: (() => void) | undefined;

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
    this.drained();
  }

  drained(): void {
    this.#timer?.refresh();
    this.#onRoom?.();
    this.#onRoom = undefined;
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
    const ancient = head.minor === 0;
    void this.#answer(request).then(async (response) => {
      const goesOn = await this.#send(response, { keepAlive, isHead, ancient });
      this.#finish(goesOn, rest);
    });
  }

  async #answer(request: AdminRequest): Promise<AdminResponse> {
    try {
      return await this.#deps.handler(request);
    } catch {
      return { status: 500, contentType: 'text/plain', body: 'internal error\n' };
    }
  }

  /** @returns false when the connection must end after the response. */
  async #send(response: AdminResponse, how: Manner): Promise<boolean> {
    const conn = this.#conn;
    if (conn === undefined || conn.closed) return false;
    const { body } = response;
    if (typeof body === 'string' || body instanceof Uint8Array) {
      conn.write(encode(response, typeof body === 'string' ? Buffer.from(body) : body, how));
      return how.keepAlive;
    }
    // HTTP/1.0 knows no chunks: there the end of the connection ends the body.
    const keepAlive = how.keepAlive && !how.ancient;
    const framing = how.ancient ? [] : ['transfer-encoding: chunked'];
    conn.write(Buffer.from(headText(response, framing, keepAlive)));
    if (how.isHead) return keepAlive;
    try {
      for await (const piece of body) if (!(await this.#sendPiece(conn, piece, how.ancient))) return false;
    } catch {
      conn.reset();
      return false;
    }
    if (!how.ancient) conn.write(LAST_CHUNK);
    return keepAlive;
  }

  /** Waits while the client takes no more. False: it is gone. */
  async #sendPiece(conn: Conn<Session>, piece: string | Uint8Array, ancient: boolean): Promise<boolean> {
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece;
    if (bytes.length === 0) return true;
    const more = conn.write(
      ancient ? bytes : Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, CRLF]),
    );
    if (!more && !conn.closed) await new Promise<void>((resolve) => (this.#onRoom = resolve));
    return !conn.closed;
  }

  #finish(goesOn: boolean, rest: Uint8Array): void {
    const conn = this.#conn;
    if (conn === undefined || conn.closed) return;
    this.#busy = false;
    if (!goesOn) return conn.end();
    const waiting = [rest, ...this.#waiting];
    this.#waiting = [];
    const next = Buffer.concat(waiting);
    conn.resume();
    if (next.length > 0) this.#read(next);
  }

  #refuse(status: number, body: string): void {
    const response = { status, contentType: 'text/plain', body };
    this.#conn?.write(encode(response, Buffer.from(body), { keepAlive: false, isHead: false, ancient: false }));
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

const CRLF = Buffer.from('\r\n');
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

/** How the client wants its response. */
interface Manner {
  readonly keepAlive: boolean;
  readonly isHead: boolean;
  /** HTTP/1.0. */
  readonly ancient: boolean;
}

function encode(response: AdminResponse, body: Uint8Array, how: Manner): Uint8Array {
  const head = Buffer.from(headText(response, [`content-length: ${body.length}`], how.keepAlive));
  return how.isHead ? head : Buffer.concat([head, body]);
}

function headText(response: AdminResponse, framing: readonly string[], keepAlive: boolean): string {
  return [
    `HTTP/1.1 ${response.status} ${REASONS[response.status] ?? 'Unknown'}`,
    `content-type: ${response.contentType}`,
    ...framing,
    ...(response.gzipped === true ? ['content-encoding: gzip'] : []),
    ...(keepAlive ? [] : ['connection: close']),
    `date: ${new Date().toUTCString()}`,
    '\r\n',
  ].join('\r\n');
}

function splitOnce(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
