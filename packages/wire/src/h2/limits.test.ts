import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frame, frames, GET, PING, POST, server, SETTINGS } from '../testing/h2-peer.ts';
import { H2_ERROR } from './codes.ts';
import { H2Connection } from './connection.ts';
import type { H2Limits } from './limits.ts';

const CALM = H2_ERROR.enhanceYourCalm;

test('each flood ends the connection with its own reason, and a second later it would have been fine', () => {
  const floods: readonly (readonly [string, Partial<H2Limits>, (n: number) => Uint8Array])[] = [
    ['settings_flood', { settingsPerSecond: 5 }, () => SETTINGS],
    ['ping_flood', { pingsPerSecond: 5 }, () => PING],
    ['priority_flood', { prioritiesPerSecond: 5 }, () => frame(2, 0, 3, [0, 0, 0, 0, 1])],
    ['unknown_frame_flood', { unknownFramesPerSecond: 5 }, () => frame(0xfa, 0, 0)],
    ['window_update_flood', { smallWindowUpdatesPerSecond: 5 }, () => frame(8, 0, 0, [0, 0, 0, 1])],
    ['empty_data_flood', { emptyDataPerSecond: 5 }, () => frame(0, 0, 1)],
    [
      'resets',
      { resetsPerSecond: 5 },
      (n) => Buffer.concat([frame(1, 4, 2 * n + 3, POST), frame(3, 0, 2 * n + 3, [0, 0, 0, 8])]),
    ],
    ['stream_error_flood', { streamErrorsPerSecond: 5 }, (n) => frame(1, 5, 2 * n + 3, [0x82])],
  ];
  for (const [reason, limits, flood] of floods) {
    const within = server(limits);
    const slow = server(limits);
    for (const peer of [within, slow]) peer.connection.receive(frame(1, 4, 1, POST), 0);
    for (let n = 0; n < 6; n += 1) within.connection.receive(flood(n), 2000 + n);
    for (let n = 0; n < 12; n += 1) slow.connection.receive(flood(n), 2000 + n * 300);
    assert.equal(within.log.at(-1), `failed ${CALM} ${reason}`);
    assert.equal(slow.connection.failed, false, reason);
  }
});

test('frames that move nothing are limited also without a clock', () => {
  const peer = server({ idleFrames: 20 });
  for (let n = 0; n < 21; n += 1) peer.connection.receive(PING, 0);
  assert.equal(peer.log.at(-1), `failed ${CALM} no_progress`);
});

test('a header block in more frames than the limit, or larger, ends the connection', () => {
  const many = server({ headerBlockFrames: 4 });
  many.connection.receive(frame(1, 0, 1, GET), 0);
  for (let n = 0; n < 4; n += 1) many.connection.receive(frame(9, 0, 1), 0);
  assert.equal(many.log.at(-1), `failed ${CALM} header_block_frames`);
  const large = server({ headerListBytes: 1000 });
  large.connection.receive(frame(1, 0, 1, GET), 0);
  large.connection.receive(frame(9, 0, 1, Array(16_000).fill(0)), 0);
  large.connection.receive(frame(9, 0, 1, Array(2000).fill(0)), 0);
  assert.equal(large.log.at(-1), `failed ${CALM} header_block_frames`);
});

test('a request with too large or too long a header list is answered with 431, and the connection goes on', () => {
  const long = [...GET, 0x00, 0x01, 0x61, 0x50, ...Array(80).fill(0x62)];
  const many = [...GET, ...Array.from({ length: 10 }, () => [0x00, 0x01, 0x61, 0x01, 0x62]).flat()];
  for (const [reason, block] of [
    ['header_list_bytes', long],
    ['header_fields', many],
  ] as const) {
    const peer = server(reason === 'header_fields' ? { headerFields: 10 } : { headerListBytes: 200 });
    peer.connection.receive(frame(1, 5, 1, block), 0);
    assert.deepEqual(peer.log, [`refused ${reason}`]);
    assert.deepEqual(
      frames(peer).map((one) => one.split(' ').slice(0, 3).join(' ')),
      ['1 5 1', '3 0 1'],
    );
    peer.connection.receive(frame(1, 5, 3, GET), 0);
    assert.equal(peer.log.at(-1), 'head 3 end');
  }
});

test('streams above the limit are refused, and the others go on', () => {
  const peer = server({ concurrentStreams: 2 });
  for (const id of [1, 3, 5]) peer.connection.receive(frame(1, 4, id, POST), 0);
  assert.deepEqual(peer.log, ['head 1', 'head 3', 'refused concurrent_streams']);
  assert.deepEqual(frames(peer), [`3 0 5 4`]);
  assert.equal(peer.connection.streamCount, 2);
});

