import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HostMatch, HttpMatch } from '@mesh/model';
import { Http1Head, parseRequestHead } from '@mesh/wire';
import { Http1Facts } from '../http/facts.ts';
import { matchesAll, selectRoute } from './match.ts';

function head(line: string, fields = 'Host: app.example.com:8080\r\n'): Http1Facts {
  const bytes = Buffer.from(`${line} HTTP/1.1\r\n${fields}\r\n`);
  const parsed = new Http1Head();
  assert.ok(parseRequestHead(parsed, bytes, 0, bytes.length) > 0);
  return new Http1Facts(parsed);
}

const NONE: HttpMatch = { path: undefined, method: undefined, headers: [], query: [] };
const prefix = (value: string): HttpMatch => ({ ...NONE, path: { kind: 'prefix', value } });
const route = (name: string, matches: readonly HttpMatch[], hosts: readonly HostMatch[] = []) => ({
  name,
  matches,
  hosts,
});

test('the longest path wins, a prefix is whole segments, and the first listed wins a tie', () => {
  const routes = [
    route('root', [prefix('/')]),
    route('api', [prefix('/api/')]),
    route('exact', [{ ...NONE, path: { kind: 'exact', value: '/api/v1' } }]),
    route('late', [prefix('/api')]),
  ];
  assert.equal(selectRoute(routes, head('GET /'))?.name, 'root');
  assert.equal(selectRoute(routes, head('GET /api'))?.name, 'api');
  assert.equal(selectRoute(routes, head('GET /api/x?y=/z'))?.name, 'api');
  assert.equal(selectRoute(routes, head('GET /apiary'))?.name, 'root');
  assert.equal(selectRoute(routes, head('GET /api/v1?q'))?.name, 'exact');
});

test('hosts come first: exact over suffix over none, without port, case or final dot', () => {
  const routes = [
    route('any', [prefix('/very/long/path')]),
    route('suffix', [NONE], [{ kind: 'suffix', suffix: 'example.com' }]),
    route('exact', [NONE], [{ kind: 'exact', host: 'app.example.com' }]),
  ];
  assert.equal(selectRoute(routes, head('GET /very/long/path'))?.name, 'exact');
  assert.equal(selectRoute(routes, head('GET /', 'Host: APP.Example.COM.\r\n'))?.name, 'exact');
  assert.equal(selectRoute(routes, head('GET /', 'Host: b.example.com\r\n'))?.name, 'suffix');
  assert.equal(selectRoute(routes, head('GET /', 'Host: example.com\r\n')), undefined);
  assert.equal(selectRoute(routes, head('GET http://b.example.com/', 'Host: b.example.com\r\n'))?.name, 'suffix');
});

test('headers, query parameters and method narrow a match and rank it higher', () => {
  const canary: HttpMatch = {
    ...NONE,
    headers: [{ name: 'x-canary', match: { kind: 'regex', value: /on|yes/ } }],
  };
  const routes = [
    route('plain', [NONE]),
    route('canary', [canary]),
    route('query', [{ ...NONE, query: [{ name: 'v', match: { kind: 'exact', value: '2' } }] }]),
    route('post', [{ ...NONE, method: 'POST' }]),
  ];
  assert.equal(selectRoute(routes, head('GET /'))?.name, 'plain');
  assert.equal(selectRoute(routes, head('GET /', 'Host: a\r\nX-Canary: yes\r\n'))?.name, 'canary');
  assert.equal(selectRoute(routes, head('GET /', 'Host: a\r\nX-Canary: yesterday\r\n'))?.name, 'plain');
  assert.equal(selectRoute(routes, head('GET /?v=2'))?.name, 'query');
  assert.equal(selectRoute(routes, head('POST /'))?.name, 'post');
});

test('a regular expression must cover the whole path', () => {
  const routes = [route('regex', [{ ...NONE, path: { kind: 'regex', value: /\/item\/\d+/ } }])];
  assert.equal(selectRoute(routes, head('GET /item/42'))?.name, 'regex');
  assert.equal(selectRoute(routes, head('GET /item/42/x')), undefined);
});

test('a lone route that takes everything is recognised as such', () => {
  assert.equal(matchesAll(route('a', [])), true);
  assert.equal(matchesAll(route('a', [prefix('/')])), true);
  assert.equal(matchesAll(route('a', [prefix('/x')])), false);
  assert.equal(matchesAll(route('a', [], [{ kind: 'exact', host: 'a' }])), false);
});
