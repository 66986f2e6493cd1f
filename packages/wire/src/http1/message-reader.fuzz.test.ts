import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BodyCursor } from './body.ts';
import { FRAMING, Http1Head, METHOD } from './head.ts';
import { parseRequestHead, parseResponseHead } from './parse-head.ts';
import { fieldLines, unchanged, writeHead } from './head-writer.ts';
import { HEADER, headerBit } from './header-kind.ts';
import { readMessages } from '../../test/fuzz/read-messages.ts';

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const points = [0, ...at.map((point) => point % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return points.slice(1).map((to, index) => bytes.subarray(points[index], to));
}

const token = fc.stringMatching(/^[a-z][a-z0-9-]{0,12}$/).filter((name) => !RESERVED.has(name));
const RESERVED = new Set(['host', 'connection', 'te', 'upgrade', 'expect', 'content-length', 'transfer-encoding']);
const value = fc.stringMatching(/^[!-~][ -~]{0,20}$/);
const fields = fc.array(fc.tuple(token, value), { maxLength: 6 });
const payload = fc.uint8Array({ maxLength: 60 });
const lines = (list: readonly (readonly [string, string])[]): string =>
  list.map(([name, text]) => `${name}: ${text}\r\n`).join('');

/** A whole message with one of the framings. */
const message = fc
  .tuple(fields, fc.constantFrom('none', 'length', 'chunked'), fc.array(payload, { maxLength: 3 }), fields)
  .map(([extra, framing, parts, trailers]) => {
    const start = `POST /x HTTP/1.1\r\nhost: a\r\n${lines(extra)}`;
    const all = Buffer.concat(parts);
    if (framing === 'none') return Buffer.from(`${start}\r\n`, 'latin1');
    if (framing === 'length') {
      return Buffer.concat([Buffer.from(`${start}content-length: ${all.length}\r\n\r\n`), all]);
    }
    const chunks = parts
      .filter((part) => part.length > 0)
      .flatMap((part) => [Buffer.from(`${part.length.toString(16)};e=1\r\n`), part, Buffer.from('\r\n')]);
    const end = Buffer.from(`0\r\n${lines(trailers)}\r\n`);
    return Buffer.concat([Buffer.from(`${start}transfer-encoding: chunked\r\n\r\n`), ...chunks, end]);
  });

test('however a stream of requests is cut, the events are the same', () => {
  fc.assert(
    fc.property(
      fc.array(message, { minLength: 1, maxLength: 3 }),
      fc.array(fc.nat(), { maxLength: 12 }),
      (messages, at) => {
        const stream = Buffer.concat(messages);
        const whole = readMessages([stream]);
        assert.equal(whole.length, messages.length * 2);
        assert.ok(
          whole.every((event) => !event.startsWith('error')),
          whole.join('|'),
        );
        assert.deepEqual(readMessages(cut(stream, at)), whole);
        assert.deepEqual(readMessages([...stream].map((byte) => Uint8Array.of(byte))), whole);
      },
    ),
    { numRuns: 200 },
  );
});

test('of a damaged stream nothing gets through in pieces that does not as a whole', () => {
  fc.assert(
    fc.property(message, fc.nat(), fc.nat(255), fc.array(fc.nat(), { maxLength: 8 }), (bytes, at, byte, points) => {
      const damaged = Buffer.from(bytes);
      damaged[at % damaged.length] = byte;
      const whole = readMessages([damaged]);
      const inPieces = readMessages(cut(damaged, points));
      // Refused as a whole: nothing more gets through in pieces, where the refusal may wait for the end of a line.
      const accepted = (list: readonly string[]): string[] => list.filter((event) => !event.startsWith('error'));
      assert.deepEqual(accepted(inPieces), accepted(whole));
      if (accepted(whole).length === whole.length) assert.deepEqual(inPieces, whole);
    }),
    { numRuns: 500 },
  );
});

test('garbage never throws, in requests, responses and chunked bodies', () => {
  const head = new Http1Head();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      parseRequestHead(head, bytes, 0, bytes.length);
      parseResponseHead(head, bytes, 0, bytes.length, METHOD.get);
      readMessages([bytes]);
      readMessages([bytes], METHOD.get);
      const body = new BodyCursor();
      body.reset(FRAMING.chunked, 0);
      body.advance(bytes, 0, bytes.length);
    }),
    { numRuns: 1000 },
  );
});

test('a head written on is read again with the same fields, less those dropped, plus those added', () => {
  fc.assert(
    fc.property(fields, fc.boolean(), (extra, override) => {
      const text = `GET /p HTTP/1.1\r\nl5d-client-id: spoofed\r\nHost: a.test\r\nConnection: x-hop\r\nx-hop: 1\r\n${lines(extra)}keep-alive: 5\r\n\r\n`;
      const bytes = Buffer.from(text, 'latin1');
      const head = new Http1Head();
      assert.ok(parseRequestHead(head, bytes, 0, bytes.length) > 0);
      const edits = {
        drop: headerBit(HEADER.clientId),
        add: fieldLines([['l5d-client-id', 'me']]),
        authority: override ? Buffer.from('b.test:80') : undefined,
      };
      assert.equal(unchanged(head, edits), false);
      const written = writeHead(head, edits, Buffer.from('BODY'));
      const again = new Http1Head();
      const end = parseRequestHead(again, written, 0, written.length);
      assert.equal(Buffer.from(written.subarray(end)).toString(), 'BODY');
      const list = Array.from({ length: again.count }, (_, index) => [again.name(index), again.value(index)]);
      const kept = extra
        .filter(([name]) => name !== 'x-hop' && name !== 'keep-alive' && !name.startsWith('l5d-'))
        .map(([name, text2]) => [name, text2.trimEnd()]);
      const ours = list.filter(([name]) => name !== 'host' && name !== 'l5d-client-id');
      assert.deepEqual(ours, kept);
      assert.equal(again.value(again.host), override ? 'b.test:80' : 'a.test');
      assert.deepEqual(
        list.filter(([name]) => name === 'l5d-client-id').map(([, text3]) => text3),
        ['me'],
      );
    }),
    { numRuns: 300 },
  );
});
