import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExporterWatch } from './exporter-watch.ts';

const NOW_MS = Date.UTC(2026, 0, 1);
const at = (ms: number): string => new Date(ms).toISOString();

test('a fresh confirmation says that the view is current, at the first look', () => {
  const watch = new ExporterWatch();
  assert.equal(watch.read({ renewTime: at(NOW_MS - 5_000) }, NOW_MS, 0).isRenewing, true);
});

test('an old confirmation is judged at the second look: it advances, or it stands still', () => {
  const hour = 3_600_000;
  const wrongClock = new ExporterWatch();
  assert.equal(wrongClock.read({ renewTime: at(NOW_MS - hour) }, NOW_MS, 0).isRenewing, undefined);
  const second = wrongClock.read({ renewTime: at(NOW_MS - hour + 15_000) }, NOW_MS + 15_000, 15_000);
  assert.equal(second.isRenewing, true);
  assert.equal(second.clockBehindMs, hour);

  const standing = new ExporterWatch();
  standing.read({ renewTime: at(NOW_MS - hour) }, NOW_MS, 0);
  assert.equal(standing.read({ renewTime: at(NOW_MS - hour) }, NOW_MS + 15_000, 15_000).isRenewing, false);
});

test('an exporter that stops is noticed, also while it cannot be asked', () => {
  const watch = new ExporterWatch();
  watch.read({ renewTime: at(NOW_MS) }, NOW_MS, 0);
  assert.equal(watch.read({ renewTime: at(NOW_MS) }, NOW_MS + 60_000, 60_000).isRenewing, true);
  assert.equal(watch.read({ renewTime: at(NOW_MS) }, NOW_MS + 100_000, 100_000).isRenewing, false);
  const failed = watch.failed('unreachable', 120_000);
  assert.equal(failed.isRenewing, false);
  assert.equal(failed.problem, 'unreachable');
  assert.equal(watch.read({ renewTime: at(NOW_MS + 130_000) }, NOW_MS + 130_000, 130_000).isRenewing, true);
});
