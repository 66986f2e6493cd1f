/**
 * The codec alone as an HTTP/2 server, on the same driver as the proxy: GET and POST of anything are answered with 200 and a body. Prior
 * knowledge, no TLS.
 */
import { createNodeDriver } from '@mesh/net';
import type { Conn, Handlers } from '@mesh/net';
import { H2Connection } from '@mesh/wire';
import type { H2Handlers, H2Reason, H2Stream } from '@mesh/wire';

const BODY = Buffer.from('conformance\n'.repeat(20));

class Session {
  h2: H2Connection<Session> | undefined = undefined;
  reason: H2Reason | undefined = undefined;
}

export interface H2Server extends AsyncDisposable {
  readonly port: number;
}

export async function startH2Server(ip: string): Promise<H2Server> {
  const driver = createNodeDriver({});
  const listener = await driver.listen<Session>({ ip, port: 0 }, SOCKET, () => new Session());
  return { port: listener.address.port, [Symbol.asyncDispose]: () => listener.close() };
}

const SOCKET: Handlers<Session> = {
  open(conn) {
    const session = conn.state;
    session.h2 = new H2Connection<Session>({ role: 'server', initStream: () => session }, events(conn));
    session.h2.start();
  },
  data: (conn, bytes) => conn.state.h2?.receive(bytes, performance.now()),
  end: (conn) => conn.end(),
  drain: (conn) => conn.state.h2?.unblock(),
  close: (conn) => conn.state.h2?.abort(),
};

function events(conn: Conn<Session>): H2Handlers<Session> {
  const answer = (stream: H2Stream<Session>): void => {
    const fields = [':status', '200', 'content-type', 'text/plain', 'content-length', String(BODY.length)];
    conn.state.h2?.respond(stream, fields, false);
    conn.state.h2?.send(stream, BODY, true);
  };
  return {
    write(connection, parts) {
      if (!conn.closed && !conn.writev(parts)) connection.block();
    },
    headers: (stream, _fields, _kind, end) => {
      if (end) answer(stream);
    },
    data(stream, bytes, end) {
      conn.state.h2?.consume(stream, bytes.length);
      if (end) answer(stream);
    },
    reset: () => undefined,
    writable: () => undefined,
    goaway: () => undefined,
    pong: () => undefined,
    settings: () => undefined,
    failed(_, _code, reason) {
      conn.state.reason = reason;
      conn.end();
    },
  };
}