test('answers that a full socket does not take are limited', () => {
  const peer = server({ controlBacklogBytes: 100 });
  peer.connection.block();
  for (let n = 0; n < 10; n += 1) peer.connection.receive(PING, 0);
  assert.equal(peer.log.at(-1), `failed ${CALM} control_backlog`);
  const calm = server({ controlBacklogBytes: 100 });
  for (let n = 0; n < 10; n += 1) {
    calm.connection.block();
    calm.connection.receive(PING, 0);
    calm.connection.unblock();
    calm.connection.receive(PING, 0);
  }
  assert.equal(calm.connection.failed, false);
});

test('bytes that wait are limited per stream and per connection: the stream that goes beyond is given up', () => {
  const peer = server({ streamPendingBytes: 1000, connectionPendingBytes: 1500 });
  peer.connection.receive(frame(1, 5, 1, GET), 0);
  peer.connection.receive(frame(1, 5, 3, GET), 0);
  peer.connection.block();
  const [first, second] = peer.streams;
  assert.ok(first && second);
  for (const stream of [first, second]) peer.connection.respond(stream, [':status', '200'], false);
  assert.equal(peer.connection.send(first, new Uint8Array(900), false), false);
  assert.equal(peer.connection.pendingBytes, 900);
  peer.connection.send(first, new Uint8Array(101), false);
  assert.equal(peer.log.at(-1), `reset 1 ${H2_ERROR.internal} stream_pending_bytes`);
  assert.equal(peer.connection.pendingBytes, 0);
  peer.connection.receive(frame(1, 5, 5, GET), 0);
  const third = peer.streams[2];
  assert.ok(third);
  peer.connection.respond(third, [':status', '200'], false);
  peer.connection.send(second, new Uint8Array(900), false);
  peer.connection.send(third, new Uint8Array(900), false);
  assert.equal(peer.log.at(-1), `reset 5 ${H2_ERROR.internal} connection_pending_bytes`);
});

test('streams that share a window take turns, a frame each', () => {
  const peer = server();
  peer.connection.block();
  for (const id of [1, 3, 5]) peer.connection.receive(frame(1, 5, id, GET), 0);
  for (const stream of peer.streams) {
    peer.connection.respond(stream, [':status', '200'], false);
    peer.connection.send(stream, new Uint8Array(40_000), stream.id === 5);
  }
  peer.sent.length = 0;
  peer.connection.unblock();
  // The connection's window is 65,535 bytes.
  assert.deepEqual(frames(peer), ['0 0 1 16384', '0 0 3 16384', '0 0 5 16384', '0 0 1 16383']);
  peer.sent.length = 0;
  peer.connection.receive(frame(8, 0, 0, [0, 1, 0x11, 0x70]), 0);
  assert.deepEqual(frames(peer), ['0 0 3 16384', '0 0 5 16384', '0 0 1 7233', '0 0 3 7232', '0 1 5 7232']);
  assert.deepEqual(
    peer.log.filter((line) => line.startsWith('writable')),
    ['writable 1', 'writable 3'],
  );
});

test('a stream without window does not hold up the others', () => {
  const peer = server();
  peer.connection.receive(frame(4, 0, 0, [0, 4, 0, 0, 0, 10]), 0);
  for (const id of [1, 3]) peer.connection.receive(frame(1, 5, id, GET), 0);
  for (const stream of peer.streams) peer.connection.respond(stream, [':status', '200'], false);
  const [first, second] = peer.streams;
  assert.ok(first && second);
  peer.connection.receive(frame(8, 0, 3, [0, 0, 0x10, 0]), 0);
  peer.sent.length = 0;
  assert.equal(peer.connection.send(first, new Uint8Array(100), true), false);
  assert.equal(peer.connection.send(second, new Uint8Array(100), true), true);
  assert.deepEqual(frames(peer), ['0 0 1 10', '0 1 3 100']);
});

