import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeToken } from '../testing/fake-tokens.ts';
import { readToken } from './token.ts';

test("a ServiceAccount's token says whose it is and how long it is good", () => {
  const token = fakeToken({ account: 'mesh-peer-east', issuedMs: 1_000_000, expiresMs: 87_400_000 });
  assert.deepEqual(readToken(token), {
    namespace: 'linkerd-multicluster',
    account: 'mesh-peer-east',
    issuedMs: 1_000_000,
    expiresMs: 87_400_000,
  });
});

test('a token without an end is static', () => {
  assert.equal(readToken(fakeToken({ account: 'a' }))?.expiresMs, undefined);
});

test('anything else is no such token', () => {
  const other = `x.${Buffer.from(JSON.stringify({ sub: 'alice', exp: 1 })).toString('base64url')}.y`;
  for (const text of ['', 'opaque', 'a.b.c', 'a.e30.c', 'a.bnVsbA.c', other]) assert.equal(readToken(text), undefined);
});
