import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientConnections } from './client-connections.ts';

test('each client has so many connections, and another one when one of them is over', () => {
  const clients = new ClientConnections(2);
  const first = clients.enter('10.0.0.1');
  const second = clients.enter('10.0.0.1');
  assert.equal(clients.enter('10.0.0.1'), undefined);
  assert.notEqual(clients.enter('10.0.0.2'), undefined, 'others are not concerned');
  first?.();
  first?.();
  const third = clients.enter('10.0.0.1');
  assert.notEqual(third, undefined);
  assert.equal(clients.enter('10.0.0.1'), undefined, 'leaving twice counts once');
  second?.();
  third?.();
  assert.equal(clients.clients, 1, 'who has none left is forgotten');
});

test('without a limit nobody is counted', () => {
  const clients = new ClientConnections(0);
  for (let n = 0; n < 100; n += 1) assert.notEqual(clients.enter('10.0.0.1'), undefined);
  assert.equal(clients.clients, 0);
});
