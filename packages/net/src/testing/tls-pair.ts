/** A TLS server that peeks before it starts TLS, and clients of it: what the compliance cases of TLS are told with. */
import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { ClientTls, Driver, Listener, ServerTls, TlsContext, TlsMaterial } from '../types.ts';
import { recorder, Seen, until } from './recorder.ts';
import type { RecorderHooks } from './recorder.ts';

export const LOCALHOST = '127.0.0.1';
export const ALPN = 'transport.l5d.io/v1';
export const SERVER = 'server.ns.serviceaccount.identity.linkerd.cluster.local';
export const CLIENT = 'client.ns.serviceaccount.identity.linkerd.cluster.local';
export const HOUR_MS = 3_600_000;
export type Want = ServerTls['clientCertificate'];
export const BOTH: readonly Want[] = ['required', 'optional'];

export interface Served {
  readonly listener: Listener;
  readonly accepted: Seen[];
  context: TlsContext;
  started: number;
}

/** A listener that peeks, then starts TLS with the context of the moment, then echoes. */
export async function serve(
  driver: Driver,
  options: {
    readonly want: Want;
    readonly material: TlsMaterial;
    readonly alpn?: string;
    readonly hooks?: RecorderHooks;
    readonly timeoutMs?: number;
  },
): Promise<Served> {
  const accepted: Seen[] = [];
  const served = { accepted, context: driver.context(options.material), started: 0 } as unknown as {
    -readonly [K in keyof Served]: Served[K];
  };
  const echo = recorder({ data: (conn, bytes) => void conn.write(bytes), end: (conn) => conn.end(), ...options.hooks });
  const peek = recorder({
    open: (conn) => void accepted.push(conn.state),
    data(conn, bytes) {
      const seen = conn.state;
      seen.bytes = 0;
      seen.chunks.length = 0;
      const upgraded = conn.handOver(
        {
          ...echo,
          secure(secured, peer) {
            secured.state.peer = peer;
          },
        },
        seen,
      );
      served.started += 1;
      upgraded.startTls(
        {
          context: served.context,
          clientCertificate: options.want,
          timeoutMs: options.timeoutMs ?? 5000,
          ...(options.alpn === undefined ? {} : { alpn: options.alpn }),
        },
        bytes,
      );
    },
  });
  served.listener = await driver.listen({ ip: LOCALHOST, port: 0 }, peek, () => new Seen());
  return served;
}

export function dial(driver: Driver, listener: Listener, tls: ClientTls): Seen {
  const seen = new Seen();
  driver.connect({ address: listener.address, timeoutMs: 5000, tls }, recorder(), seen);
  return seen;
}

export async function expectOpen(driver: Driver, server: Served, context: TlsContext): Promise<Seen> {
  const client = dial(driver, server.listener, { context, serverName: SERVER });
  await until('open', () => client.opened);
  client.conn?.write(Buffer.from('ping'));
  await until('echo', () => client.text === 'ping');
  client.chunks.length = 0;
  return client;
}

export async function expectAdmitted(driver: Driver, server: Served, context: TlsContext): Promise<void> {
  const open = server.listener.open;
  const client = await expectOpen(driver, server, context);
  client.conn?.reset();
  await until('closed', () => server.listener.open === open);
}

/** In TLS 1.3 the client may believe that it is connected: what counts is that the server delivers nothing and closes. */
export async function expectRefused(driver: Driver, server: Served, context: TlsContext, kind: string): Promise<void> {
  const count = server.accepted.length;
  const client = new Seen();
  driver.connect(
    { address: server.listener.address, timeoutMs: 5000, tls: { context, serverName: SERVER } },
    recorder({ open: (conn) => void conn.write(Buffer.from('smuggled')) }),
    client,
  );
  await until(`${kind}: refused`, () => told(client) && server.accepted[count]?.closes.length === 1);
  client.conn?.reset();
  const accepted = server.accepted[count];
  assert.equal(accepted?.bytes, 0, `${kind}: no byte is delivered`);
  assert.equal(accepted?.peer, undefined, `${kind}: never secure`);
  assert.equal(accepted?.closed?.kind, 'tls', kind);
  assert.equal(client.text, '');
}

/** FIN or RST, as the runtime can. */
export function told(seen: Seen): boolean {
  return seen.closes.length === 1 || seen.ends === 1;
}

export async function finish(client: Seen, server: Served): Promise<void> {
  client.conn?.end();
  await until('both closed', () => client.closes.length === 1 && server.listener.open === 0);
  assert.equal(client.closed?.kind, 'clean');
  await server.listener.close();
}

/** A relay in front of `port` that passes on what clients send in segments of one byte, and answers as they come. */
export async function dribbling(
  port: number,
  ip = LOCALHOST,
): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ host: ip, port, noDelay: true });
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
    upstream.pipe(client);
    client.on('data', (chunk: Buffer) => {
      client.pause();
      sendSingly(upstream, chunk, 0, () => client.resume());
    });
    client.on('close', () => upstream.destroy());
  });
  server.unref();
  await new Promise<void>((resolve) => server.listen(0, LOCALHOST, resolve));
  return { port: (server.address() as AddressInfo).port, server };
}

/** One byte per turn of the loop, so that each goes out by itself. */
function sendSingly(to: Socket, bytes: Uint8Array, at: number, done: () => void): void {
  if (at === bytes.length || to.destroyed) {
    done();
    return;
  }
  to.write(bytes.subarray(at, at + 1));
  setImmediate(sendSingly, to, bytes, at + 1, done);
}
