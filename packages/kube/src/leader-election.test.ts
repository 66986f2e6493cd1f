import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger, systemClock } from '@mesh/runtime';
import { LEASES } from './kinds.ts';
import { LeaderElection } from './leader-election.ts';
import { eventually } from './testing/eventually.ts';
import { FakeApi } from './testing/fake-api.ts';

function candidate(api: FakeApi, identity: string): LeaderElection {
  return new LeaderElection(
    { namespace: 'linkerd', leaseName: 'mirror', identity, leaseDurationMs: 1000, renewMs: 30, renewDeadlineMs: 200 },
    { client: api.client(), clock: systemClock, logger: silentLogger },
  );
}

const signal = AbortSignal.timeout(60_000);

test('one of several candidates leads, and a released lease is taken over at once', async () => {
  const api = new FakeApi();
  const [a, b] = [candidate(api, 'a'), candidate(api, 'b')];
  await using _b = b;
  await a.start(signal);
  await eventually('a leads', () => a.isLeader);
  await b.start(signal);
  await eventually('b has looked', () => b.holder === 'a');
  assert.equal(b.isLeader, false);
  const before = performance.now();
  await a[Symbol.asyncDispose]();
  assert.equal(a.isLeader, false);
  await eventually('b leads', () => b.isLeader);
  assert.ok(performance.now() - before < 900, 'sooner than the lease would have expired');
  assert.equal(api.peek(LEASES, 'linkerd/mirror')?.spec?.leaseTransitions, 1);
});

test('a leader that cannot renew stops leading before another may start', async () => {
  const api = new FakeApi();
  const broken = candidate(api, 'broken');
  const standby = candidate(api, 'standby');
  await using _broken = broken;
  await using _standby = standby;
  await broken.start(signal);
  await eventually('broken leads', () => broken.isLeader);
  await standby.start(signal);
  let overlap = false;
  standby.onChange((leading) => {
    overlap ||= leading && broken.isLeader;
  });
  // Only the first leader's writes fail: it renews by replace, the standby by replace too, so fail by content.
  api.fault({ code: 'unreachable', match: (call) => call.verb === 'replace' && broken.isLeader });
  await eventually('broken gives up', () => !broken.isLeader, 3000);
  await eventually('someone leads again', () => standby.isLeader || broken.isLeader, 3000);
  assert.equal(overlap, false);
});

test('durations that could overlap are refused', () => {
  const api = new FakeApi();
  assert.throws(
    () =>
      new LeaderElection(
        { namespace: 'n', leaseName: 'l', identity: 'i', leaseDurationMs: 1000, renewMs: 2000 },
        { client: api.client(), clock: systemClock, logger: silentLogger },
      ),
    /renewMs/,
  );
});
