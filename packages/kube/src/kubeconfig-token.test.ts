import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kubeConfigText, loadKubeConfig } from './kubeconfig.ts';
import { kubeConfigToken, kubeConfigWithToken } from './kubeconfig-token.ts';
import { isKubeError } from './errors.ts';

const TEXT = kubeConfigText({ name: 'west', server: 'https://west.example:6443', caPem: undefined, token: 'old' });

test('the token of the current user is replaced, and nothing else', async () => {
  assert.equal(kubeConfigToken(TEXT, 'Secret a/b'), 'old');
  const text = kubeConfigWithToken(TEXT, 'Secret a/b', 'new');
  assert.equal(kubeConfigToken(text, 'Secret a/b'), 'new');
  assert.deepEqual(JSON.parse(text), JSON.parse(TEXT.replace('"old"', '"new"')));
  const access = loadKubeConfig({ text });
  assert.equal((await access.credentials.authorize()).headers['authorization'], 'Bearer new');
});

test('other users keep theirs, in YAML too', () => {
  const text = `
current-context: west
contexts:
  - {name: west, context: {cluster: west, user: mirror}}
clusters:
  - {name: west, cluster: {server: "https://west.example"}}
users:
  - {name: other, user: {token: theirs}}
  - {name: mirror, user: {token: old}}
`;
  const users = (JSON.parse(kubeConfigWithToken(text, 'x', 'new')) as { readonly users: readonly unknown[] }).users;
  assert.deepEqual(users, [
    { name: 'other', user: { token: 'theirs' } },
    { name: 'mirror', user: { token: 'new' } },
  ]);
});

test('who authenticates by a certificate or a program has no token', () => {
  for (const user of [{ 'client-certificate-data': 'x', token: 'y' }, { exec: {} }, {}]) {
    const text = JSON.stringify({ ...(JSON.parse(TEXT) as object), users: [{ name: 'west', user }] });
    assert.equal(kubeConfigToken(text, 'x'), undefined);
  }
});

test('what is no kubeconfig is refused with its name', () => {
  for (const text of ['{', 'just words', ''])
    assert.throws(
      () => kubeConfigToken(text, 'Secret a/b'),
      (error: unknown) => isKubeError(error, 'config') && error.message.startsWith('Secret a/b is not a kubeconfig'),
    );
});
