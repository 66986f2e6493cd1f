import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpointMirrorNames } from './desired-headless.ts';
import { federatedName, fullNameEntry, mirrorName } from './names.ts';

test('names that fit are as Linkerd makes them', () => {
  assert.equal(mirrorName('web', 'west'), 'web-west');
  assert.equal(federatedName('web'), 'web-federated');
  assert.deepEqual(fullNameEntry('web-west'), {});
  assert.equal(mirrorName('w'.repeat(58), 'west').length, 63);
});

test('longer ones keep 54 characters and a hash of the whole', () => {
  const long = 'w'.repeat(59);
  const name = mirrorName(long, 'west');
  assert.match(name, /^w{54}-[0-9a-f]{8}$/);
  assert.notEqual(name, mirrorName(long, 'east'));
  assert.deepEqual(fullNameEntry(`${long}-west`), { 'federation.mesh.dev/full-name': `${long}-west` });
});

test('the other name of the mirror of a pod differs by Service, and fits too', () => {
  const one = endpointMirrorNames('db-0', 'db', 'west');
  assert.equal(one.name, 'db-0-west');
  assert.match(one.otherwise, /^db-0-west-[0-9a-f]{8}$/);
  assert.notEqual(one.otherwise, endpointMirrorNames('db-0', 'db-peers', 'west').otherwise);
  const long = endpointMirrorNames('d'.repeat(63), 'db', 'w'.repeat(63));
  assert.ok(long.name.length === 63 && long.otherwise.length === 63 && long.name !== long.otherwise);
});
