/** Answers every GET with 100 bytes, and with who called as far as a sidecar says so. Listens on 8080; stops on SIGTERM. */
import http from 'node:http';

const BODY = Buffer.alloc(100, 'x');

const server = http.createServer((request, response) => {
  const caller = request.headers['l5d-client-id'] ?? '';
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': BODY.length, 'x-caller': caller });
  response.end(BODY);
});
server.keepAliveTimeout = 60_000;
server.listen(8080);
process.once('SIGTERM', () => process.exit(0));
