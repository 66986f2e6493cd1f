/**
 * What each codec must bear. A target gets an input whole and in pieces, and throws when the two are read differently, when something that
 * was accepted cannot be true, or when the codec throws.
 */
import assert from 'node:assert/strict';
import { BodyCursor } from '../../src/http1/body.ts';
import { FRAMING, Http1Head, METHOD } from '../../src/http1/head.ts';
import { parseRequestHead, parseResponseHead } from '../../src/http1/parse-head.ts';
import { readClientHello } from '../../src/client-hello/client-hello.ts';
import { HpackDecoder } from '../../src/hpack/decoder.ts';
import { HpackEncoder } from '../../src/hpack/encoder.ts';
import { encodeTransportHeader, TransportHeaderReader } from '../../src/transport-header/transport-header.ts';
import { HTTP_1_1 } from '../../src/translate/orig-proto.ts';
import { h1RequestFraming, h1RequestHead, h1ResponseFraming, h1ResponseHead } from '../../src/translate/to-h1.ts';
import { h2Client, h2Server } from './h2-target.ts';
import { readMessages } from './read-messages.ts';

export type Target = (whole: Buffer, parts: readonly Buffer[]) => void;

export const TARGETS: Readonly<Record<string, Target>> = {
  'h1-request': (whole, parts) => sameReading(whole, parts, undefined),
  'h1-response': (whole, parts) => sameReading(whole, parts, METHOD.get),
  chunked,
  'h2-server': h2Server,
  'h2-client': h2Client,
  hpack,
  translate,
  transport,
  hello,
};

function sameReading(whole: Buffer, parts: readonly Buffer[], requestMethod: number | undefined): void {
  // When an error is seen may depend on the pieces, as a head that cannot become good is refused before its end.
  const read = (chunks: readonly Buffer[]): string[] =>
    readMessages(chunks, requestMethod).filter((entry) => !entry.startsWith('error '));
  assert.deepEqual(read(parts), read([whole]));
}

function chunked(whole: Buffer, parts: readonly Buffer[]): void {
  const read = (chunks: readonly Buffer[]): string => {
    const body = new BodyCursor();
    body.reset(FRAMING.chunked, 0);
    let payload = '';
    for (const chunk of chunks) {
      for (let at = 0; at < chunk.length && !body.done;) {
        const end = body.segment(chunk, at, chunk.length);
        // Payload that came before the error may have been passed on, as much of it as came in one piece with it.
        if (end < 0) return `error ${body.error}`;
        payload += chunk.toString('latin1', body.dataStart, body.dataEnd);
        assert.ok(end > at);
        at = end;
      }
    }
    return `${body.done} ${payload} ${body.trailers.join('|')}`;
  };
  assert.equal(read(parts), read([whole]));
}

/** The input as a row of header blocks: a length byte before each. */
function blocks(whole: Buffer): Buffer[] {
  const list: Buffer[] = [];
  for (let at = 0; at < whole.length;) {
    const length = whole[at] as number;
    list.push(whole.subarray(at + 1, at + 1 + length));
    at += 1 + length;
  }
  return list;
}

function hpack(whole: Buffer): void {
  const decoder = new HpackDecoder();
  const encoder = new HpackEncoder({ huffman: whole.length % 2 === 0 });
  const again = new HpackDecoder();
  for (const block of blocks(whole)) {
    const fields: string[] = [];
    const result = decoder.decode(block, 0, block.length, fields);
    if (result === 'too_large' || result === 'too_many') continue;
    if (result !== 'ok') return;
    assert.equal(decoder.count * 2, fields.length);
    const encoded = Buffer.from(encoder.encode(fields));
    const back: string[] = [];
    assert.equal(again.decode(encoded, 0, encoded.length, back), 'ok');
    assert.deepEqual(back, fields);
  }
}

function translate(whole: Buffer): void {
  const decoder = new HpackDecoder();
  const head = new Http1Head();
  for (const block of blocks(whole)) {
    const fields: string[] = [];
    if (decoder.decode(block, 0, block.length, fields) !== 'ok') return;
    for (const end of [true, false]) {
      const request = h1RequestHead(fields, end, HTTP_1_1, NO_EDITS);
      if (typeof request !== 'string') {
        assert.equal(parseRequestHead(head, request, 0, request.length), request.length, `request: ${head.error}`);
        assert.equal(head.framing, h1RequestFraming(fields, end));
      }
      const response = h1ResponseHead(fields, end, METHOD.get, 1, NO_EDITS);
      if (typeof response !== 'string') {
        const length = parseResponseHead(head, response, 0, response.length, METHOD.get);
        assert.equal(length, response.length, `response: ${head.error}`);
        assert.equal(head.framing, h1ResponseFraming(fields, end, METHOD.get, 1));
      }
    }
  }
}
const NO_EDITS = { drop: 0, add: new Uint8Array(0), authority: undefined };

function transport(whole: Buffer, parts: readonly Buffer[]): void {
  const read = (chunks: readonly Buffer[]): string => {
    const reader = new TransportHeaderReader();
    for (const [index, chunk] of chunks.entries()) {
      const result = reader.feed(chunk);
      if (result.kind === 'incomplete') continue;
      if (result.kind === 'error') return result.error;
      const rest = Buffer.concat([result.rest, ...chunks.slice(index + 1)]);
      const again = new TransportHeaderReader().feed(encodeTransportHeader(result.header));
      assert.deepEqual(again.kind === 'header' && again.header, result.header);
      return `${JSON.stringify(result.header)} ${rest.toString('hex')}`;
    }
    return 'incomplete';
  };
  const [whole1, inParts] = [read([whole]), read(parts)];
  assert.equal(inParts, whole1);
}

/** A peek is repeated with more bytes each time: what it has once said stays true. */
function hello(whole: Buffer, parts: readonly Buffer[]): void {
  const last = JSON.stringify(readClientHello(whole));
  let length = 0;
  for (const part of parts) {
    length += part.length;
    const result = readClientHello(whole.subarray(0, length));
    if (result.kind !== 'incomplete') assert.equal(JSON.stringify(result), last);
  }
}
