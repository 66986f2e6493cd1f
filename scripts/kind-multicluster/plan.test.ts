import assert from 'node:assert/strict';
import test from 'node:test';
import { parse } from 'yaml';
import { parseFlags } from './flags.ts';
import { addressOrder, changedPlaces, freeAddress, kindConfig, planClusters, slotOf } from './plan.ts';

test('clusters get ranges of their own', () => {
  const plans = planClusters(['east', 'west'], new Map());
  assert.deepEqual(
    plans.map(({ podSubnet, serviceSubnet }) => [podSubnet, serviceSubnet]),
    [
      ['10.20.0.0/16', '10.21.0.0/16'],
      ['10.22.0.0/16', '10.23.0.0/16'],
    ],
  );
});

test('what exists keeps its ranges, and nobody else gets them', () => {
  const plans = planClusters(
    ['north', 'west'],
    new Map([
      ['west', 1],
      ['other', 0],
    ]),
  );
  assert.deepEqual(
    plans.map(({ name, slot }) => [name, slot]),
    [
      ['north', 2],
      ['west', 1],
    ],
  );
});

test('a slot is known by the pod range of a node', () => {
  assert.equal(slotOf('10.22.1.0/24'), 1);
  assert.equal(slotOf('10.244.0.0/24'), 112);
  assert.equal(slotOf('192.168.0.0/24'), undefined);
  assert.equal(slotOf('10.21.0.0/24'), undefined);
});

test('names that cannot become part of a Service name are refused', () => {
  assert.throws(() => planClusters(['East'], new Map()), /--clusters: "East": use lower-case/);
  assert.throws(() => planClusters(['a', 'a'], new Map()), /twice/);
  assert.throws(() => planClusters([], new Map()), /at least one/);
});

test("kind's configuration has one control plane and workers", () => {
  const [plan] = planClusters(['east'], new Map());
  assert.ok(plan !== undefined);
  const config = parse(kindConfig(plan, 3)) as { nodes: { role: string }[]; networking: unknown };
  assert.deepEqual(
    config.nodes.map(({ role }) => role),
    ['control-plane', 'worker', 'worker'],
  );
  assert.deepEqual(config.networking, { podSubnet: '10.20.0.0/16', serviceSubnet: '10.21.0.0/16' });
});

test('assigned addresses are the own cluster’s and free', () => {
  assert.equal(freeAddress('172.18.0.2', new Set()), '172.18.253.1');
  assert.equal(freeAddress('172.18.0.3', new Set(['172.18.252.1'])), '172.18.252.2');
  assert.throws(() => freeAddress('172.18.4.2', new Set()), /beside a\.b\.0\.N only/);
});

test('the command line is read, and mistakes name the flag', () => {
  const flags = parseFlags(['up', '--nodes', '2', '--runtime', 'node'], ['east', 'west']);
  assert.ok(typeof flags !== 'string');
  assert.deepEqual([flags.verb, flags.clusters, flags.nodes, flags.runtime], ['up', ['east', 'west'], 2, 'node']);
  assert.match(problemOf([], []), /give a verb/);
  assert.match(problemOf(['fly'], []), /no verb "fly"/);
  assert.match(problemOf(['up', '--nodes', '0'], []), /--nodes 0: give/);
  assert.match(problemOf(['up', '--runtime', 'deno'], []), /--runtime deno: give/);
  assert.match(problemOf(['up', 'extra'], []), /up takes no "extra"/);
  assert.match(problemOf(['logs'], []), /name a component/);
});

function problemOf(argv: readonly string[], clusters: readonly string[]): string {
  const flags = parseFlags(argv, clusters);
  return typeof flags === 'string' ? flags : 'no problem';
}

test('nodes that have changed places start in the order of the addresses under which they are known', () => {
  const places = [
    { node: 'east-control-plane', known: '172.18.0.10', actual: '172.18.0.10' },
    { node: 'east-worker', known: '172.18.0.3', actual: '172.18.0.2' },
    { node: 'west-control-plane', known: '172.18.0.2', actual: '172.18.0.3' },
    { node: 'west-worker', known: undefined, actual: '172.18.0.4' },
  ];
  assert.deepEqual(
    changedPlaces(places).map(({ node }) => node),
    ['east-worker', 'west-control-plane'],
  );
  assert.deepEqual(addressOrder(places), ['west-control-plane', 'east-worker', 'west-worker', 'east-control-plane']);
});
