import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { HpackDecoder } from './decoder.ts';
import type { HpackResult } from './decoder.ts';
import { HpackEncoder } from './encoder.ts';
import { huffmanDecode, huffmanEncode, huffmanLength } from './huffman.ts';

const decodeWhole = (decoder: HpackDecoder, block: Uint8Array, fields: string[]): HpackResult =>
  decoder.decode(Buffer.from(block), 0, block.length, fields);
const latin1 = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const name = fc.oneof(
  fc.constantFrom(':status', 'content-type', 'x-a', 'x-b', 'cookie', 'grpc-status', 'date'),
  latin1.filter((text) => text.length > 0),
);
const list = fc.array(fc.tuple(name, latin1), { maxLength: 12 }).map((pairs) => pairs.flat());

test('any sequence of lists survives with changing table sizes', () => {
  const step = fc.record({
    fields: list,
    resize: fc.option(fc.integer({ min: 0, max: 4096 }), { freq: 5, nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), fc.integer({ min: 0, max: 4096 }), (steps, tableBytesMax) => {
      const encoder = new HpackEncoder({ tableBytesMax });
      const decoder = new HpackDecoder();
      for (const { fields, resize } of steps) {
        if (resize !== undefined) encoder.setPeerTableSize(resize);
        const decoded: string[] = [];
        assert.equal(decodeWhole(decoder, encoder.encode(fields), decoded), 'ok');
        assert.deepEqual(decoded, fields);
      }
    }),
  );
});

test('every byte survives the Huffman code, and the code is complete', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const text = Buffer.from(bytes).toString('latin1');
      const encoded = new Uint8Array(huffmanLength(text));
      assert.equal(huffmanEncode(text, encoded, 0), encoded.length);
      const out = new Uint8Array(bytes.length);
      assert.equal(huffmanDecode(encoded, 0, encoded.length, out), bytes.length);
      assert.deepEqual(out, bytes);
    }),
  );
});

test('garbage never crashes the decoder', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), (blocks) => {
      const decoder = new HpackDecoder();
      for (const block of blocks) decodeWhole(decoder, block, []);
    }),
    { numRuns: 2000 },
  );
});
