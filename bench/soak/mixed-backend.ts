/**
 * The server of the soak: HTTP/1.1 and HTTP/2 by prior knowledge at one port, told apart by the first bytes. `/1m` and `List` have 1 MiB, all else 100 bytes.
 *
 * Usage: mixed-backend.ts HOST PORT
 */
import { createServer as createHttp1 } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { createServer } from 'node:net';
import { BODY_BYTES } from '../lib/protocols.ts';

const SMALL = Buffer.alloc(BODY_BYTES.small, 'x');
const LARGE = Buffer.alloc(BODY_BYTES['1m'], 'x');

function answer(request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse): void {
  const body = request.url === '/1m' ? LARGE : SMALL;
  response.setHeader('content-length', body.length);
  response.end(body);
}

const http1 = createHttp1({ keepAliveTimeout: 0, requestTimeout: 0 }, answer);
const http2 = createHttp2({}, answer);
// A peer that goes away in the middle is what the soak is about.
http2.on('sessionError', () => undefined);

const [host = '127.0.0.1', port = '0'] = process.argv.slice(2);
const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  socket.once('data', (first: Buffer) => {
    socket.pause();
    socket.unshift(first);
    const isHttp2 = first.toString('latin1', 0, 3) === 'PRI';
    (isHttp2 ? http2 : http1).emit('connection', socket);
    socket.resume();
  });
});
server.listen({ host, port: Number(port), backlog: 1024 });
process.on('SIGTERM', () => process.exit(0));
