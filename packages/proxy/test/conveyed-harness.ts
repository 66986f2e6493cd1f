/** Connections as proxies open them, with an identity of the test's choice: a gateway that says for whom it asks, or somebody who pretends. */
import { request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import type { ClientHttp2Session, OutgoingHttpHeaders } from 'node:http2';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { connect } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { encodeTransportHeader, TRANSPORT_ALPN } from '@mesh/wire';
import type { SentTransportHeader } from '@mesh/wire';
import { answerOf } from './http2-harness.ts';
import type { H2Answer } from './http2-harness.ts';
import { identityName } from './harness.ts';
import type { Answer, TestAnchor, TestProxy } from './harness.ts';

export const GATEWAY = identityName('gateway');

/** mTLS as `identity` to the server's direct port, with the transport header written. @param header Its fields, or its bytes. */
export async function connectAs(
  identity: string,
  anchor: TestAnchor,
  server: TestProxy,
  header: Omit<SentTransportHeader, 'name'> | Uint8Array,
): Promise<TLSSocket> {
  const { key, chain, trust } = await anchor.material({ dns: [identity] });
  const { ip, port } = server.inbound;
  const socket = connect({
    host: ip,
    port,
    key,
    cert: chain,
    ca: trust,
    servername: server.identity.serverName,
    ALPNProtocols: [TRANSPORT_ALPN],
  });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  const bytes = header instanceof Uint8Array ? header : encodeTransportHeader({ name: '', ...header });
  await new Promise((resolve) => socket.write(bytes, resolve));
  return socket;
}

/** One HTTP/1 request on a connection of its own. */
export async function askAs(
  identity: string,
  anchor: TestAnchor,
  server: TestProxy,
  port: number,
  headers: Record<string, string | readonly string[]> = {},
): Promise<Answer> {
  const socket = await connectAs(identity, anchor, server, { port, session: 'http1' });
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      { createConnection: () => socket, headers: { host: 'app.test', ...headers } },
      (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body += chunk.toString()));
        response.on('error', reject);
        response.on('end', () => {
          const { statusCode = 0, headers: got } = response;
          const answer = { status: statusCode, headers: got satisfies IncomingHttpHeaders, body };
          // It asked for the end of its connection: the server's half is over, too.
          if (socket.closed) resolve(answer);
          else socket.once('close', () => resolve(answer));
        });
      },
    );
    sent.on('error', reject);
    sent.end();
  });
}

/** Streams of one HTTP/2 connection, over a relay: node:http2 takes sockets of others only where it is Node's. */
export class H2As implements Disposable {
  readonly #relay: Server;
  readonly #session: ClientHttp2Session;

  private constructor(relay: Server) {
    this.#relay = relay;
    const { port } = relay.address() as AddressInfo;
    this.#session = connectHttp2(`http://127.0.0.1:${port}`);
    this.#session.on('error', () => undefined);
  }

  /** @param socket Its transport header was written. */
  static async over(socket: TLSSocket): Promise<H2As> {
    const relay = createServer((client) => {
      client.on('error', () => socket.destroy());
      client.on('close', () => socket.destroy());
      socket.on('close', () => client.destroy());
      client.pipe(socket).pipe(client);
    });
    relay.listen(0, '127.0.0.1');
    await once(relay, 'listening');
    return new H2As(relay);
  }

  ask(headers: OutgoingHttpHeaders): Promise<H2Answer> {
    return answerOf(this.#session.request({ ':path': '/', ':authority': 'app.test', ...headers }, { endStream: true }));
  }

  [Symbol.dispose](): void {
    this.#session.destroy();
    this.#relay.close();
  }
}
