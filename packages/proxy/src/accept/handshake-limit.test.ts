import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HandshakeLimit } from './handshake-limit.ts';

test('no more than the limit run, the others in the order of their coming', () => {
  const limit = new HandshakeLimit(2, 10);
  const began: number[] = [];
  const leaves = [1, 2, 3, 4].map((id) => limit.enter(() => began.push(id)));
  assert.deepEqual(began, [1, 2]);
  leaves[1]?.();
  assert.deepEqual(began, [1, 2, 3]);
  leaves[1]?.();
  assert.equal(limit.running, 2, 'leaving twice counts once');
  leaves[3]?.();
  leaves[0]?.();
  assert.deepEqual(began, [1, 2, 3], 'who gave up while waiting never begins');
  leaves[2]?.();
  assert.equal(limit.running, 0);
});

test('when too many wait, the next is refused', () => {
  const limit = new HandshakeLimit(1, 1);
  assert.notEqual(
    limit.enter(() => undefined),
    undefined,
  );
  assert.notEqual(
    limit.enter(() => undefined),
    undefined,
  );
  assert.equal(
    limit.enter(() => assert.fail('must not begin')),
    undefined,
  );
});
