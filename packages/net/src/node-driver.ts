/** The driver on `node:net` and `node:tls`, unchanged on Node and Bun. */
import { createServer, Socket } from 'node:net';
import { MeshError } from '@mesh/runtime';
import { Interned } from './interned.ts';
import { NodeConn } from './node-conn.ts';
import type { Shared } from './node-conn.ts';
import { addressOf, localAddressLookup } from './addresses.ts';
import type { OriginalDstLookup } from './addresses.ts';
import { NodeTlsContext } from './tls-context.ts';
import { LISTEN_BACKLOG } from './types.ts';
import type {
  Conn,
  ConnectTarget,
  Driver,
  Handlers,
  ListenAddress,
  Listener,
  TlsContext,
  TlsMaterial,
} from './types.ts';

export type ListenErrorInfo = { readonly code: string; readonly ip: string; readonly port: number };
/** The address could not be bound; `code` is the errno in lower case. */
export class ListenError extends MeshError<ListenErrorInfo> {
  override readonly name = 'ListenError';
}

export interface NodeDriverOptions {
  /** How to learn the original destination of a redirected connection. Default: the accepted socket's own address. */
  readonly originalDst?: OriginalDstLookup;
}

export function createNodeDriver(options: NodeDriverOptions = {}): Driver {
  const shared: Shared = { lookUpOriginalDst: options.originalDst ?? localAddressLookup, interned: new Interned() };
  return {
    context: (material: TlsMaterial): TlsContext => new NodeTlsContext(material),
    listen: (at, handlers, init) => listen(at, handlers, init, shared),
    connect: (to, handlers, state) => connect(to, handlers, state, shared),
  };
}

function listen<S>(at: ListenAddress, handlers: Handlers<S>, init: () => S, shared: Shared): Promise<Listener> {
  const keepAliveMs = at.keepAliveMs ?? 0;
  let open = 0;
  const onClosed = (): void => {
    open -= 1;
  };
  const server = createServer(
    { allowHalfOpen: true, noDelay: true, keepAlive: keepAliveMs > 0, keepAliveInitialDelay: keepAliveMs },
    (socket) => {
      open += 1;
      new NodeConn(socket, handlers, init(), shared, onClosed).accepted();
    },
  );
  const { promise, resolve, reject } = Promise.withResolvers<Listener>();
  server.once('error', (cause: NodeJS.ErrnoException) => {
    const code = (cause.code ?? 'unknown').toLowerCase();
    const fix = code === 'eaddrinuse' ? 'stop what listens there, or choose another port' : 'check the address';
    reject(
      new ListenError({ code, ip: at.ip, port: at.port }, `cannot listen on ${at.ip}:${at.port} (${code}): ${fix}`, {
        cause,
      }),
    );
  });
  server.listen(
    { host: at.ip, port: at.port, backlog: at.backlog ?? LISTEN_BACKLOG, reusePort: at.reusePort ?? false },
    () => {
      const bound = server.address();
      const address = typeof bound === 'object' && bound !== null ? addressOf(bound.address, bound.port) : at;
      let closing: Promise<void> | undefined;
      resolve({
        address,
        get open() {
          return open;
        },
        // The runtimes call back only once all connections are gone; the port is free at once.
        close: () => (closing ??= closeServer(server)),
      });
    },
  );
  return promise;
}

function closeServer(server: ReturnType<typeof createServer>): Promise<void> {
  server.close();
  return Promise.resolve();
}

function connect<S>(to: ConnectTarget, handlers: Handlers<S>, state: S, shared: Shared): Conn<S> {
  const keepAliveMs = to.keepAliveMs ?? 0;
  const socket = new Socket({ allowHalfOpen: true });
  const conn = new NodeConn(socket, handlers, state, shared, undefined);
  socket.setNoDelay(true);
  if (keepAliveMs > 0) socket.setKeepAlive(true, keepAliveMs);
  socket.connect({
    host: to.address.ip,
    port: to.address.port,
    autoSelectFamily: false,
    ...(to.localIp === undefined ? {} : { localAddress: to.localIp }),
  });
  conn.dialled(to.timeoutMs, to.tls);
  return conn;
}
