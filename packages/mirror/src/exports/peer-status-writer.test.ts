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

test('a clock that is set back goes on being told, and a view that stands still is not', async () => {
  const clock = new SettableClock();
  const api = new FakeApi();
  api.seed(PEERS, { metadata: REF, spec: {} });
  let stuckMs: number | undefined;
  const writer = new PeerStatusWriter(RENEW_MS, {
    client: api.client(),
    clock,
    events: { record: () => undefined },
    peers: () => [],
    facts: () => ({ clusterName: 'here' }),
    exportsOf: () => 0,
    hasNamespace: () => true,
    completeUntilMs: () => stuckMs ?? clock.now(),
    onWrite: () => undefined,
  });
  const told = async (): Promise<string | undefined> => {
    await writer.reconcile(api.peek(PEERS, 'linkerd-multicluster/east') as Peer, AbortSignal.timeout(60_000));
    return api.peek(PEERS, 'linkerd-multicluster/east')?.status?.exporter?.renewTime;
  };
  assert.equal(await told(), '2026-06-01T12:00:00.000Z');
  clock.pass(RENEW_MS);
  assert.equal(await told(), '2026-06-01T12:00:10.000Z');
  clock.set(-600_000);
  clock.pass(RENEW_MS);
  assert.equal(await told(), '2026-06-01T11:50:20.000Z');
  stuckMs = clock.now();
  clock.pass(RENEW_MS);
  assert.equal(await told(), '2026-06-01T11:50:20.000Z');
  clock.pass(RENEW_MS);
  assert.equal(await told(), '2026-06-01T11:50:20.000Z');
});
