import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { isKubeError } from './errors.ts';
import { kubeConfigText, listContexts, loadKubeConfig } from './kubeconfig.ts';
import type { KubeConfigOptions } from './kubeconfig.ts';

const TWO = `
apiVersion: v1
kind: Config
current-context: east
clusters:
- { name: e, cluster: { server: "https://east:6443/" } }
- { name: w, cluster: { server: "https://west:6443", insecure-skip-tls-verify: true } }
contexts:
- { name: east, context: { cluster: e, user: admin, namespace: shop } }
- { name: west, context: { cluster: w, user: nobody } }
users:
- { name: admin, user: { token: abc } }
`;

function problem(options: KubeConfigOptions): string {
  try {
    loadKubeConfig(options);
  } catch (error) {
    assert.ok(isKubeError(error, 'config'), String(error));
    return error.message;
  }
  throw new Error('accepted');
}

test('the current context decides unless another is chosen', async () => {
  const east = loadKubeConfig({ text: TWO });
  assert.equal(east.server, 'https://east:6443');
  assert.equal(east.namespace, 'shop');
  assert.deepEqual((await east.credentials.authorize()).headers, { authorization: 'Bearer abc' });
});

test('impersonation travels in headers', async () => {
  const access = loadKubeConfig({ text: TWO, as: 'jane', asGroups: ['a', 'b'] });
  const { headers } = await access.credentials.authorize();
  assert.equal(headers['impersonate-user'], 'jane');
  assert.deepEqual(headers['impersonate-group'], ['a', 'b']);
  assert.match(problem({ text: TWO, asGroups: ['a'] }), /--as-group needs --as/);
});

test('errors name the source, the entry and the fix', () => {
  assert.match(
    problem({ text: TWO, context: 'north', source: 'Secret mc/x' }),
    /Secret mc\/x has no context "north"; it has "east", "west"/,
  );
  assert.match(problem({ text: TWO, context: 'west' }), /names user "nobody", which does not exist; it has "admin"/);
  assert.match(problem({ text: 'just words', source: 'Secret mc/x' }), /Secret mc\/x is not a kubeconfig/);
  assert.match(problem({ text: '{"broken', source: 'Secret mc/x' }), /Secret mc\/x is not a kubeconfig/);
  assert.match(problem({ text: 'clusters: [{ cluster: {} }]' }), /clusters\[0\]\.name is missing/);
  assert.match(
    problem({ text: TWO.replace('https://east:6443/', 'east') }),
    /server "east" of cluster "e" is not an http\(s\) URL/,
  );
  assert.match(
    problem({ text: TWO.replace('{ token: abc }', '{ client-certificate: /tmp/x }') }),
    /refers to the file \/tmp\/x/,
  );
  assert.match(problem({ kubeconfig: '/does/not/exist' }), /cannot read kubeconfig \/does\/not\/exist/);
});

test('files of KUBECONFIG are merged, the first wins, and references are relative to their file', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mesh-kubeconfig-'));
  try {
    writeFileSync(path.join(folder, 'token'), 'from-file\n');
    writeFileSync(path.join(folder, 'a'), TWO.replace('token: abc', 'tokenFile: token'));
    writeFileSync(
      path.join(folder, 'b'),
      `${TWO.replaceAll('east', 'other')}\n- { name: nobody, user: { token: n } }\n`,
    );
    const env = { KUBECONFIG: ['a', 'missing', 'b'].map((file) => path.join(folder, file)).join(':') };
    assert.deepEqual(listContexts({ env }), ['east', 'west', 'other']);
    const access = loadKubeConfig({ env });
    assert.equal(access.contextName, 'east');
    assert.deepEqual((await access.credentials.authorize()).headers, { authorization: 'Bearer from-file' });
    assert.equal(loadKubeConfig({ env, context: 'west' }).insecureSkipTlsVerify, true);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the text that we write is the text that we read', () => {
  const caPem = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';
  const access = loadKubeConfig({
    text: kubeConfigText({ name: 'west', server: 'https://w:1', caPem, token: 't', namespace: 'n' }),
  });
  assert.equal(access.caPem, caPem);
  assert.equal(access.contextName, 'west');
  assert.equal(access.namespace, 'n');
});

test('an exec plugin gives the token, and its failure is explained', async () => {
  const withExec = (command: string, args: string): string =>
    TWO.replace('{ token: abc }', `{ exec: { command: ${command}, args: [${args}] } }`);
  const credential = JSON.stringify(JSON.stringify({ status: { token: 'executed' } }));
  const good = loadKubeConfig({ text: withExec('/bin/echo', credential) });
  assert.deepEqual((await good.credentials.authorize()).headers, { Authorization: 'Bearer executed' });
  const bad = loadKubeConfig({ text: withExec('/bin/sh', '"-c", "echo no luck >&2; exit 3"') });
  await assert.rejects(bad.credentials.authorize(), (error) => {
    assert.ok(isKubeError(error, 'config'));
    assert.match(error.message, /plugin "\/bin\/sh" of user "admin" failed: no luck/);
    return true;
  });
});
