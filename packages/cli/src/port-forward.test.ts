import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { after, before, test } from 'node:test';
import type { ClusterAccess } from '@mesh/kube';
import { forwardPort } from './port-forward.ts';
import { encodeFrame, FrameReader, OPCODE } from './websocket.ts';

/** What a node answers on a forwarded connection: given the bytes of the client, messages to send, each with its channel. */
type Node = (said: Buffer) => readonly (readonly [channel: number, bytes: Buffer])[];

const TARGET = { namespace: 'shop', pod: 'web-1', port: 4143 };
const PORT = Buffer.of(4143 & 0xff, 4143 >> 8);

let server: Server;
let node: Node = () => [];
const asked: string[] = [];

before(async () => {
  server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.writeHead(request.url?.includes('embedded') === true ? 501 : 403).end();
  });
  server.on('upgrade', (request: IncomingMessage, socket: Socket) => {
    asked.push(`${request.url ?? ''} ${request.headers.authorization ?? ''}`);
    const { 'sec-websocket-key': key = '', 'sec-websocket-protocol': protocol = '' } = request.headers;
    if (request.url?.includes('refused') === true || request.url?.includes('embedded') === true) {
      socket.end(
        `HTTP/1.1 ${request.url.includes('embedded') ? '501 Not Implemented' : '403 Forbidden'}\r\ncontent-length: 0\r\n\r\n`,
      );
      return;
    }
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ${accept}\r\nsec-websocket-protocol: ${protocol}\r\n\r\n`,
    );
    serveNode(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

after(() => void server.close());

/** Reads the client's masked frames with the reader for servers' ones, after taking the masks off. */
function serveNode(socket: Socket): void {
  const reader = new FrameReader();
  const send = (channel: number, bytes: Buffer): void =>
    void socket.write(unmask(encodeFrame(OPCODE.binary, Buffer.concat([Buffer.of(channel), bytes]))));
  send(0, PORT);
  send(1, PORT);
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    for (const { opcode, payload } of reader.read(unmask(chunk))) {
      if (opcode === OPCODE.close) socket.end();
      else for (const [channel, bytes] of node(payload.subarray(1))) send(channel, bytes);
    }
  });
}

/** One whole short frame without its mask. */
function unmask(frame: Buffer): Buffer {
  const mask = frame.subarray(2, 6);
  const body = frame.subarray(6).map((byte, index) => byte ^ (mask[index & 3] ?? 0));
  return Buffer.concat([Buffer.of(frame[0] ?? 0, (frame[1] ?? 0) & 0x7f), body]);
}

function access(): ClusterAccess {
  return {
    server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    contextName: 'test',
    clusterName: 'test',
    namespace: undefined,
    caPem: undefined,
    tlsServerName: undefined,
    insecureSkipTlsVerify: false,
    credentials: { authorize: () => Promise.resolve({ headers: { authorization: 'Bearer t' } }) },
  };
}

const signal = new AbortController().signal;

test('bytes go to the port of the pod and come back, without the port numbers that begin each channel', async () => {
  node = (said) => [[0, Buffer.from(said.toString().toUpperCase())]];
  const stream = await forwardPort(access(), TARGET, signal);
  assert.ok(stream !== undefined);
  stream.write('hello');
  assert.equal(String((await once(stream, 'data'))[0]), 'HELLO');
  assert.equal(asked.at(-1), '/api/v1/namespaces/shop/pods/web-1/portforward?ports=4143 Bearer t');
  stream.end();
  await once(stream, 'close');
});

test('what the node reports ends the connection with its words', async () => {
  node = () => [[1, Buffer.from('connection refused')]];
  const stream = await forwardPort(access(), TARGET, signal);
  assert.ok(stream !== undefined);
  stream.write('x');
  const [error] = (await once(stream, 'error')) as [Error];
  assert.match(error.message, /port 4143 of pod shop\/web-1: connection refused/);
});

test('an API server that forwards nothing is told from one that refuses', async () => {
  assert.equal(await forwardPort(access(), { ...TARGET, pod: 'embedded' }, signal), undefined);
  await assert.rejects(forwardPort(access(), { ...TARGET, pod: 'refused' }, signal), /status 403/);
});
