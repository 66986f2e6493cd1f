import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HpackDecoder } from './decoder.ts';
import type { HpackResult } from './decoder.ts';
import { HpackEncoder } from './encoder.ts';

const decodeWhole = (decoder: HpackDecoder, block: Uint8Array, fields: string[]): HpackResult =>
  decoder.decode(Buffer.from(block), 0, block.length, fields);
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

function decode(decoder: HpackDecoder, text: string): string[] {
  const fields: string[] = [];
  assert.equal(decodeWhole(decoder, hex(text), fields), 'ok');
  return fields;
}

const FIRST = [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'www.example.com'];
const SECOND = [...FIRST, 'cache-control', 'no-cache'];
const THIRD = [
  ':method',
  'GET',
  ':scheme',
  'https',
  ':path',
  '/index.html',
  ':authority',
  'www.example.com',
  'custom-key',
  'custom-value',
];
const RESPONSE = [
  ':status',
  '302',
  'cache-control',
  'private',
  'date',
  'Mon, 21 Oct 2013 20:13:21 GMT',
  'location',
  'https://www.example.com',
];

test('literals of RFC 7541 C.2 are decoded', () => {
  assert.deepEqual(decode(new HpackDecoder(), '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572'), [
    'custom-key',
    'custom-header',
  ]);
  assert.deepEqual(decode(new HpackDecoder(), '040c 2f73 616d 706c 652f 7061 7468'), [':path', '/sample/path']);
  assert.deepEqual(decode(new HpackDecoder(), '1008 7061 7373 776f 7264 0673 6563 7265 74'), ['password', 'secret']);
  assert.deepEqual(decode(new HpackDecoder(), '82'), [':method', 'GET']);
});

test('requests without Huffman of RFC 7541 C.3 are decoded with one table', () => {
  const decoder = new HpackDecoder();
  assert.deepEqual(decode(decoder, '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d'), FIRST);
  assert.deepEqual(decode(decoder, '8286 84be 5808 6e6f 2d63 6163 6865'), SECOND);
  assert.deepEqual(decode(decoder, '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65'), THIRD);
});

test('requests with Huffman of RFC 7541 C.4 are decoded with one table', () => {
  const decoder = new HpackDecoder();
  assert.deepEqual(decode(decoder, '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff'), FIRST);
  assert.deepEqual(decode(decoder, '8286 84be 5886 a8eb 1064 9cbf'), SECOND);
  assert.deepEqual(decode(decoder, '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf'), THIRD);
});

test('responses with evictions of RFC 7541 C.5 and C.6 are decoded', () => {
  const second = RESPONSE.with(1, '307');
  const third = [
    ':status',
    '200',
    'cache-control',
    'private',
    'date',
    'Mon, 21 Oct 2013 20:13:22 GMT',
    'location',
    'https://www.example.com',
    'content-encoding',
    'gzip',
    'set-cookie',
    'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
  ];
  const plain = new HpackDecoder({ tableBytesMax: 256 });
  assert.deepEqual(
    decode(
      plain,
      '4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
    ),
    RESPONSE,
  );
  assert.deepEqual(decode(plain, '4803 3330 37c1 c0bf'), second);
  const huffman = new HpackDecoder({ tableBytesMax: 256 });
  assert.deepEqual(
    decode(
      huffman,
      '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
    ),
    RESPONSE,
  );
  assert.deepEqual(decode(huffman, '4883 640e ffc1 c0bf'), second);
  assert.deepEqual(
    decode(
      huffman,
      '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
    ),
    third,
  );
});

test('the encoder writes the Huffman vectors of RFC 7541 C.4', () => {
  const encoder = new HpackEncoder({ huffman: true });
  assert.deepEqual(encoder.encode(FIRST), hex('8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff'));
  assert.deepEqual(encoder.encode(SECOND), hex('8286 84be 5886 a8eb 1064 9cbf'));
  assert.deepEqual(encoder.encode(THIRD), hex('8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf'));
});

test('credentials are never indexed', () => {
  const encoder = new HpackEncoder();
  const first = encoder.encode(['authorization', 'Bearer x']);
  assert.equal((first[0] ?? 0) & 0xf0, 0x10);
  assert.deepEqual(encoder.encode(['authorization', 'Bearer x']), first);
});

test('malformed blocks are refused with a code', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['80', 'bad_index'],
    ['be', 'bad_index'],
    ['7f', 'truncated'],
    ['ff ffffffffff7f', 'bad_integer'],
    ['40', 'truncated'],
    ['400a 61', 'truncated'],
    ['3fe2 1f', 'bad_table_size'],
    ['82 20', 'bad_table_size'],
    ['0081 ff 00', 'bad_huffman'],
    ['0081 00 00', 'bad_huffman'],
    ['0084 ffff ffff 00', 'bad_huffman'],
  ];
  for (const [block, expected] of cases) assert.equal(decodeWhole(new HpackDecoder(), hex(block), []), expected, block);
});

test('a list above the limit is reported and leaves the table in step', () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder({ listBytesMax: 100 });
  const fields: string[] = [];
  assert.equal(decodeWhole(decoder, encoder.encode(['a', 'x'.repeat(200), 'b', 'y']), fields), 'too_large');
  fields.length = 0;
  assert.equal(decodeWhole(decoder, encoder.encode(['b', 'y']), fields), 'ok');
  assert.deepEqual(fields, ['b', 'y']);
});

test('a peer that shrinks the table is told of the smallest and the last size', () => {
  const encoder = new HpackEncoder();
  encoder.encode(['a', 'b']);
  encoder.setPeerTableSize(0);
  encoder.setPeerTableSize(2048);
  const block = encoder.encode(['a', 'b']);
  assert.equal(block[0], 0x20);
  const decoder = new HpackDecoder();
  const fields: string[] = [];
  assert.equal(decodeWhole(decoder, block, fields), 'ok');
  assert.deepEqual(fields, ['a', 'b']);
});
