import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MESH_VERSION } from '@mesh/runtime';
import { areCompatible, exporterFindings, exportsSeen } from './exporter-conditions.ts';
import type { ExporterReading, LinkFacts } from './link-facts.ts';

const factsOf = (facts: Partial<LinkFacts>): LinkFacts => ({ cluster: 'west', ...facts }) as LinkFacts;

function found(type: string, exporter: ExporterReading): readonly (string | undefined)[] {
  const one = exporterFindings(factsOf({ exporter })).find((each) => each.type === type);
  return [one?.status, one?.reason, one?.message];
}

test('a Link without a Peer says nothing of its peer', () => {
  assert.deepEqual(exporterFindings(factsOf({ exporter: undefined })), []);
});

test('versions may be one minor apart', () => {
  assert.ok(areCompatible('1.4.0', '1.5.9'));
  assert.ok(areCompatible('v1.4.0-rc.1', '1.4.2'));
  assert.ok(areCompatible('edge', '1.4.2'));
  assert.ok(!areCompatible('1.4.0', '1.6.0'));
  assert.ok(!areCompatible('1.4.0', '2.4.0'));
  assert.deepEqual(found('VersionSupported', { version: MESH_VERSION }).slice(0, 2), ['True', 'Compatible']);
  assert.deepEqual(found('VersionSupported', { version: '9.0.0' }).slice(0, 2), ['False', 'TooFarApart']);
  const unknown = found('VersionSupported', { problem: 'no Peer there' });
  assert.deepEqual(unknown, ['Unknown', 'NotKnown', 'no Peer there']);
});

test('a view is current while its exporter confirms it, whatever its clock', () => {
  const renewTime = '2026-01-01T00:00:00Z';
  assert.equal(found('ViewCurrent', { renewTime, isRenewing: true, clockBehindMs: 3_000 })[1], 'Current');
  const skewed = found('ViewCurrent', { renewTime, isRenewing: true, clockBehindMs: -3 * 3_600_000 });
  assert.deepEqual(skewed.slice(0, 2), ['True', 'ClockSkew']);
  assert.match(skewed[2] ?? '', /its clock is about 3 h ahead of ours/);
  const stale = found('ViewCurrent', { renewTime, isRenewing: false });
  assert.deepEqual(stale.slice(0, 2), ['False', 'Stale']);
  assert.match(stale[2] ?? '', /last confirmed its exports at 2026-01-01T00:00:00Z/);
  assert.equal(found('ViewCurrent', {})[0], 'Unknown');
});

test('what a peer exports is counted by mode', () => {
  const remote = { synced: true, answered: true, error: undefined, stalenessMs: 0 };
  const some = exportsSeen(
    factsOf({
      remote,
      exports: [
        ['gateway', 2],
        ['flat', 0],
        ['mcs', 1],
      ],
    }),
  );
  assert.match(some.message, /2 gateway, 1 mcs/);
  const none = exportsSeen(factsOf({ remote, exports: [['gateway', 0]] }));
  assert.deepEqual([none.status, none.reason], ['True', 'NothingExported']);
  assert.equal(exportsSeen(factsOf({ remote: { ...remote, synced: false }, exports: [] })).status, 'Unknown');
});
