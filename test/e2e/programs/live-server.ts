/** A server of long-lived conversations that knows nothing of a mesh: gRPC (with health checks), WebSocket, server-sent events. */
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Metadata, Server, ServerCredentials, status } from '@grpc/grpc-js';
import type { ServerDuplexStream, ServerUnaryCall, UntypedServiceImplementation } from '@grpc/grpc-js';
import { WebSocketServer } from 'ws';
import { EVENTS, GRPC_PORT, HEALTH, HEALTH_NAME, HTTP_PORT, LIVE } from './live-service.ts';
import type { HealthAnswer, HealthQuestion, Note } from './live-service.ts';

const implementation = {
  unary(call: ServerUnaryCall<Note, Note>, callback: (error: object | null, note?: Note, trailer?: Metadata) => void) {
    const trailer = new Metadata();
    trailer.set('live-trailer', 'kept');
    const { text } = call.request;
    if (text === 'fail') callback({ code: status.FAILED_PRECONDITION, details: 'as asked', metadata: trailer });
    else callback(null, { text, client: String(call.metadata.get('l5d-client-id')[0] ?? '') }, trailer);
  },
  never() {
    // The client's deadline ends the call.
  },
  count(call: { readonly request: Note; write(note: Note): boolean; end(): void }) {
    for (let i = 1; i <= Number(call.request.text); i += 1) call.write({ text: String(i) });
    call.end();
  },
  collect(call: AsyncIterable<Note>, callback: (error: Error | null, note?: Note) => void) {
    void gather(call).then((text) => callback(null, { text }), callback);
  },
  chat(call: ServerDuplexStream<Note, Note>) {
    call.on('data', ({ text }: Note) => call.write({ text: text.toUpperCase() }));
    call.on('end', () => call.end());
  },
} satisfies UntypedServiceImplementation;

async function gather(notes: AsyncIterable<Note>): Promise<string> {
  let all = '';
  for await (const { text } of notes) all += text;
  return all;
}

/** Each event says when it was sent. */
function sendEvents(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  let sent = 0;
  const send = (): void => {
    response.write(`id: ${sent}\ndata: ${Date.now()}\n\n`);
    sent += 1;
    if (sent < EVENTS.count) return;
    clearInterval(timer);
    response.end();
  };
  const timer = setInterval(send, EVENTS.everyMs);
  response.once('close', () => clearInterval(timer));
  send();
}

function onRequest(request: IncomingMessage, response: ServerResponse): void {
  if (request.url === '/events') sendEvents(response);
  else response.end(String(request.headers['l5d-client-id'] ?? ''));
}

const http = createServer(onRequest);
const sockets = new WebSocketServer({ server: http, path: '/echo' });
sockets.on('connection', (socket) => {
  socket.on('error', () => undefined);
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
});
http.listen(HTTP_PORT, '0.0.0.0');

const grpc = new Server({ 'grpc.max_receive_message_length': 16 * 1024 * 1024 });
grpc.addService(LIVE, implementation);
grpc.addService(HEALTH, {
  check(
    call: ServerUnaryCall<HealthQuestion, HealthAnswer>,
    callback: (error: object | null, answer?: HealthAnswer) => void,
  ) {
    callback(null, { serving: ['', HEALTH_NAME].includes(call.request.service) });
  },
} satisfies UntypedServiceImplementation);
grpc.bindAsync(`0.0.0.0:${GRPC_PORT}`, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
});

process.once('SIGTERM', () => process.exit(0));
