import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatAccess } from './format.ts';
import type { AccessRecord } from './format.ts';

const RECORD: AccessRecord = {
  clientAddress: '10.42.0.63:51160',
  clientId: 'web.shop.serviceaccount.identity.linkerd.cluster.local',
  atMs: Date.UTC(2026, 10, 22, 1, 2, 3, 45),
  method: 'GET',
  uri: 'http://catalog.shop/items?q=1',
  version: 'HTTP/2.0',
  host: 'catalog.shop',
  userAgent: 'curl/8.5.0',
  traceId: 'abc',
  status: 200,
  requestBytes: 0,
  responseBytes: 4523,
  totalMs: 14.4411,
  processingMs: 0.5,
};

test('the line of Apache', () => {
  assert.equal(
    formatAccess('apache', RECORD),
    '10.42.0.63:51160 web.shop.serviceaccount.identity.linkerd.cluster.local - [2026-11-22T01:02:03.045Z] ' +
      '"GET http://catalog.shop/items?q=1 HTTP/2.0" 200 4523',
  );
  const unknown = { ...RECORD, clientId: '', status: 0, responseBytes: 0 };
  assert.match(formatAccess('apache', unknown), /^10\.42\.0\.63:51160 - - \[.* HTTP\/2\.0" - 0$/);
});

test('the line of JSON', () => {
  assert.deepEqual(JSON.parse(formatAccess('json', RECORD)), {
    'client.addr': '10.42.0.63:51160',
    'client.id': 'web.shop.serviceaccount.identity.linkerd.cluster.local',
    host: 'catalog.shop',
    method: 'GET',
    processing_ns: '500000',
    request_bytes: '0',
    response_bytes: '4523',
    status: 200,
    timestamp: '2026-11-22T01:02:03.045Z',
    total_ns: '14441100',
    trace_id: 'abc',
    uri: 'http://catalog.shop/items?q=1',
    user_agent: 'curl/8.5.0',
    version: 'HTTP/2.0',
  });
});

test('no request can forge a line, or a field of its line', () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.constantFrom('" 200 0\n10.0.0.1:1 - - [', '\\" 200', '\u2028', '\r\n', '\u001b[2J', 'ÿ\u0085'),
  );
  fc.assert(
    fc.property(hostile, hostile, hostile, hostile, hostile, (uri, method, host, userAgent, clientId) => {
      const record = { ...RECORD, uri, method, host, userAgent, clientId, traceId: userAgent };
      const apache = formatAccess('apache', record);
      assert.match(apache, /^[ -~]*$/);
      assert.match(apache, /^10\.42\.0\.63:51160 \S+ - \[[^\]]*\] "(?:[^"\\]|\\.)* HTTP\/2\.0" 200 4523$/);
      const json = formatAccess('json', record);
      assert.doesNotMatch(json, /[\n\r]/);
      assert.equal((JSON.parse(json) as Record<string, unknown>)['uri'], uri);
    }),
  );
});

test('a line is never as large as a request’s head may be', () => {
  const long = 'x'.repeat(100_000);
  const record = { ...RECORD, uri: long, method: long, host: long, userAgent: long, traceId: long, clientId: long };
  for (const format of ['apache', 'json'] as const) assert.ok(formatAccess(format, record).length < 16_384);
});
