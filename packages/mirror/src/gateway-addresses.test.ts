import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '@mesh/runtime';
import type { Clock } from '@mesh/runtime';
import { DRAIN_MS, GatewayAddresses } from './gateway-addresses.ts';
import type { Resolved } from './gateway-addresses.ts';

interface Due {
  readonly atMs: number;
  readonly run: () => void;
}

/** Names with answers that a test sets, and a clock that it turns. */
function setup() {
  const answers = new Map<string, Resolved | readonly string[]>();
  const asked: string[] = [];
  const due = new Set<Due>();
  let nowMs = 0;
  let changes = 0;
  const clock: Clock = {
    now: () => nowMs,
    monotonic: () => nowMs,
    after(delayMs, run) {
      const one = { atMs: nowMs + delayMs, run };
      due.add(one);
      return { cancel: () => due.delete(one) };
    },
  };
  const addresses = new GatewayAddresses({
    lookup(host) {
      asked.push(host);
      const answer = answers.get(host);
      return answer === undefined ? Promise.reject(new Error('ENOTFOUND')) : Promise.resolve(answer);
    },
    clock,
    logger: silentLogger,
    onChange: () => (changes += 1),
  });
  return {
    addresses,
    answers,
    asked,
    changes: () => changes,
    /** Lets answers come, and then so much time pass. */
    async pass(ms: number): Promise<void> {
      const endMs = nowMs + ms;
      for (;;) {
        for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
        const [next] = [...due].filter(({ atMs }) => atMs <= endMs).sort((one, other) => one.atMs - other.atMs);
        if (next === undefined) break;
        due.delete(next);
        nowMs = Math.max(nowMs, next.atMs);
        next.run();
      }
      nowMs = endMs;
    },
  };
}

test('a name is looked up again when its records end, each name by its own', async () => {
  const there = setup();
  there.answers.set('quick.example', { ips: ['10.0.0.1'], ttlMs: 5_000 });
  there.answers.set('slow.example', { ips: ['10.0.0.2'], ttlMs: 30_000 });
  there.addresses.setHosts(['quick.example', 'slow.example', '10.0.0.3']);
  await there.pass(0);
  assert.deepEqual(there.addresses.ips, ['10.0.0.1', '10.0.0.2', '10.0.0.3']);
  await there.pass(29_000);
  assert.equal(there.asked.filter((host) => host === 'quick.example').length, 6);
  assert.equal(there.asked.filter((host) => host === 'slow.example').length, 1);
  await there.pass(2_000);
  assert.equal(there.asked.filter((host) => host === 'slow.example').length, 2);
});

test('records of no life and of a day are looked up at a bearable pace', async () => {
  const there = setup();
  there.answers.set('none.example', { ips: ['10.0.0.1'], ttlMs: 0 });
  there.answers.set('day.example', { ips: ['10.0.0.2'], ttlMs: 86_400_000 });
  there.addresses.setHosts(['none.example', 'day.example']);
  await there.pass(60_500);
  assert.equal(there.asked.filter((host) => host === 'none.example').length, 61);
  assert.equal(there.asked.filter((host) => host === 'day.example').length, 2);
});

test('an address that leaves its name is drained for a while, and comes back when it is named again', async () => {
  const there = setup();
  there.answers.set('gw.example', ['10.0.0.1', '10.0.0.2']);
  there.addresses.setHosts(['gw.example']);
  await there.pass(0);
  there.answers.set('gw.example', ['10.0.0.2', '10.0.0.9']);
  await there.pass(10_000);
  assert.deepEqual(there.addresses.ips, ['10.0.0.1', '10.0.0.2', '10.0.0.9']);
  assert.deepEqual(
    there.addresses.ips.filter((ip) => there.addresses.isDraining(ip)),
    ['10.0.0.1'],
  );
  there.answers.set('gw.example', ['10.0.0.1', '10.0.0.2', '10.0.0.9']);
  await there.pass(10_000);
  assert.equal(there.addresses.isDraining('10.0.0.1'), false);
  there.answers.set('gw.example', ['10.0.0.2', '10.0.0.9']);
  await there.pass(10_000);
  assert.equal(there.addresses.isDraining('10.0.0.1'), true);
  const before = there.changes();
  await there.pass(DRAIN_MS);
  assert.deepEqual(there.addresses.ips, ['10.0.0.2', '10.0.0.9']);
  assert.ok(there.changes() > before);
});

test('while a name does not resolve, what was known stays, and it is asked for every second', async () => {
  const there = setup();
  there.answers.set('gw.example', ['10.0.0.1']);
  there.addresses.setHosts(['gw.example']);
  await there.pass(0);
  there.answers.delete('gw.example');
  await there.pass(10_000);
  assert.deepEqual(there.addresses.ips, ['10.0.0.1']);
  assert.equal(there.addresses.isDraining('10.0.0.1'), false);
  assert.deepEqual(there.addresses.problems, ['gateway name gw.example does not resolve: ENOTFOUND']);
  const asked = there.asked.length;
  await there.pass(3_000);
  assert.equal(there.asked.length, asked + 3);
});

test('a Link without a gateway has no addresses, not even for a while', async () => {
  const there = setup();
  there.addresses.setHosts(['10.0.0.1']);
  there.addresses.setHosts([]);
  await there.pass(0);
  assert.deepEqual(there.addresses.ips, []);
});

test('an address has the zone of the Link for it or for its name, also while it is drained', async () => {
  const there = setup();
  there.answers.set('a.example', ['10.0.0.1']);
  there.answers.set('b.example', ['10.0.0.2', '10.0.0.9']);
  const hosts = ['10.0.0.9', 'a.example', 'b.example', 'plain.example'];
  there.answers.set('plain.example', ['10.0.0.5']);
  const zonesOf = (): object =>
    Object.fromEntries(there.addresses.ips.map((ip) => [ip, there.addresses.zoneOf(ip) ?? 'none']));
  there.addresses.setHosts(hosts, [
    ['a.example', 'a'],
    ['b.example', 'b'],
    ['10.0.0.9', 'c'],
  ]);
  await there.pass(0);
  assert.deepEqual(zonesOf(), { '10.0.0.1': 'a', '10.0.0.2': 'b', '10.0.0.5': 'none', '10.0.0.9': 'c' });
  there.answers.set('a.example', ['10.0.0.7']);
  await there.pass(10_000);
  assert.equal(there.addresses.isDraining('10.0.0.1'), true);
  assert.equal(there.addresses.zoneOf('10.0.0.1'), 'a');
  assert.equal(there.addresses.zoneOf('10.0.0.7'), 'a');
});

test('an address that goes over to a name of another zone is a change', async () => {
  const there = setup();
  there.answers.set('a.example', ['10.0.0.1']);
  there.answers.set('b.example', ['10.0.0.2']);
  there.addresses.setHosts(
    ['a.example', 'b.example'],
    [
      ['a.example', 'a'],
      ['b.example', 'b'],
    ],
  );
  await there.pass(0);
  const before = there.changes();
  there.answers.set('a.example', ['10.0.0.2']);
  there.answers.set('b.example', ['10.0.0.1']);
  await there.pass(10_000);
  assert.ok(there.changes() > before);
  assert.equal(there.addresses.zoneOf('10.0.0.1'), 'b');
  assert.equal(there.addresses.zoneOf('10.0.0.2'), 'a');
});
