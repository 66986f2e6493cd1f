/** What lives longer than a request and an answer: WebSockets, server-sent events. */
import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import { test } from 'node:test';
import type { ProtocolHint } from '@mesh/model';
import { httpApp, meshedEndpoint, RawClient, TestAnchor, TestProxy, until } from './harness.ts';
import { h2App, H2Client } from './http2-harness.ts';
import { converse, webSocketApp } from './websocket-harness.ts';

const PATH = 'app.ns.svc.cluster.local:80';
const HINTS: readonly ProtocolHint[] = ['unknown', 'h2'];

test('WebSockets cross two proxies, whatever carries other requests, and end with their code', async () => {
  const anchor = await TestAnchor.create('root');
  await using near = await new TestProxy('127.0.46.1', 'web').start(anchor);
  await using far = await new TestProxy('127.0.46.2', 'app').start(anchor);
  const app = await webSocketApp(far.ip);
  const messages = Array.from({ length: 50 }, (_, at) => `message ${at}`);
  for (const protocolHint of HINTS) {
    near.routeTo(PATH, meshedEndpoint(far, app.port, { protocolHint }));
    const conversations = Array.from({ length: 10 }, () => converse(near.outbound, messages));
    for (const { heard, closeCode } of await Promise.all(conversations)) {
      assert.deepEqual([heard, closeCode], [messages, 4321]);
    }
  }
  app.close();
});

test('each server-sent event arrives before the next is made, over HTTP/1, HTTP/2, and HTTP/1 carried as HTTP/2', async () => {
  const anchor = await TestAnchor.create('root');
  await using near = await new TestProxy('127.0.46.1', 'web').start(anchor);
  await using far = await new TestProxy('127.0.46.2', 'app').start(anchor);
  let events: ServerResponse | undefined;
  const app = await httpApp(far.ip, (_req, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.flushHeaders();
    events = res;
  });
  for (const protocolHint of HINTS) {
    near.routeTo(PATH, meshedEndpoint(far, app.port, { protocolHint }));
    const client = new RawClient(near.outbound);
    client.socket.write('GET /events HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\n\r\n');
    await until('the head, before any event', () => client.text.includes('\r\n\r\n'));
    for (let at = 0; at < 20; at += 1) {
      events?.write(`data: event ${at}\n\n`);
      await until('event', () => client.text.includes(`data: event ${at}\n\n`));
    }
    client.socket.destroy();
    // A client of HTTP/1 may end its half and still read: what it does not take tells that it is gone.
    await until('the program hears that nobody listens', () => {
      events?.write('data: anybody?\n\n');
      return events?.closed === true;
    });
  }
  await app.close();
  let stream: ServerHttp2Stream | undefined;
  const app2 = await h2App(far.ip, (opened) => {
    opened.respond({ ':status': 200, 'content-type': 'text/event-stream' });
    stream = opened;
  });
  near.routeTo(PATH, meshedEndpoint(far, app2.port));
  const client = new H2Client(near.outbound);
  const request = client.request();
  let text = '';
  request.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await until('stream', () => stream !== undefined);
  for (let at = 0; at < 20; at += 1) {
    stream?.write(`data: event ${at}\n\n`);
    await until('event', () => text.endsWith(`data: event ${at}\n\n`));
  }
  request.close();
  await until('the program hears that nobody listens', () => stream?.closed === true);
  client.close();
  await app2.close();
});
