import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Stall } from './stall.ts';

test('time counts from when nothing moved any more, and only while something is due', () => {
  const stall = new Stall();
  assert.equal(stall.forMs(true, 1, 1000), 0);
  assert.equal(stall.forMs(true, 1, 1500), 500);
  assert.equal(stall.forMs(true, 2, 2000), 0, 'it moved');
  assert.equal(stall.forMs(true, 2, 2700), 700);
  assert.equal(stall.forMs(false, 2, 3000), 0, 'nothing is due');
  assert.equal(stall.forMs(true, 2, 9000), 0, 'it is due from now on');
  assert.equal(stall.forMs(true, 2, 9100), 100);
});
