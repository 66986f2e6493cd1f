import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Http1Error } from './codes.ts';
import { FRAMING, Http1Head, METHOD } from './head.ts';
import { parseRequestHead, parseResponseHead } from './parse-head.ts';

function request(text: string): Http1Head & { readonly result: number } {
  const head = new Http1Head();
  const bytes = Buffer.from(text, 'latin1');
  const result = parseRequestHead(head, bytes, 0, bytes.length);
  return Object.assign(head, { result });
}

function response(text: string, method: number = METHOD.get): Http1Head & { readonly result: number } {
  const head = new Http1Head();
  const bytes = Buffer.from(text, 'latin1');
  const result = parseResponseHead(head, bytes, 0, bytes.length, method);
  return Object.assign(head, { result });
}

const HOST = 'Host: a.test\r\n';
const post = (fields: string): string => `POST / HTTP/1.1\r\n${HOST}${fields}\r\n`;

test('a request head gives its parts without copying them', () => {
  const text = `GET /a/b?c=d HTTP/1.1\r\nhost:  a.test:80 \r\nX-Empty:\r\nx-own: v\t1\r\n\r\nrest`;
  const head = request(text);
  assert.equal(head.result, text.length - 4);
  assert.equal(head.method, METHOD.get);
  assert.equal(head.methodText(), 'GET');
  assert.equal(head.target(), '/a/b?c=d');
  assert.equal(head.minor, 1);
  assert.equal(head.value(head.host), 'a.test:80');
  assert.equal(head.name(1), 'x-empty');
  assert.equal(head.value(1), '');
  assert.equal(head.value(2), 'v\t1');
  assert.equal(head.framing, FRAMING.none);
  assert.equal(head.keepAlive, true);
});

