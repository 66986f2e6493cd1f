/** A program that echoes WebSocket messages (RFC 6455), for the WebSocket clients of the runtimes. Short messages only. */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

/** RFC 6455 §1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const CLOSE = 0x88;

export async function webSocketApp(ip: string): Promise<{ readonly port: number; close(): void }> {
  const sockets = new Set<Duplex>();
  const server = createServer((_req, res) => res.writeHead(426).end());
  server.on('upgrade', (request, socket, head) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}${GUID}`).digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    let bytes: Buffer = Buffer.from(head);
    const answer = (): void => {
      // First byte, length below 126 with the mask bit, four bytes of mask, payload (§5.2).
      while (bytes.length >= 6 && bytes.length >= 6 + (bytes.readUInt8(1) & 0x7f)) {
        const first = bytes.readUInt8(0);
        const length = bytes.readUInt8(1) & 0x7f;
        const payload = Buffer.from(bytes.subarray(6, 6 + length));
        for (let at = 0; at < length; at += 1)
          payload.writeUInt8(payload.readUInt8(at) ^ bytes.readUInt8(2 + (at % 4)), at);
        socket.write(Buffer.concat([Buffer.from([first, length]), payload]));
        bytes = bytes.subarray(6 + length);
        if (first === CLOSE) socket.end();
      }
    };
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      answer();
    });
    answer();
  });
  server.unref();
  await new Promise<void>((resolve) => server.listen(0, ip, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** Opens a WebSocket, exchanges these messages one by one, and closes it with a code that the server gives back. */
export async function converse(
  to: { readonly ip: string; readonly port: number },
  messages: readonly string[],
): Promise<{ readonly heard: readonly string[]; readonly closeCode: number }> {
  const socket = new WebSocket(`ws://${to.ip}:${to.port}/chat`);
  const heard: string[] = [];
  return new Promise((resolve, reject) => {
    const say = (): void => {
      const next = messages[heard.length];
      if (next === undefined) socket.close(4321, 'done');
      else socket.send(next);
    };
    socket.addEventListener('open', say);
    socket.addEventListener('message', ({ data }) => {
      heard.push(String(data));
      say();
    });
    socket.addEventListener('close', ({ code }) => resolve({ heard, closeCode: code }));
    socket.addEventListener('error', () => reject(new Error('the WebSocket failed')));
  });
}
