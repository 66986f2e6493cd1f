import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyCursor } from './body.ts';
import type { Http1Error } from './codes.ts';
import { FRAMING } from './head.ts';

function chunked(text: string): BodyCursor & { readonly end: number } {
  const body = new BodyCursor();
  body.reset(FRAMING.chunked, 0);
  const bytes = Buffer.from(text, 'latin1');
  return Object.assign(body, { end: body.advance(bytes, 0, bytes.length) });
}

test('a chunked body ends after its last CRLF, trailers included', () => {
  const text = '5\r\nhello\r\nA;x="y"\r\n0123456789\r\n0\r\nx-sum: 1\r\n\r\n';
  const body = chunked(`${text}GET`);
  assert.equal(body.end, text.length);
  assert.equal(body.done, true);
  assert.equal(body.payloadBytes, 15);
});

test('malformed chunks are refused with their reason', () => {
  const cases: readonly (readonly [string, Http1Error])[] = [
    ['\r\n', 'bad_chunk_size'],
    ['g\r\n', 'bad_chunk_size'],
    ['0x5\r\n', 'bad_chunk_size'],
    ['-5\r\n', 'bad_chunk_size'],
    ['5 \r\nhello', 'bad_chunk_size'],
    ['5\nhello', 'bad_chunk_size'],
    ['5\r\rhello', 'bad_chunk_size'],
    ['fffffffffffffffff\r\n', 'bad_chunk_size'],
    ['0000000000000\r\n', 'bad_chunk_size'],
    ['5;a\nb\r\nhello', 'bad_chunk_extension'],
    [`5;${'a'.repeat(300)}\r\n`, 'bad_chunk_extension'],
    ['5\r\nhelloX', 'bad_chunk_end'],
    ['5\r\nhello\n', 'bad_chunk_end'],
    ['0\r\nHost: evil\r\n\r\n', 'bad_trailer'],
    ['0\r\nContent-Length: 5\r\n\r\n', 'bad_trailer'],
    ['0\r\nx y: 5\r\n\r\n', 'bad_trailer'],
    ['0\r\nx: 5\n\r\n', 'bad_trailer'],
    [`0\r\nx: ${'v'.repeat(9000)}\r\n\r\n`, 'bad_trailer'],
  ];
  for (const [text, error] of cases) {
    const body = chunked(text);
    assert.equal(body.error, error, JSON.stringify(text.slice(0, 40)));
    assert.equal(body.end, -1);
  }
});

test('a body of known length stops at its length, one until close never does', () => {
  const body = new BodyCursor();
  body.reset(FRAMING.length, 3);
  assert.equal(body.advance(Buffer.from('abcdef'), 0, 6), 3);
  assert.equal(body.done, true);
  body.reset(FRAMING.close, 0);
  assert.equal(body.advance(Buffer.from('abcdef'), 2, 6), 6);
  assert.equal(body.done, false);
  assert.equal(body.endsWithConnection, true);
});

test('segments give the payload of any framing without its framing, and the trailers, however the bytes are cut', () => {
  const bytes = Buffer.from('5;x=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1 \r\nother:\r\n\r\nNEXT');
  for (let size = 1; size <= bytes.length; size += 1) {
    const body = new BodyCursor();
    body.reset(FRAMING.chunked, 0);
    let payload = '';
    let total = 0;
    for (let from = 0; from < bytes.length && !body.done; from += size) {
      const chunk = bytes.subarray(from, from + size);
      for (let at = 0; at < chunk.length && !body.done;) {
        const end = body.segment(chunk, at, chunk.length);
        assert.ok(end > at);
        payload += chunk.toString('latin1', body.dataStart, body.dataEnd);
        total += end - at;
        at = end;
      }
    }
    assert.equal(payload, 'hello world');
    assert.equal(total, bytes.length - 4);
    assert.deepEqual(body.trailers, ['x-sum', '1', 'other', '']);
  }
  const body = new BodyCursor();
  body.reset(FRAMING.length, 3);
  assert.equal(body.segment(bytes, 1, 10), 4);
  assert.deepEqual([body.dataStart, body.dataEnd, body.done], [1, 4, true]);
});

test('trailers that frame, route, authenticate or control are refused, those that describe are not', () => {
  for (const name of ['Content-Length', 'Host', 'authorization', 'Set-Cookie', 'Content-Type', 'cache-control', 'TE']) {
    const body = new BodyCursor();
    body.reset(FRAMING.chunked, 0);
    const bytes = Buffer.from(`0\r\n${name}: x\r\n\r\n`);
    assert.equal(body.advance(bytes, 0, bytes.length), -1, name);
    assert.equal(body.error, 'bad_trailer');
  }
  for (const name of ['Expires', 'etag', 'Server-Timing', 'grpc-status']) {
    const body = new BodyCursor();
    body.reset(FRAMING.chunked, 0);
    const bytes = Buffer.from(`0\r\n${name}: x\r\n\r\n`);
    assert.equal(body.advance(bytes, 0, bytes.length), bytes.length, name);
  }
});

test('more is owed of a declared length and of a chunk that was begun, not between chunks', () => {
  for (const [text, owed] of [
    ['', false],
    ['5', true],
    ['5\r\nhel', true],
    ['5\r\nhello', true],
    ['5\r\nhello\r\n', false],
    ['0\r\n', true],
    ['0\r\n\r\n', false],
  ] as const)
    assert.equal(chunked(text).owed, owed, JSON.stringify(text));
  const body = new BodyCursor();
  body.reset(FRAMING.length, 3);
  assert.equal(body.owed, true);
  body.advance(Buffer.from('abc'), 0, 3);
  assert.equal(body.owed, false);
  body.reset(FRAMING.close, 0);
  assert.equal(body.owed, false);
});
