import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importsOf, violation } from './check-layers.ts';

test('imports are found in all their forms', () => {
  const source = `import a from 'one';\nimport { b,\n  c } from "two";\nexport * from './three.ts';\nimport 'four';\nconst d = await import('five');`;
  assert.deepEqual(importsOf(source), ['one', 'two', './three.ts', 'four', 'five']);
});

test('an edge that the table lacks is a violation', () => {
  assert.match(violation('model', '@mesh/runtime', false) ?? '', /may not import/);
  assert.match(violation('cli', '@mesh/embedded-cluster', false) ?? '', /may not import/);
  assert.match(violation('cli', '@mesh/control-plane', false) ?? '', /may not import/);
  assert.equal(violation('cli', '@mesh/control-plane/inject', false), undefined);
  assert.equal(violation('proxy', '@mesh/net', false), undefined);
});

test('the bottom layer does no I/O, the data path opens no sockets of its own, the sidecar loads nothing heavy', () => {
  assert.match(violation('wire', 'node:net', false) ?? '', /I\/O/);
  assert.match(violation('proxy', 'node:tls', false) ?? '', /@mesh\/net/);
  assert.match(violation('control-client', '@grpc/grpc-js', false) ?? '', /sidecar/);
  assert.equal(violation('control-client', '@grpc/grpc-js', true), undefined);
});

test('the test door is for tests only', () => {
  assert.match(violation('mirror', '@mesh/kube/testing', false) ?? '', /test door/);
  assert.equal(violation('mirror', '@mesh/kube/testing', true), undefined);
});