test('a drain takes the requests that were on their way, then says which was the last', () => {
  const peer = server();
  peer.connection.receive(frame(1, 5, 1, GET), 0);
  peer.connection.drain();
  assert.equal(peer.connection.draining, 'first');
  const [goaway = '', ping = ''] = frames(peer);
  assert.match(goaway, /^7 0 0 8$/);
  assert.match(ping, /^6 0 0 8$/);
  const payload = [...Buffer.concat(peer.sent).subarray(-8)];
  assert.equal(Buffer.concat(peer.sent).readUInt32BE(9), 0x7fff_ffff);
  peer.sent.length = 0;
  peer.connection.receive(frame(1, 5, 3, GET), 0);
  assert.equal(peer.log.at(-1), 'head 3 end');
  peer.connection.receive(frame(6, 1, 0, payload), 0);
  assert.equal(Buffer.concat(peer.sent).readUInt32BE(9), 3);
  assert.equal(peer.connection.draining, 'last');
  peer.connection.receive(frame(1, 5, 5, GET), 0);
  assert.equal(peer.log.at(-1), 'refused closing');
  for (const stream of peer.streams) peer.connection.respond(stream, [':status', '204'], true);
  assert.equal(peer.connection.streamCount, 0);
});

test('frames on streams that we reset are ignored, on streams that both ended they are an error', () => {
  const peer = server();
  peer.connection.receive(frame(1, 4, 1, POST), 0);
  const [stream] = peer.streams;
  assert.ok(stream);
  peer.connection.reset(stream, H2_ERROR.cancel);
  peer.sent.length = 0;
  peer.connection.receive(frame(0, 1, 1, [1, 2, 3]), 0);
  peer.connection.receive(frame(1, 5, 1, GET), 0);
  assert.deepEqual(frames(peer), []);
  peer.connection.receive(frame(1, 5, 3, GET), 0);
  const second = peer.streams[1];
  assert.ok(second);
  peer.connection.respond(second, [':status', '204'], true);
  peer.connection.receive(frame(0, 1, 3, [1]), 0);
  assert.equal(peer.log.at(-1), `failed ${H2_ERROR.streamClosed} stream_closed`);
});

test('an id that was left out cannot be used later', () => {
  const peer = server();
  peer.connection.receive(frame(1, 5, 5, GET), 0);
  peer.connection.receive(frame(1, 5, 3, GET), 0);
  assert.equal(peer.log.at(-1), `failed ${H2_ERROR.protocol} lower_stream_id`);
});

const literal = (name: string, value: string): number[] => [
  0x00,
  name.length,
  ...Buffer.from(name),
  value.length,
  ...Buffer.from(value),
];

test('malformed requests are refused before anybody hears of them, with their reason', () => {
  const cases: readonly (readonly [string, readonly number[]])[] = [
    ['bad_field_name', [...GET, ...literal('X', '1')]],
    ['bad_field_name', [...GET, ...literal('', '1')]],
    ['bad_field_value', [...GET, ...literal('x', 'a\r\nb: c')]],
    ['bad_field_value', [...GET, ...literal('x', ' a')]],
    ['bad_field_value', [...GET, ...literal('x', '\0')]],
    ['connection_field', [...GET, ...literal('connection', 'x')]],
    ['connection_field', [...GET, ...literal('transfer-encoding', 'chunked')]],
    ['connection_field', [...GET, ...literal('te', 'gzip')]],
    ['bad_pseudo_field', [...GET, ...literal('x', '1'), 0x84]],
    ['bad_pseudo_field', [...GET, 0x84]],
    ['bad_pseudo_field', [...GET, ...literal(':status', '200')]],
    ['bad_pseudo_field', [...GET, ...literal(':protocol', 'websocket')]],
    ['missing_pseudo_field', [0x82, 0x86]],
    ['missing_pseudo_field', [0x82, 0x86, ...literal(':path', '')]],
    ['bad_method', [...literal(':method', 'G T'), 0x86, 0x84]],
    ['bad_path', [0x82, 0x86, ...literal(':path', '/a b')]],
    ['bad_path', [0x82, 0x86, ...literal(':path', 'a')]],
    ['bad_path', [0x82, 0x86, ...literal(':path', '*')]],
    ['bad_path', [0x82, 0x86, ...literal(':path', '/a#b')]],
    ['bad_authority', [...GET, ...literal(':authority', 'u@a')]],
    ['host_mismatch', [...GET, ...literal(':authority', 'a'), ...literal('host', 'b')]],
    ['host_mismatch', [...GET, ...literal('host', 'b'), ...literal('host', 'b')]],
    ['bad_content_length', [...GET, ...literal('content-length', '1, 1')]],
    ['bad_content_length', [...GET, ...literal('content-length', '0'), ...literal('content-length', '0')]],
    ['body_length', [...GET, ...literal('content-length', '1')]],
    ['missing_pseudo_field', literal(':method', 'CONNECT')],
    ['bad_pseudo_field', [...literal(':method', 'CONNECT'), 0x84, ...literal(':authority', 'a:1')]],
  ];
  for (const [reason, block] of cases) {
    const peer = server();
    peer.connection.receive(frame(1, 5, 1, block), 0);
    assert.deepEqual(peer.log, [`refused ${reason}`], Buffer.from(block).toString('latin1'));
    assert.deepEqual(frames(peer), ['3 0 1 4']);
  }
});

