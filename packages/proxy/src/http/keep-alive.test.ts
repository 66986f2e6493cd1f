import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeepAlive } from './keep-alive.ts';

test('silence is broken by one PING, and gives up only when that stays unanswered', () => {
  const keepAlive = new KeepAlive({ intervalMs: 10_000, timeoutMs: 3000, whileIdle: true }, 0);
  assert.equal(keepAlive.due(9999), 'nothing');
  assert.equal(keepAlive.due(10_000), 'ping');
  assert.equal(keepAlive.due(12_999), 'nothing');
  keepAlive.heard(12_999);
  assert.equal(keepAlive.due(22_998), 'nothing');
  assert.equal(keepAlive.due(23_000), 'ping');
  assert.equal(keepAlive.due(26_000), 'give_up');
});
