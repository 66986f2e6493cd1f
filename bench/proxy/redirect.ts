/**
 * Loaded before a benched sidecar: connections that its outbound listener accepts look as if they had been redirected from the Service's
 * address, as they are where the kernel redirects them.
 */
import { Server } from 'node:net';
import type { Socket } from 'node:net';

const [listenPort = '', ip = '', port = ''] = (process.env['MESH_BENCH_REDIRECT'] ?? '').split(' ');
// oxlint-disable-next-line typescript/unbound-method -- called with its receiver below
const emit = Server.prototype.emit;

Server.prototype.emit = function (this: Server, event: string | symbol, ...args: unknown[]): boolean {
  if (event === 'connection') {
    const socket = args[0] as Socket;
    if (socket.localPort === Number(listenPort)) {
      Object.defineProperty(socket, 'localAddress', { value: ip, configurable: true });
      Object.defineProperty(socket, 'localPort', { value: Number(port), configurable: true });
    }
  }
  return emit.call(this, event as 'connection', ...(args as [Socket]));
};
