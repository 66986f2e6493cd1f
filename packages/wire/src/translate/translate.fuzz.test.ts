import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { FRAMING, Http1Head, METHOD } from '../http1/head.ts';
import { HEADER, headerBit } from '../http1/header-kind.ts';
import { parseRequestHead, parseResponseHead } from '../http1/parse-head.ts';
import { NO_FIELD_EDITS, passFields } from './field-kind.ts';
import { formatOrigProto, HTTP_1_1, parseOrigProto } from './orig-proto.ts';
import { h1RequestFraming, h1RequestHead, h1ResponseFraming, h1ResponseHead } from './to-h1.ts';
import { h2RequestFields, h2ResponseFields } from './to-h2.ts';

const NO_EDITS = { drop: 0, add: new Uint8Array(0), authority: undefined };
const token = fc.stringMatching(/^[a-z][a-z0-9-]{0,10}$/).filter((name) => !RESERVED.has(name));
const RESERVED = new Set(['host', 'connection', 'te', 'upgrade', 'expect', 'cookie', 'keep-alive']);
const value = fc.stringMatching(/^([!-~]([ -~]{0,20}[!-~])?)?$/);
const pairs = fc.array(fc.tuple(token, value), { maxLength: 6 });
const path = fc.stringMatching(/^\/[a-z0-9/?=&%.-]{0,20}$/);

test('a request of HTTP/1 comes back from HTTP/2 with the same target, version, authority and fields', () => {
  fc.assert(
    fc.property(pairs, path, fc.boolean(), fc.constantFrom(0, 1), fc.nat(9), (extra, path, absolute, minor, length) => {
      const lines = extra.map(([name, text]) => `${name.toUpperCase()}: ${text}\r\n`).join('');
      const target = absolute ? `http://a.test:81${path}` : path;
      const source = `PUT ${target} HTTP/1.${minor}\r\nHost: a.test:81\r\n${lines}Connection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\ncontent-length: ${length}\r\n\r\n`;
      const head = new Http1Head();
      assert.ok(parseRequestHead(head, Buffer.from(source, 'latin1'), 0, source.length) > 0);
      const fields = h2RequestFields(head, 'http', NO_FIELD_EDITS);
      const proto = parseOrigProto(formatOrigProto(head.minor, absolute));
      assert.ok(proto);
      const written = h1RequestHead(fields, length === 0, proto, NO_EDITS);
      assert.ok(typeof written !== 'string', String(written));
      const again = new Http1Head();
      assert.equal(parseRequestHead(again, written, 0, written.length), written.length);
      assert.equal(again.target(), target);
      assert.equal(again.minor, minor);
      assert.equal(again.value(again.host), 'a.test:81');
      assert.equal(again.contentLength, length);
      assert.equal(h1RequestFraming(fields, length === 0), again.framing);
      const kept = Array.from({ length: again.count }, (_, index) => [again.name(index), again.value(index)]);
      assert.deepEqual(
        kept.filter(([name]) => name !== 'host' && name !== 'content-length'),
        extra.filter(([name]) => name !== 'x-hop'),
      );
    }),
    { numRuns: 300 },
  );
});

test('a response of HTTP/1 comes back from HTTP/2 with the same status, fields and framing', () => {
  const status = fc.integer({ min: 200, max: 599 });
  fc.assert(
    fc.property(pairs, status, fc.constantFrom(METHOD.get, METHOD.head), (extra, status, method) => {
      const lines = extra.map(([name, text]) => `${name}: ${text}\r\n`).join('');
      const body = status === 204 ? '' : 'Transfer-Encoding: chunked\r\n';
      const source = `HTTP/1.1 ${status} x\r\n${lines}${body}\r\n`;
      const head = new Http1Head();
      assert.ok(parseResponseHead(head, Buffer.from(source, 'latin1'), 0, source.length, method) > 0);
      const fields = h2ResponseFields(head, NO_FIELD_EDITS);
      const end = head.framing === FRAMING.none;
      const written = h1ResponseHead(fields, end, method, 1, NO_EDITS);
      assert.ok(typeof written !== 'string', String(written));
      const again = new Http1Head();
      assert.equal(parseResponseHead(again, written, 0, written.length, method), written.length);
      assert.equal(again.status, status);
      assert.equal(again.framing, head.framing);
      assert.equal(h1ResponseFraming(fields, end, method, 1), head.framing);
      const kept = Array.from({ length: again.count }, (_, index) => [again.name(index), again.value(index)]);
      const framing = new Set(['transfer-encoding', 'content-length']);
      assert.deepEqual(
        kept.filter(([name]) => !framing.has(name ?? '')),
        extra,
      );
    }),
    { numRuns: 300 },
  );
});

