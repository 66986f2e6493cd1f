import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claimLoopback } from './loopback.ts';

test('two runs that want the same network get different ones', async () => {
  await using one = await claimLoopback(7);
  await using other = await claimLoopback(one.network);
  assert.notEqual(one.network, other.network);
  assert.notEqual(one.next(), other.next());
});

test('addresses are given once, and a network that was given back can be had again', async () => {
  const one = await claimLoopback(31);
  const addresses = new Set(Array.from({ length: 253 }, () => one.next()));
  assert.equal(addresses.size, 253);
  assert.throws(() => one.next(), /at most 253 addresses/);
  await one[Symbol.asyncDispose]();
  await using again = await claimLoopback(one.network);
  assert.equal(again.network, one.network);
});