test('ambiguous or malformed requests are refused with their reason', () => {
  const cases: readonly (readonly [string, Http1Error])[] = [
    [post('Content-Length: 3\r\nTransfer-Encoding: chunked\r\n'), 'length_and_encoding'],
    [post('Transfer-Encoding: chunked\r\nContent-Length: 3\r\n'), 'length_and_encoding'],
    [post('Content-Length: 3\r\nContent-Length: 3\r\n'), 'several_content_lengths'],
    [post('Content-Length: 3, 3\r\n'), 'bad_content_length'],
    [post('Content-Length: +3\r\n'), 'bad_content_length'],
    [post('Content-Length: -1\r\n'), 'bad_content_length'],
    [post('Content-Length: 0x3\r\n'), 'bad_content_length'],
    [post('Content-Length: 3 3\r\n'), 'bad_content_length'],
    [post('Content-Length:\r\n'), 'bad_content_length'],
    [post('Content-Length: 99999999999999999999\r\n'), 'bad_content_length'],
    [post('Transfer-Encoding: gzip, chunked\r\n'), 'bad_transfer_encoding'],
    [post('Transfer-Encoding: chunked, identity\r\n'), 'bad_transfer_encoding'],
    [post('Transfer-Encoding: xchunked\r\n'), 'bad_transfer_encoding'],
    [post('Transfer-Encoding: \x0bchunked\r\n'), 'bad_header_value'],
    [post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'), 'bad_transfer_encoding'],
    [post('Transfer-Encoding: identity\r\n'), 'bad_transfer_encoding'],
    ['POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n', 'bad_transfer_encoding'],
    [post('Content-Length : 3\r\n'), 'bad_header_name'],
    [post(' folded: 1\r\n'), 'folded_header'],
    [post('x: 1\r\n\tfolded\r\n'), 'folded_header'],
    [post(': empty\r\n'), 'bad_header_name'],
    [post('na me: 1\r\n'), 'bad_header_name'],
    [post('näme: 1\r\n'), 'bad_header_name'],
    [post('x: a\nb: c\r\n'), 'bad_line_end'],
    [post('x: a\rb\r\n'), 'bad_line_end'],
    [post('x: a\0b\r\n'), 'bad_header_value'],
    [post('x: a\x7fb\r\n'), 'bad_header_value'],
    [`GET / HTTP/1.1\nHost: a\n\n`, 'bad_line_end'],
    [`GET / HTTP/1.1\r\nHost: a\r\n\n`, 'bad_line_end'],
    ['GET / HTTP/1.1\r\nx: 1\r\n\r\n', 'missing_host'],
    [`GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`, 'several_hosts'],
    ['GET / HTTP/1.1\r\nHost: a@b\r\n\r\n', 'bad_host'],
    ['GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 'bad_host'],
    ['GET / HTTP/1.1\r\nHost: a b\r\n\r\n', 'bad_host'],
    ['GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n', 'host_mismatch'],
    [`GET  / HTTP/1.1\r\n${HOST}\r\n`, 'bad_target'],
    [`GET /a b HTTP/1.1\r\n${HOST}\r\n`, 'bad_version'],
    [`GET /a\tb HTTP/1.1\r\n${HOST}\r\n`, 'bad_target'],
    [`GET /ä HTTP/1.1\r\n${HOST}\r\n`, 'bad_target'],
    [`GET /#f HTTP/1.1\r\n${HOST}\r\n`, 'bad_target'],
    [`GET a/b HTTP/1.1\r\n${HOST}\r\n`, 'bad_target'],
    [`GET * HTTP/1.1\r\n${HOST}\r\n`, 'bad_target'],
    [`GET http://u@a.test/ HTTP/1.1\r\n${HOST}\r\n`, 'bad_target'],
    [`G(T / HTTP/1.1\r\n${HOST}\r\n`, 'bad_method'],
    [` GET / HTTP/1.1\r\n${HOST}\r\n`, 'bad_method'],
    [`GET / HTTP/1.2\r\n${HOST}\r\n`, 'bad_version'],
    [`GET / HTTP/2.0\r\n${HOST}\r\n`, 'bad_version'],
    [`GET / http/1.1\r\n${HOST}\r\n`, 'bad_version'],
    [`GET / HTTP/1.1 \r\n${HOST}\r\n`, 'bad_version'],
    [`GET /\r\n${HOST}\r\n`, 'bad_request_line'],
    [post('Connection: content-length\r\nContent-Length: 3\r\n'), 'bad_connection'],
    [post('Connection: close, Host\r\n'), 'bad_connection'],
    [post('Connection: transfer-encoding\r\n'), 'bad_connection'],
    [post(Array.from({ length: 200 }, (_, i) => `x${i}: 1\r\n`).join('')), 'too_many_headers'],
    [post(`x: ${'v'.repeat(70_000)}\r\n`), 'head_too_large'],
    [`GET /${'v'.repeat(70_000)}`, 'head_too_large'],
  ];
  for (const [text, error] of cases) {
    const head = request(text);
    assert.equal(head.error, error, JSON.stringify(text.slice(0, 90)));
    assert.equal(head.result, -1);
  }
});

test('all four forms of a request target are read', () => {
  for (const line of [
    'GET / HTTP/1.1',
    'OPTIONS * HTTP/1.1',
    'CONNECT a.test:443 HTTP/1.1',
    'GET http://a.test/x HTTP/1.1',
    'GET HTTP://A.TEST HTTP/1.1',
  ]) {
    const host = line.includes('443') ? 'a.test:443' : 'a.test';
    assert.equal(request(`${line}\r\nHost: ${host}\r\n\r\n`).error, undefined, line);
  }
});

test('Connection decides persistence, upgrades, and what goes no further', () => {
  assert.equal(request(post('Connection: close\r\n')).keepAlive, false);
  assert.equal(request(post('Connection: keep-alive, close\r\n')).keepAlive, false);
  assert.equal(request('GET / HTTP/1.0\r\n\r\n').keepAlive, false);
  assert.equal(request('GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n').keepAlive, true);
  assert.equal(request(post('Connection: Upgrade\r\nUpgrade: websocket\r\n')).upgrade, true);
  assert.equal(request(post('Connection: Upgrade\r\nUpgrade: h2c\r\n')).upgrade, false);
  assert.equal(request(post('Upgrade: websocket\r\n')).upgrade, false);
});

test('framing of responses follows status and request method', () => {
  const cases: readonly (readonly [string, number, number])[] = [
    ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', METHOD.get, FRAMING.length],
    ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', METHOD.head, FRAMING.none],
    ['HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n', METHOD.get, FRAMING.chunked],
    ['HTTP/1.1 200 \r\n\r\n', METHOD.get, FRAMING.close],
    ['HTTP/1.1 204 No Content\r\n\r\n', METHOD.get, FRAMING.none],
    ['HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n', METHOD.get, FRAMING.none],
    ['HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', METHOD.get, FRAMING.none],
    ['HTTP/1.1 100 Continue\r\n\r\n', METHOD.get, FRAMING.none],
    ['HTTP/1.1 200 OK\r\n\r\n', METHOD.connect, FRAMING.none],
    ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', METHOD.get, FRAMING.none],
  ];
  for (const [text, method, framing] of cases) {
    const head = response(text, method);
    assert.equal(head.error, undefined, text);
    assert.equal(head.framing, framing, text);
  }
  assert.equal(response('HTTP/1.1 200 \r\n\r\n').keepAlive, false);
});

test('malformed responses are refused', () => {
  const cases: readonly (readonly [string, Http1Error])[] = [
    ['HTTP/1.1 20 OK\r\n\r\n', 'bad_status_line'],
    ['HTTP/1.1 2000 OK\r\n\r\n', 'bad_status_line'],
    ['HTTP/1.1 099 OK\r\n\r\n', 'bad_status_line'],
    ['HTTP/2 200 OK\r\n\r\n', 'bad_status_line'],
    ['SSH-2.0-OpenSSH_9.2\r\n', 'bad_status_line'],
    ['HTTP/1.1 200 OK\n\n\n\n', 'bad_line_end'],
    ['HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n', 'unexpected_body'],
    ['HTTP/1.1 204 X\r\nContent-Length: 3\r\n\r\n', 'unexpected_body'],
    ['HTTP/1.1 101 X\r\nContent-Length: 3\r\n\r\n', 'unexpected_body'],
    ['HTTP/1.1 200 X\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n', 'length_and_encoding'],
    ['HTTP/1.1 200 X\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n', 'several_content_lengths'],
    ['HTTP/1.0 200 X\r\nTransfer-Encoding: chunked\r\n\r\n', 'bad_transfer_encoding'],
  ];
  for (const [text, error] of cases) assert.equal(response(text).error, error, text);
});