const evil = fc.oneof(
  fc.constantFrom(
    'a\r\nb: c',
    'GET / HTTP/1.1\r\n\r\n',
    'chunked',
    '5, 5',
    '+5',
    '0',
    'a b',
    'u@h',
    'x\0',
    'x\ny',
    '/',
    '*',
    'http://x/',
    'POST',
    'CONNECT',
    'a.test',
  ),
  fc.string({ maxLength: 12, unit: 'binary' }),
  value,
);
const evilName = fc.oneof(
  fc.constantFrom(
    ':method',
    ':path',
    ':scheme',
    ':authority',
    ':protocol',
    ':x',
    'host',
    'content-length',
    'transfer-encoding',
    'connection',
    'te',
    'upgrade',
    'Host',
    'a:b',
    'x\r\ny',
    '',
    'cookie',
    'keep-alive',
    'expect',
    'trailer',
  ),
  token,
);
const base = fc.constantFrom<readonly string[]>(
  [':method', 'POST', ':scheme', 'http', ':authority', 'a.test', ':path', '/'],
  [':method', 'GET', ':scheme', 'http', ':path', '/'],
  [],
);

test('whatever an HTTP/2 request says, its HTTP/1 head is one message with the framing that was announced, or there is none', () => {
  let written = 0;
  fc.assert(
    fc.property(
      base,
      fc.array(fc.tuple(evilName, evil), { maxLength: 6 }),
      fc.boolean(),
      fc.constantFrom(HTTP_1_1, { minor: 0, absolute: false }, { minor: 1, absolute: true }),
      (start, extra, end, as) => {
        const fields = [...start, ...extra.flat()];
        const bytes = h1RequestHead(fields, end, as, NO_EDITS);
        if (typeof bytes === 'string') return;
        written += 1;
        const head = new Http1Head();
        assert.equal(parseRequestHead(head, bytes, 0, bytes.length), bytes.length, `${head.error} ${String(bytes)}`);
        assert.equal(head.framing, h1RequestFraming(fields, end));
        assert.equal(head.has(HEADER.connection) || head.has(HEADER.upgrade) || head.has(HEADER.te), false);
        assert.equal(head.has(HEADER.transferEncoding), head.framing === FRAMING.chunked);
      },
    ),
    { numRuns: 3000 },
  );
  assert.ok(written > 100, `${written} heads were written`);
});

test('whatever an HTTP/2 response says, its HTTP/1 head is one message with the framing that was announced, or there is none', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.constantFrom('200', '204', '304', '100', '101', '999', '2000', ''), fc.string({ maxLength: 4 })),
      fc.array(fc.tuple(evilName, evil), { maxLength: 6 }),
      fc.boolean(),
      fc.constantFrom(METHOD.get, METHOD.head),
      (status, extra, end, method) => {
        const fields = [':status', status, ...extra.flat()];
        const bytes = h1ResponseHead(fields, end, method, 1, NO_EDITS);
        if (typeof bytes === 'string') return;
        const head = new Http1Head();
        assert.equal(parseResponseHead(head, bytes, 0, bytes.length, method), bytes.length, `${head.error}`);
        assert.notEqual(head.status, 101);
        assert.equal(head.framing, h1ResponseFraming(fields, end, method, 1));
        assert.equal(head.has(HEADER.connection) || head.has(HEADER.upgrade), false);
      },
    ),
    { numRuns: 3000 },
  );
});

test('a list for the next HTTP/2 hop loses what is dropped, gains what is added, and has one authority', () => {
  const edits = { drop: headerBit(HEADER.clientId), add: ['l5d-client-id', 'me'], authority: 'b.test' };
  const fields = [':method', 'GET', ':path', '/', 'host', 'a', 'l5d-client-id', 'spoofed', 'x', 'y'];
  const out = passFields(fields, edits);
  assert.deepEqual(out, [':method', 'GET', ':path', '/', ':authority', 'b.test', 'x', 'y', 'l5d-client-id', 'me']);
  assert.equal(passFields(out, NO_FIELD_EDITS), out);
});
