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
import { pipeline, Readable } from 'node:stream';
import { BODY_BYTES } from '../lib/protocols.ts';

const SMALL = Buffer.alloc(BODY_BYTES.small, 'x');
const LARGE = Buffer.alloc(BODY_BYTES['1m'], 'x');
const PIECE_BYTES = 16 * 1024;

function answer(request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse): void {
  const isLarge = request.url === '/1m';
  response.setHeader('content-length', (isLarge ? LARGE : SMALL).length);
  if (!isLarge) response.end(SMALL);
  // In pieces: node:http2 counts what it was given and could not send as the session's memory for ever when the client gives the stream up, and
  // refuses streams (100, by ENHANCE_YOUR_CALM, before it ends the session) once that is too much.
  else pipeline(Readable.from(pieces()), response, () => undefined);
}

function* pieces(): Generator<Buffer> {
  for (let at = 0; at < LARGE.length; at += PIECE_BYTES) yield LARGE.subarray(at, at + PIECE_BYTES);
}

const http1 = createHttp1({ keepAliveTimeout: 0, requestTimeout: 0 }, answer);
// Large answers that nobody reads any more count until they are gone; the default of 10 MB would refuse others' requests meanwhile.
const http2 = createHttp2({ maxSessionMemory: 1000 }, answer);
// A peer that goes away in the middle is what the soak is about.
http2.on('sessionError', () => undefined);

const [host = '127.0.0.1', port = '0'] = process.argv.slice(2);
const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  // Not by 'data': what was put back in flowing mode the HTTP/2 session would read twice.
  socket.once('readable', () => {
    const first = socket.read() as Buffer | null;
    if (first === null) return;
    socket.unshift(first);
    (first.toString('latin1', 0, 3) === 'PRI' ? http2 : http1).emit('connection', socket);
  });
});
server.listen({ host, port: Number(port), backlog: 1024 });
process.on('SIGTERM', () => process.exit(0));
