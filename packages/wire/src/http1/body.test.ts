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