test('extended CONNECT is well formed only where it was offered', () => {
  const block = [...literal(':method', 'CONNECT'), 0x86, 0x84, ...literal(':protocol', 'websocket')];
  const peer = server({}, { connectProtocol: true });
  peer.connection.receive(frame(1, 4, 1, block), 0);
  assert.deepEqual(peer.log, ['head 1']);
});

test('the last event of a stream finds it closed, so that an owner who is through with it has nothing to reset', () => {
  const peer = server();
  peer.connection.receive(frame(1, 4, 1, POST), 0);
  const [stream] = peer.streams;
  assert.ok(stream);
  peer.connection.respond(stream, [':status', '204'], true);
  assert.equal(stream.closed, false);
  peer.sent.length = 0;
  peer.connection.receive(frame(0, 1, 1), 0);
  assert.deepEqual([stream.closed, peer.connection.streamCount], [true, 0]);
  peer.connection.reset(stream, H2_ERROR.cancel);
  assert.deepEqual(frames(peer), []);
});

test('thousands of streams given up in one round trip do not end the connection, an endless rest does', () => {
  const log: string[] = [];
  const client = new H2Connection<null>(
    { role: 'client' },
    {
      write: () => undefined,
      headers: () => undefined,
      data: () => undefined,
      reset: () => undefined,
      writable: () => undefined,
      goaway: () => undefined,
      pong: () => undefined,
      settings: () => undefined,
      failed: (_, code, reason) => void log.push(`failed ${code} ${reason}`),
    },
  );
  client.start();
  client.receive(SETTINGS, 0);
  const ids: number[] = [];
  for (let n = 0; n < 3000; n += 1) {
    const stream = client.request([':method', 'GET', ':scheme', 'http', ':path', '/'], null, true);
    assert.ok(stream);
    ids.push(stream.id);
    client.reset(stream, H2_ERROR.cancel);
  }
  for (const id of ids) {
    client.receive(frame(1, 4, id, [0x88]), 0);
    client.receive(frame(0, 1, id, [1]), 0);
  }
  assert.deepEqual(log, []);
  for (let n = 0; n < 250_000 && log.length === 0; n += 1) client.receive(frame(0, 0, 1), 0);
  assert.deepEqual(log, [`failed ${CALM} no_progress`]);
});

test('a peer that gives back each small body as it comes is no flood, one that has crumbs cut off is', () => {
  const peer = server({ smallWindowUpdatesPerSecond: 10 });
  for (let n = 0; n < 2000; n += 1) {
    const id = 2 * n + 1;
    peer.connection.receive(frame(1, 5, id, GET), 0);
    const stream = peer.streams[n];
    assert.ok(stream);
    peer.connection.respond(stream, [':status', '200'], false);
    peer.connection.send(stream, new Uint8Array(100), true);
    const updates = [frame(8, 0, id, [0, 0, 0, 100]), frame(8, 0, 0, [0, 0, 0, 100])];
    peer.connection.receive(Buffer.concat(updates), 0);
  }
  assert.equal(peer.connection.failed, false);
  const crumbs = server({ smallWindowUpdatesPerSecond: 10 });
  crumbs.connection.receive(frame(4, 0, 0, [0, 4, 0, 0, 0, 0]), 0);
  crumbs.connection.receive(frame(1, 5, 1, GET), 0);
  const [stream] = crumbs.streams;
  assert.ok(stream);
  crumbs.connection.respond(stream, [':status', '200'], false);
  crumbs.connection.send(stream, new Uint8Array(1000), true);
  for (let n = 0; n < 20; n += 1) crumbs.connection.receive(frame(8, 0, 1, [0, 0, 0, 1]), 0);
  assert.equal(crumbs.log.at(-1), `failed ${CALM} window_update_flood`);
});

test('a peer may give up all of its streams at once, however many they are', () => {
  const peer = server({ concurrentStreams: 3000 });
  const ids = Array.from({ length: 3000 }, (_, n) => 2 * n + 1);
  peer.connection.receive(Buffer.concat(ids.map((id) => frame(1, 4, id, POST))), 0);
  peer.connection.receive(Buffer.concat(ids.map((id) => frame(3, 0, id, [0, 0, 0, 8]))), 0);
  assert.equal(peer.connection.failed, false);
  assert.equal(peer.connection.streamCount, 0);
});
