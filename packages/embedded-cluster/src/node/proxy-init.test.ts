import assert from 'node:assert/strict';
import test from 'node:test';
import { parseProxyInit } from './proxy-init.ts';

test('ignored networks of clients are read; IPv6 has none here; what is no network is refused by name', () => {
  const sources = (text: string) => parseProxyInit(['--subnets-to-ignore', text]).sourcesIgnore;
  assert.deepEqual(sources('10.0.0.0/8, 192.0.2.7,fd00::/8'), ['10.0.0.0/8', '192.0.2.7/32']);
  assert.equal(sources(''), undefined);
  for (const text of ['10.0.0.0/33', '10.0.0/8', 'fd00::/129', '10.0.0.0/8/8', 'here'])
    assert.throws(() => sources(text), {
      code: 'bad_argument',
      message: `--subnets-to-ignore: "${text}" is not a network such as 10.0.0.0/8`,
    });
});
