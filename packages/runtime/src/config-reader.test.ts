import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatCidr, PortSet } from '@mesh/model';
import { ConfigError, ConfigReader } from './config-reader.ts';

test('values are read with their types, and unset or blank ones give the default', () => {
  const reader = new ConfigReader(
    {
      A_D: '250ms',
      A_I: '7',
      A_N: '.5',
      A_B: 'true',
      A_O: 'y',
      A_S: '[::1]:80',
      A_C: '10.0.0.0/8, fd00::/8',
      A_P: '25,90-92',
      A_L: 'a, b,',
      A_E: ' ',
    },
    'A_',
  );
  assert.equal(reader.durationMs('D', 1), 250);
  assert.equal(reader.durationMs('E', 1), 1);
  assert.equal(reader.durationMs('MISSING', undefined), undefined);
  assert.equal(reader.integer('I', 1, { min: 0, max: 10 }), 7);
  assert.equal(reader.number('N', 1, { min: 0, max: 1 }), 0.5);
  assert.equal(reader.boolean('B', false), true);
  assert.equal(reader.oneOf('O', 'x', ['x', 'y']), 'y');
  assert.deepEqual(reader.socketAddress('S', { host: '', port: 0 }), { host: '::1', port: 80 });
  assert.deepEqual(reader.cidrs('C', []).map(formatCidr), ['10.0.0.0/8', 'fd00::/8']);
  assert.equal(String(reader.portSet('P', PortSet.EMPTY)), '25,90-92');
  assert.deepEqual(reader.list('L', []), ['a', 'b']);
  reader.check();
});

test('all problems are told at once, each with key, value and what is wanted', () => {
  const reader = new ConfigReader({ A_D: '1.5s', A_B: 'yes', A_C: '10.0.0.0/8,x' }, 'A_');
  reader.durationMs('D', 1);
  reader.boolean('B', false);
  reader.cidrs('C', []);
  reader.requiredText('R', 'a name');
  assert.throws(
    () => reader.check(),
    (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      assert.deepEqual(error.info.problems, [
        'A_D is "1.5s": give a duration such as 250ms, 10s or 1h',
        'A_B is "yes": give true or false',
        'A_C is "10.0.0.0/8,x": give networks such as 10.0.0.0/8,fd00::/8',
        'A_R is not set: give a name',
      ]);
      return true;
    },
  );
});

test('keys of the prefix that nobody asked for are known', () => {
  const reader = new ConfigReader({ A_X: '1', A_TYPO: '2', B_Y: '3' }, 'A_');
  reader.text('X');
  assert.deepEqual(reader.unknownKeys(), ['A_TYPO']);
});
