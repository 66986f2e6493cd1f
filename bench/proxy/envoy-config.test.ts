import assert from 'node:assert/strict';
import { test } from 'node:test';
import { envoyConfig } from './envoy-config.ts';

const listen = { host: '127.0.0.1', port: 1 };
const upstream = { host: '127.0.0.1', port: 2 };
const tls = { key: 'key.pem', chain: 'chain.pem', trust: 'trust.pem' };

test('a pair asks for and checks certificates on both sides, TLS 1.3 only', () => {
  const server = envoyConfig({ listen, upstream, mode: 'http2', accept: tls });
  assert.match(server, /"require_client_certificate": true/);
  const client = envoyConfig({ listen, upstream, mode: 'http2', connect: { ...tls, serverName: 'catalog' } });
  assert.match(client, /"exact": "catalog"/);
  for (const text of [server, client]) assert.match(text, /"tls_minimum_protocol_version": "TLSv1_3"/);
});

test('bytes pass without any HTTP in the way', () => {
  const text = envoyConfig({ listen, upstream, mode: 'tcp' });
  assert.match(text, /TcpProxy/);
  assert.doesNotMatch(text, /HttpConnectionManager|HttpProtocolOptions/);
});
