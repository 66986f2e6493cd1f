/**
 * The codec alone as an HTTP/2 client, on the same driver as the proxy: a forward proxy for one request after the other, asked over HTTP/1.1 and asking
 * over HTTP/2 in plain text with prior knowledge. So a suite of clients can call it with curl, which starts faster than any program of ours.
 */
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createNodeDriver } from '@mesh/net';
import type { Address, Conn, Driver } from '@mesh/net';
import { H2Connection } from '@mesh/wire';
import type { H2Handlers } from '@mesh/wire';

/** The suite gives each case 3 s; the connection may stay longer. */
const ANSWER_MS = 2000;
const CONNECTION_MS = 6000;

export interface H2Client extends AsyncDisposable {
  readonly port: number;
}

/**
 * @param route Where to connect for a URL; its own address by default. Another when a proxy under test stands between.
 */
export async function startH2Client(
  ip: string,
  route: (url: URL) => Address = (url) => ({ ip: url.hostname, port: Number(url.port) }),
): Promise<H2Client> {
  const driver = createNodeDriver();
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '');
    ask(driver, url, route(url), response);
  });
  await new Promise<void>((resolve) => server.listen(0, ip, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** One GET. The connection stays until the server closes it, as it may go on to send what a client must bear. */
function ask(driver: Driver, url: URL, address: Address, response: ServerResponse): void {
  let connection: H2Connection<null> | undefined = undefined;
  const answer = (text: string, status: number): void => {
    if (!response.headersSent) response.writeHead(status).end(`${text}\n`);
  };
  const timers = [setTimeout(() => answer('no answer', 504), ANSWER_MS), setTimeout(() => conn.reset(), CONNECTION_MS)];
  const events: H2Handlers<null> = {
    write(h2, parts) {
      if (!conn.closed && !conn.writev(parts)) h2.block();
    },
    headers: (_stream, _fields, kind, end) => {
      if (end && kind !== 'informational') answer('answered', 200);
    },
    data(stream, bytes, end) {
      connection?.consume(stream, bytes.length);
      if (end) answer('answered', 200);
    },
    reset: (_, code, byPeer, reason) => answer(`reset ${code} ${byPeer ? 'by the server' : reason}`, 502),
    writable: () => undefined,
    goaway: () => undefined,
    pong: () => undefined,
    settings: () => undefined,
    failed(_, code, reason) {
      answer(`failed ${code} ${reason}`, 502);
      conn.end();
    },
  };
  const conn: Conn<null> = driver.connect<null>(
    { address, timeoutMs: ANSWER_MS },
    {
      open() {
        connection = new H2Connection<null>({ role: 'client' }, events);
        connection.start();
        connection.request(
          [':method', 'GET', ':scheme', 'http', ':authority', url.host, ':path', url.pathname],
          null,
          true,
        );
      },
      data: (_, bytes) => connection?.receive(bytes, performance.now()),
      end: () => conn.end(),
      drain: () => connection?.unblock(),
      close() {
        for (const timer of timers) clearTimeout(timer);
        connection?.abort();
        answer('closed', 502);
      },
    },
    null,
  );
}
