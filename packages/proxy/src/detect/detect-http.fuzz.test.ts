import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { detectHttp } from './detect-http.ts';

const detect = (text: string): string => detectHttp(Buffer.from(text, 'latin1'));

test('request lines, the HTTP/2 preface and other protocols are told apart', () => {
  assert.equal(detect('GET / HTTP/1.1\r\nHost: a\r\n'), 'http/1');
  assert.equal(detect('M-SEARCH * HTTP/1.0'), 'http/1');
  assert.equal(detect('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), 'http/2');
  assert.equal(detect('PRIVATE / HTTP/1.1'), 'http/1');
  assert.equal(detect('\x16\x03\x01'), 'not_http');
  assert.equal(detect('\0\0\0'), 'not_http');
  assert.equal(detect('USER anna\r\n'), 'not_http');
  assert.equal(detect('PING\r\n'), 'not_http');
  assert.equal(detect('GET / HTTP/3'), 'not_http');
  assert.equal(detect('GET  / HTTP/1.1'), 'not_http');
  assert.equal(detect(`${'A'.repeat(30)} / HTTP/1.1`), 'not_http');
  assert.equal(detect(''), 'incomplete');
});

test('a decision that was made stays made when more bytes come', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.constant('GET /a?b HTTP/1.1\r\n\r\n'),
        fc.constant('PRI * HTTP/2.0\r\n\r\nSM'),
        fc.string({ unit: 'binary', maxLength: 60 }),
      ),
      (text) => {
        const bytes = Buffer.from(text, 'latin1');
        let decided = 'incomplete';
        for (let length = 0; length <= bytes.length; length += 1) {
          const now = detectHttp(bytes.subarray(0, length));
          if (decided !== 'incomplete') assert.equal(now, decided);
          decided = now;
        }
      },
    ),
  );
});
