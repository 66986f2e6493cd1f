/** The reader of captures: what it finds, what it leaves out, what it refuses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tcpSegments } from './pcap.ts';

function fileOf(...frames: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt32LE(1, 20);
  const records = frames.map((frame) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(frame.length, 8);
    return Buffer.concat([record, frame]);
  });
  return Buffer.concat([header, ...records]);
}

function frameOf(text: string, protocol = 6): Buffer {
  const frame = Buffer.alloc(14 + 20 + 20);
  frame.writeUInt16BE(0x0800, 12);
  frame[14] = 0x45;
  frame.writeUInt16BE(40 + text.length, 16);
  frame[23] = protocol;
  frame.set([10, 0, 0, 1], 26);
  frame.set([10, 0, 0, 2], 30);
  frame.writeUInt16BE(1234, 34);
  frame.writeUInt16BE(80, 36);
  frame[46] = 5 << 4;
  return Buffer.concat([frame, Buffer.from(text)]);
}

test('a segment has its addresses and its bytes, without the padding of its frame', () => {
  const [segment, ...rest] = tcpSegments(fileOf(Buffer.concat([frameOf('GET /'), Buffer.alloc(6)])));
  assert.deepEqual(rest, []);
  assert.deepEqual(segment?.source, { ip: '10.0.0.1', port: 1234 });
  assert.deepEqual(segment?.target, { ip: '10.0.0.2', port: 80 });
  assert.equal(segment?.payload.toString(), 'GET /');
});

test('segments without bytes, other protocols and a cut-off end are left out', () => {
  const file = fileOf(frameOf(''), frameOf('datagram', 17), frameOf('first'), frameOf('second'));
  const texts = tcpSegments(file.subarray(0, -1)).map(({ payload }) => payload.toString());
  assert.deepEqual(texts, ['first']);
});

test('what is no capture of Ethernet frames is refused', () => {
  assert.throws(() => tcpSegments(Buffer.from('no capture')), /no capture file/);
  const file = fileOf();
  file.writeUInt32LE(113, 20);
  assert.throws(() => tcpSegments(file), /link type 113/);
});
