import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseProxyInitConfig } from './config.ts';
import { restoreInput } from './restore.ts';
import { redirectChains } from './rules.ts';

const chains = redirectChains(parseProxyInitConfig([]), 'ipv4');
const JUMP = '-A PREROUTING -m comment --comment "proxy-init/install-proxy-init-prerouting" -j PROXY_INIT_REDIRECT';

function jumps(saved: string): string[] {
  return restoreInput(chains, saved)
    .split('\n')
    .filter((line) => / PREROUTING /.test(line));
}

test('a fresh table gets a way into each chain', () => {
  assert.deepEqual(jumps(''), [JUMP]);
});

test('a way that is there already stays where it is', () => {
  assert.deepEqual(jumps(`*nat\n-A PREROUTING -j OTHER\n${JUMP}\n-A PREROUTING -j LAST\nCOMMIT\n`), []);
});

test('ways of another shape, or twice the same, become one', () => {
  const old = '-A PREROUTING -m comment --comment "proxy-init/old 1234" -j PROXY_INIT_REDIRECT';
  assert.deepEqual(jumps(old), [old.replace('-A', '-D'), JUMP]);
  assert.deepEqual(jumps(`${JUMP}\n${JUMP}`), [JUMP.replace('-A', '-D'), JUMP.replace('-A', '-D'), JUMP]);
});

test('rules of others are not touched', () => {
  const text = restoreInput(
    chains,
    '*nat\n-A PREROUTING -j OTHER\n-A PREROUTING -p tcp -j PROXY_INIT_REDIRECT_2\nCOMMIT\n',
  );
  assert.doesNotMatch(text, /OTHER|REDIRECT_2/);
});

test('chains are emptied and filled in one transaction', () => {
  const lines = restoreInput(chains, JUMP).trim().split('\n');
  assert.equal(lines[0], '*nat');
  assert.equal(lines.at(-1), 'COMMIT');
  assert.deepEqual(lines.slice(1, 3), [':PROXY_INIT_REDIRECT - [0:0]', ':PROXY_INIT_OUTPUT - [0:0]']);
});
