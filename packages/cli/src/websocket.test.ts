import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeFrame, FrameReader, OPCODE } from './websocket.ts';

/** A client's frame as the server would have sent it: not masked. */
function unmasked(frame: Buffer): Buffer {
  const short = (frame[1] ?? 0) & 0x7f;
  const head = short < 126 ? 2 : short === 126 ? 4 : 10;
  const mask = frame.subarray(head, head + 4);
  const body = frame.subarray(head + 4).map((byte, index) => byte ^ (mask[index & 3] ?? 0));
  const start = Buffer.from(frame.subarray(0, head));
  start[1] = short;
  return Buffer.concat([start, body]);
}

test('what is encoded is read again, however it is split', () => {
  const sizes = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(125, 126, 0xffff, 0x1_0000));
  fc.assert(
    fc.property(fc.array(sizes, { maxLength: 4 }), fc.integer({ min: 1, max: 70_000 }), (lengths, step) => {
      const payloads = lengths.map((length, index) => Buffer.alloc(length, index + 1));
      const bytes = Buffer.concat(payloads.map((payload) => unmasked(encodeFrame(OPCODE.binary, payload))));
      const reader = new FrameReader();
      const frames = [];
      for (let at = 0; at < bytes.length; at += step) frames.push(...reader.read(bytes.subarray(at, at + step)));
      assert.deepEqual(
        frames.map(({ opcode, payload }) => [opcode, Buffer.compare(payload, payloads.shift() ?? Buffer.of())]),
        lengths.map(() => [OPCODE.binary, 0]),
      );
    }),
    { numRuns: 50 },
  );
});

test('masked and absurdly long frames are refused', () => {
  assert.throws(() => new FrameReader().read(encodeFrame(OPCODE.binary, Buffer.from('x'))), /masks/);
  const long = Buffer.from([0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0]);
  assert.throws(() => new FrameReader().read(long), /bytes/);
});
