/** Whole sidecars export what operators of Linkerd know, after every kind of traffic. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ABSENT, CONTRACT } from './metrics-contract.ts';
import type { ContractFamily } from './metrics-contract.ts';
import { parseExposition } from './exposition.ts';
import type { ScrapedFamily } from './exposition.ts';
import { trafficOfAllKinds } from './metrics-traffic.ts';

test('a scrape has the families of the contract, with its types, labels and buckets, and none that nobody knows', async () => {
  const scraped = parseExposition(await trafficOfAllKinds());
  const missing = CONTRACT.filter(({ name }) => !scraped.has(name)).map(({ name }) => name);
  assert.deepEqual(missing, []);
  const problems = CONTRACT.flatMap((family) => differences(family, scraped.get(family.name)));
  assert.deepEqual(problems, []);
  const known = new Set(CONTRACT.map(({ name }) => name));
  const unknown = [...scraped.keys()].filter((name) => !known.has(name) && !name.startsWith('mesh_'));
  assert.deepEqual(unknown, [], 'a family of our own has a name of our own, or the contract lacks it');
  const unseen = SEEN.filter(([name, labels]) => !hasSeries(scraped.get(name), labels));
  assert.deepEqual(unseen, [], 'traffic that was there is not to be seen');
  assert.deepEqual(
    [...ABSENT.keys()].filter((name) => scraped.has(name) || known.has(name)),
    [],
    'what is there is no longer absent',
  );
});

/** What tells the kinds of traffic apart. */
const SEEN: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ...['inbound', 'outbound'].flatMap((direction) =>
    ['src', 'dst'].map((peer) => ['tcp_open_total', { direction, peer }] as const),
  ),
  ['request_total', { direction: 'inbound', tls: 'true' }],
  ['request_total', { direction: 'inbound', tls: 'no_identity', no_tls_reason: 'no_tls_from_remote' }],
  ['request_total', { direction: 'outbound', tls: 'true', dst_pod: 'catalog-0', dst_zone_locality: 'local' }],
  ['response_total', { direction: 'inbound', grpc_status: '0' }],
  ['tcp_open_total', { direction: 'inbound', peer: 'src', tls: 'opaque' }],
  ...['http/1', 'http/2', 'opaque', 'tls'].map(
    (protocol) => ['outbound_tcp_protocol_connections_total', { protocol }] as const,
  ),
  ...['http', 'opaq', 'tls'].flatMap((protocol) =>
    ['logical', 'balance', 'endpoint'].map(
      (name) => ['stack_create_total', { direction: 'outbound', protocol, name }] as const,
    ),
  ),
  ['stack_create_total', { direction: 'inbound', protocol: 'tcp', name: 'server' }],
  [
    'outbound_tcp_balancer_endpoints',
    { logical: 'catalog.shop.svc.cluster.local:81', concrete: 'catalog.shop.svc.cluster.local:81' },
  ],
  ['inbound_tcp_errors_total', { error: 'unauthorized' }],
];

function hasSeries(family: ScrapedFamily | undefined, labels: Readonly<Record<string, string>>): boolean {
  const wanted = Object.entries(labels);
  return family?.series.some((series) => wanted.every(([name, value]) => series[name] === value)) === true;
}

function differences(family: ContractFamily, scraped: ScrapedFamily | undefined): readonly string[] {
  if (scraped === undefined) return [];
  const { name, type, required, optional, buckets } = family;
  const problems: string[] = [];
  if (scraped.type !== type) problems.push(`${name} is a ${scraped.type}, not a ${type}`);
  for (const labels of scraped.series) {
    const seen = new Set(Object.keys(labels));
    for (const label of required.difference(seen)) problems.push(`${name} lacks ${label} in ${JSON.stringify(labels)}`);
    for (const label of seen.difference(required.union(optional))) problems.push(`${name} has ${label}`);
  }
  if (buckets !== undefined && buckets.join(' ') !== scraped.buckets.join(' '))
    problems.push(`${name} has buckets ${scraped.buckets.join(' ')}`);
  return [...new Set(problems)];
}
