import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faults, growth, warmUpMinutes } from './verdict.ts';
import type { Sample } from './verdict.ts';

/** Each ten seconds for half an hour. */
const soak = (privateMb: (minute: number) => number, descriptors = (_minute: number) => 60): Sample[] =>
  Array.from({ length: 180 }, (_, index) => {
    const minute = index / 6;
    return { minute, privateMb: privateMb(minute), rssMb: 60, descriptors: descriptors(minute) };
  });
const well = { answered: 100, failed: 0, reasons: {} };

test('what grows during the warm-up only is flat', () => {
  const all = growth(
    'front',
    soak((minute) => Math.min(minute, 6) * 3 + Math.sin(minute * 7)),
    30,
  );
  assert.deepEqual(faults(well, all), []);
  assert.equal(all.length, 3);
});

test('a slow leak in the swing of the collector is found and named', () => {
  const all = growth(
    'front',
    soak((minute) => 20 + 0.2 * minute + Math.sin(minute * 7)),
    30,
  );
  const [fault = '', ...others] = faults(well, all);
  assert.match(fault, /^private_mb of front grows by 0\.\d+ ± 0\.\d+ a minute, its floor by 0\.\d+$/);
  assert.deepEqual(others, []);
});

test('waves of minutes are no leak, and hide none of a third of a megabyte a minute', () => {
  const wave = (minute: number): number => 45 + 8 * Math.sin((2 * Math.PI * minute) / 3);
  assert.deepEqual(faults(well, growth('front', soak(wave), 30)), []);
  const leak = growth(
    'front',
    soak((minute) => wave(minute) + minute / 3),
    30,
  );
  assert.match(faults(well, leak).join(), /^private_mb of front grows by/);
});

test('descriptors that are not closed are found', () => {
  const all = growth(
    'back',
    soak(
      () => 20,
      (minute) => 60 + Math.floor(minute),
    ),
    30,
  );
  assert.match(faults(well, all).join(), /^descriptors of back grows by (0\.9|1)/);
});

test('one failed request is a fault, with its reason; so is none that was answered, and a run too short to tell', () => {
  const flat = growth(
    'front',
    soak(() => 20),
    30,
  );
  assert.deepEqual(faults({ answered: 9, failed: 1, reasons: { reset: 1 } }, flat), [
    '1 of 10 requests failed: 1 × reset',
  ]);
  assert.deepEqual(faults({ answered: 0, failed: 0, reasons: {} }, flat), ['no request was answered']);
  assert.match(faults(well, growth('front', soak(() => 20).slice(0, 2), 1)).join(), /too few samples/);
});

test('the warm-up is a fifth, but leaves a short run half of its time', () => {
  assert.equal(warmUpMinutes(30), 6);
  assert.equal(warmUpMinutes(2), 1);
  assert.equal(warmUpMinutes(1), 0.5);
});
