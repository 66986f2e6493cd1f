import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { Interned } from './interned.ts';
import { TestAnchor } from './testing/certificates.ts';

async function leafOf(dns: string): Promise<Uint8Array> {
  const anchor = await TestAnchor.create('root');
  return new X509Certificate((await anchor.material({ dns: [dns] })).chain).raw;
}

test('connections of one peer share what is known about it, and keep apart what differs', async () => {
  const interned = new Interned();
  const [a, b] = [await leafOf('A.example'), await leafOf('b.example')];
  const first = interned.peer(a, 'h2', 'server');
  assert.deepEqual(first.dns, ['a.example']);
  assert.equal(interned.peer(Uint8Array.from(a), 'h2', 'server'), first);
  assert.notEqual(interned.peer(a, 'h2', 'other'), first);
  assert.notEqual(interned.peer(a, undefined, 'h2server'), first);
  assert.notEqual(interned.peer(a, 'h', '2server'), first);
  assert.deepEqual(interned.peer(b, 'h2', 'server').dns, ['b.example']);
});

test('no more peers are kept than the limit, and who was forgotten is read anew', async () => {
  const interned = new Interned();
  const leaf = await leafOf('a.example');
  const first = interned.peer(leaf, undefined, 'first');
  for (let i = 0; i < 2000; i += 1) interned.peer(leaf, undefined, `name-${i}`);
  const again = interned.peer(leaf, undefined, 'first');
  assert.notEqual(again, first);
  assert.deepEqual(again, first);
});

test('a peer without certificate has no names', () => {
  assert.deepEqual(new Interned().peer(new Uint8Array(0), undefined, 'server'), {
    leafDer: new Uint8Array(0),
    dns: [],
    uri: [],
    alpn: undefined,
    sni: 'server',
  });
});
