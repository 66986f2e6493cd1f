/**
 * The server behind the proxies: answers every HTTP/1.1 request head on raw sockets, so that its own cost stays far below theirs: `/1m` with
 * 1 MiB, everything else with 100 bytes. Requests of the benchmark have no body and may be pipelined or split.
 *
 * Usage: backend.ts HOST PORT
 */
import { createServer } from 'node:net';

const HEAD_END = Buffer.from('\r\n\r\n');
const LARGE_REQUEST = Buffer.from('GET /1m ');
const SMALL = answer(100);
const LARGE = answer(1024 * 1024);

function answer(bodyBytes: number): Buffer {
  const head = `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${bodyBytes}\r\n\r\n`;
  return Buffer.from(head + 'x'.repeat(bodyBytes));
}

const [host = '127.0.0.1', port = '0'] = process.argv.slice(2);
const server = createServer({ noDelay: true }, (socket) => {
  let rest: Buffer | undefined;
  socket.on('data', (chunk: Buffer) => {
    let bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk]);
    let end = bytes.indexOf(HEAD_END);
    while (end !== -1) {
      socket.write(bytes.indexOf(LARGE_REQUEST) === 0 ? LARGE : SMALL);
      bytes = bytes.subarray(end + HEAD_END.length);
      end = bytes.indexOf(HEAD_END);
    }
    rest = bytes.length === 0 ? undefined : bytes;
  });
  socket.on('error', () => socket.destroy());
});
server.listen({ host, port: Number(port), backlog: 1024 });
process.on('SIGTERM', () => process.exit(0));
