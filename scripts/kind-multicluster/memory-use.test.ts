import assert from 'node:assert/strict';
import test from 'node:test';
import { memoryLines, parseProcesses } from './memory-use.ts';

test('processes of one container are added up, other lines are skipped', () => {
  assert.deepEqual(parseProcesses('aa 10 20\nbb 1 2\naa 5 5\n\nnot a line\n'), [
    { id: 'aa', privateBytes: 15 * 1024, proportionalBytes: 25 * 1024 },
    { id: 'bb', privateBytes: 1024, proportionalBytes: 2048 },
  ]);
});

test('each node sums its sidecars', () => {
  const row = { cluster: 'east', node: 'n1', privateBytes: 1e6, proportionalBytes: 2e6 };
  const lines = memoryLines([
    { ...row, pod: 'shop/web', container: 'linkerd-proxy' },
    { ...row, pod: 'shop/cart', container: 'linkerd-proxy' },
    { ...row, pod: 'linkerd/identity', container: 'identity' },
    { ...row, node: 'n0', pod: 'linkerd/other', container: 'policy' },
  ]);
  assert.equal(lines.length, 7);
  assert.deepEqual([lines[0], lines[2]], ['n0', 'n1']);
  assert.match(lines.at(-1) ?? '', /2 sidecars together\s+private\s+2\.0 MB\s+with its share\s+4\.0 MB/);
});
