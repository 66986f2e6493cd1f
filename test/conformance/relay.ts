/** A port whose connections go on, byte for byte, to a port that changes from case to case. */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

export interface Relay extends AsyncDisposable {
  readonly port: number;
  /** Ends what is open; connections from now on go to this port. */
  redirect(port: number): void;
}

export async function startRelay(ip: string): Promise<Relay> {
  const sockets = new Set<Socket>();
  let target = 0;
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    return socket.on('close', () => sockets.delete(socket));
  };
  const server = createServer({ allowHalfOpen: true }, (near) => {
    keep(near);
    const far = keep(connect({ host: ip, port: target, allowHalfOpen: true }));
    near.pipe(far);
    far.pipe(near);
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, ip, resolve));
  const endAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    redirect(port) {
      endAll();
      target = port;
    },
    [Symbol.asyncDispose]() {
      endAll();
      return new Promise((resolve) => void server.close(() => resolve()));
    },
  };
}
