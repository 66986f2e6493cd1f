import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allowedPorts, isForEveryone } from './export-rules.ts';

const PORTS = [
  { name: 'http', port: 80 },
  { name: 'admin', port: 9000 },
  { name: '', port: 5432 },
];
const numbers = (ports: readonly { readonly port: number }[]): readonly number[] => ports.map(({ port }) => port);

test('without a rule, every peer may use every port', () => {
  assert.deepEqual(numbers(allowedPorts(PORTS, [], 'east')), [80, 9000, 5432]);
  assert.deepEqual(numbers(allowedPorts(PORTS, [], undefined)), [80, 9000, 5432]);
});

test('rules add up for the peers that they name', () => {
  const rules = [
    { clusters: ['*'], ports: ['http'] },
    { clusters: ['east'], ports: [9000] },
  ];
  assert.deepEqual(numbers(allowedPorts(PORTS, rules, 'east')), [80, 9000]);
  assert.deepEqual(numbers(allowedPorts(PORTS, rules, 'west')), [80]);
  assert.deepEqual(numbers(allowedPorts(PORTS, rules, undefined)), [80]);
});

test('a rule for nobody hides the Service', () => {
  assert.deepEqual(allowedPorts(PORTS, [{ clusters: [] }], 'east'), []);
});

test('a client of unknown origin gets only what is for all', () => {
  assert.deepEqual(allowedPorts(PORTS, [{ clusters: ['east'] }], undefined), []);
});

test('an empty name matches no port, not those without a name', () => {
  assert.deepEqual(allowedPorts(PORTS, [{ clusters: ['*'], ports: [''] }], 'east'), []);
});

test('one view serves all only while no rule names a peer', () => {
  assert.ok(isForEveryone([]));
  assert.ok(isForEveryone([{ clusters: ['*'], ports: [80] }]));
  assert.ok(!isForEveryone([{ clusters: ['*'] }, { clusters: ['east'] }]));
});
