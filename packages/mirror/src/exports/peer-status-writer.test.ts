import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PEERS } from '@mesh/kube';
import type { Peer } from '@mesh/kube';
import { FakeApi } from '@mesh/kube/testing';
import type { Clock } from '@mesh/runtime';
import { PeerStatusWriter } from './peer-status-writer.ts';

const RENEW_MS = 10_000;
const REF = { namespace: 'linkerd-multicluster', name: 'east' };

/** A clock that can be set, and whose time passes by hand. */
class SettableClock implements Clock {
  #monotonicMs = 0;
  #unixMs = Date.parse('2026-06-01T12:00:00Z');
  now = (): number => this.#unixMs;
  monotonic = (): number => this.#monotonicMs;
  after = (): { cancel(): void } => ({ cancel: () => undefined });

  pass(ms: number): void {
    this.#monotonicMs += ms;
    this.#unixMs += ms;
  }

  set(byMs: number): void {
    this.#unixMs += byMs;
  }
}

class Bench {
  readonly clock = new SettableClock();
  readonly api = new FakeApi();
  readonly writer: PeerStatusWriter;
  stuckMs: number | undefined;

  constructor(status: NonNullable<Peer['status']> = {}) {
    this.api.seed(PEERS, { metadata: REF, spec: {}, status });
    this.writer = new PeerStatusWriter(RENEW_MS, {
      client: this.api.client(),
      clock: this.clock,
      events: { record: () => undefined },
      peers: () => [],
      facts: () => ({ clusterName: 'here' }),
      exportsOf: () => 0,
      hasNamespace: () => true,
      completeUntilMs: () => this.stuckMs ?? this.clock.now(),
      onWrite: () => undefined,
    });
  }

  get peer(): Peer {
    return this.api.peek(PEERS, 'linkerd-multicluster/east') as Peer;
  }

  /** The peer confirms itself, at a time by its own clock. */
  confirm(renewTime: string): void {
    this.api.seed(PEERS, { ...this.peer, status: { ...this.peer.status, peer: { renewTime } } });
  }

  /** What is written of the Peer as it is now. */
  async told(): Promise<{ readonly renewTime: string | undefined; readonly seen: string }> {
    this.writer.saw(this.peer);
    await this.writer.reconcile(this.peer, AbortSignal.timeout(60_000));
    const { exporter, conditions } = this.peer.status ?? {};
    const seen = conditions?.find(({ type }) => type === 'Seen');
    return { renewTime: exporter?.renewTime, seen: `${seen?.reason ?? ''} ${seen?.message ?? ''}`.trim() };
  }
}

test('a clock that is set back goes on being told, and a view that stands still is not', async () => {
  const bench = new Bench();
  const { clock } = bench;
  const renewTime = async (): Promise<string | undefined> => (await bench.told()).renewTime;
  assert.equal(await renewTime(), '2026-06-01T12:00:00.000Z');
  clock.pass(RENEW_MS);
  assert.equal(await renewTime(), '2026-06-01T12:00:10.000Z');
  clock.set(-600_000);
  clock.pass(RENEW_MS);
  assert.equal(await renewTime(), '2026-06-01T11:50:20.000Z');
  bench.stuckMs = clock.now();
  clock.pass(RENEW_MS);
  assert.equal(await renewTime(), '2026-06-01T11:50:20.000Z');
  clock.pass(RENEW_MS);
  assert.equal(await renewTime(), '2026-06-01T11:50:20.000Z');
});

test('a peer that confirms itself by another clock is not silent, and how far that is off is told once it is known', async () => {
  const bench = new Bench({ peer: { renewTime: '2026-06-01T11:49:50Z' } });
  assert.equal((await bench.told()).seen, 'Recent');
  bench.clock.pass(30_000);
  bench.confirm('2026-06-01T11:50:20Z');
  assert.equal((await bench.told()).seen, 'Recent its clock is about 10 min behind');
  bench.clock.pass(100_000);
  assert.match((await bench.told()).seen, /^Silent its mirror confirmed itself last at 2026-06-01T11:50:20Z/);
});

test('a peer that was silent before we looked is silent until it confirms itself', async () => {
  const silent = { type: 'Seen', status: 'False', reason: 'Silent', message: '', lastTransitionTime: '' } as const;
  const bench = new Bench({ peer: { renewTime: '2026-06-01T10:00:00Z' }, conditions: [silent] });
  assert.match((await bench.told()).seen, /^Silent/);
  bench.confirm('2026-06-01T12:00:00Z');
  bench.clock.pass(1_000);
  assert.equal((await bench.told()).seen, 'Recent');
});
