/** A port that nobody listens at, for the address of a server that is down. */
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

/** @param ip A local address; loopback by default. */
export async function freePort(ip = '127.0.0.1'): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, ip, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
