import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CAPACITY, estimateS, plan } from './matrix.ts';
import type { Choice } from './matrix.ts';

const ANY: Choice = { scenarios: [], protocols: [], connections: [], bodies: [], loads: [] };
const names = (choice: Partial<Choice>): string[] =>
  plan({ ...ANY, ...choice }).flatMap(({ scenario, protocol, cells }) =>
    cells.map(({ connections, body, load }) => `${scenario} ${protocol} ${connections} ${body} ${load}`),
  );

test('the standard matrix takes about 25 minutes with its defaults', () => {
  const seconds = estimateS(plan(ANY), { durationS: 3, rounds: 2, native: 3, compiled: 2 });
  assert.ok(seconds > 15 * 60 && seconds < 26 * 60, `${seconds} s`);
});

test('the standard matrix has each cell once, and no rate of another group without a proxy', () => {
  const all = names({});
  assert.equal(new Set(all).size, all.length);
  assert.deepEqual(
    all.filter((name) => name.startsWith('none') && name.includes('%')),
    [],
  );
  assert.ok(all.includes('none grpc 256 small closed'));
  assert.ok(all.includes('mtls-pair http2 32 small 70%'));
});

test('scenarios and protocols pick from the standard cells', () => {
  assert.deepEqual(names({ scenarios: ['tcp-pair'] }), [
    'tcp-pair http1 32 small closed',
    'tcp-pair http1 32 1m closed',
  ]);
  assert.deepEqual(names({ scenarios: ['mtls-pair'], protocols: ['grpc'] }).length, 3);
});

test('connections or bodies make a product, with what was not said at its usual value', () => {
  assert.deepEqual(names({ scenarios: ['hop'], protocols: ['grpc'], bodies: ['1m'], connections: [4, 8] }), [
    'hop grpc 4 1m closed',
    'hop grpc 8 1m closed',
  ]);
  assert.deepEqual(names({ scenarios: ['hop'], protocols: ['http2'], connections: [7] }), ['hop http2 7 small closed']);
});

test('bytes are measured under one protocol only', () => {
  assert.deepEqual(names({ scenarios: ['tcp-pair'], connections: [1] }), ['tcp-pair http1 1 small closed']);
});

test('a scenario and a protocol that the standard has not together are measured at the usual size', () => {
  assert.deepEqual(names({ scenarios: ['hop'], protocols: ['grpc'] }), ['hop grpc 32 small closed']);
});

test('a share of the capacity brings along the cell that measures the capacity', () => {
  const [group] = plan({ ...ANY, scenarios: ['hop'], protocols: ['http1'], loads: ['30%'] });
  assert.deepEqual(group?.cells, [CAPACITY, { connections: 32, body: 'small', load: '30%' }]);
});

test('no proxy, asked for alone, has the cells that the others would have', () => {
  const all = names({});
  assert.deepEqual(
    names({ scenarios: ['none'] }),
    all.filter((name) => name.startsWith('none')),
  );
});
