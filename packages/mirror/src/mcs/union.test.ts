import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ServiceImport } from '@mesh/kube';
import type { Constituent } from './constituent.ts';
import { exposedPorts, unite } from './union.ts';

const HTTP = { name: 'http', protocol: 'TCP', port: 80 };
const METRICS = { name: 'metrics', protocol: 'TCP', port: 9090 };

function part(cluster: string, more: Partial<Constituent> = {}): Constituent {
  return {
    cluster,
    createdAt: '2026-11-22T10:00:00Z',
    isHeadless: false,
    ports: [HTTP],
    ipFamilies: ['IPv4'],
    sessionAffinity: 'None',
    sessionAffinityConfig: undefined,
    internalTrafficPolicy: 'Cluster',
    trafficDistribution: undefined,
    labels: {},
    annotations: {},
    ...more,
  };
}

const reasonsOf = (constituents: readonly Constituent[]): readonly string[] =>
  (unite({ constituents })?.conflicts ?? []).map(({ reason }) => reason);

describe('the union of exports', () => {
  it('is nothing when nobody exports', () => {
    assert.equal(unite({ constituents: [] }), undefined);
  });

  it('has all ports, and tells that not everybody has them', () => {
    const union = unite({
      constituents: [
        part('east', { ports: [HTTP, METRICS] }),
        part('west', { ports: [HTTP, { name: 's', protocol: 'SCTP', port: 142 }] }),
      ],
    });
    assert.deepEqual(
      union?.ports.map(({ name }) => name),
      ['http', 'metrics', 's'],
    );
    assert.deepEqual(
      union.conflicts.map(({ reason }) => reason),
      ['PortConflict'],
    );
    assert.match(union.conflicts[0]?.message ?? '', /west has no port metrics \(9090\/TCP\)/);
  });

  it('gives a name, and a number, to the oldest export', () => {
    const old = part('west', { createdAt: '2026-11-22T09:00:00Z' });
    const byName = unite({ constituents: [part('east', { ports: [{ ...HTTP, port: 81 }] }), old] });
    assert.deepEqual(byName?.ports, [HTTP]);
    const byNumber = unite({ constituents: [part('east', { ports: [{ ...HTTP, name: 'web' }] }), old] });
    assert.deepEqual(byNumber?.ports, [HTTP]);
    assert.deepEqual(
      byNumber.conflicts.map(({ reason }) => reason),
      ['PortConflict'],
    );
  });

  it('counts the empty name as a name, and protocols apart', () => {
    const unnamed = (port: number, protocol = 'TCP') => ({ name: '', protocol, port });
    const union = unite({
      constituents: [part('east', { ports: [unnamed(80)] }), part('west', { ports: [unnamed(81)] })],
    });
    assert.deepEqual(union?.ports, [unnamed(80)]);
    const both = part('east', {
      ports: [
        { ...HTTP, name: 'tcp', port: 42 },
        { name: 'udp', protocol: 'UDP', port: 42 },
      ],
    });
    assert.equal(unite({ constituents: [both] })?.ports.length, 2);
  });

  it('sends a port only to clusters that have exactly it', () => {
    const union = unite({
      constituents: [part('east', { ports: [HTTP] }), part('west', { ports: [{ ...HTTP, port: 81 }, METRICS] })],
    });
    assert.ok(union);
    assert.deepEqual(exposedPorts(union, [{ ...HTTP, port: 81 }, METRICS]), [METRICS]);
  });

  it('takes whole-service fields from the oldest, and from the first name of the same second', () => {
    const east = part('east', {
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 10 } },
    });
    const union = unite({ constituents: [part('west'), east] });
    assert.equal(union?.sessionAffinity, 'ClientIP');
    assert.deepEqual(union.sessionAffinityConfig, { clientIP: { timeoutSeconds: 10 } });
    assert.deepEqual(reasonsOf([part('west'), east]), ['SessionAffinityConflict']);
  });

  const differences: readonly (readonly [string, Partial<Constituent>])[] = [
    ['TypeConflict', { isHeadless: true }],
    ['SessionAffinityConflict', { sessionAffinity: 'ClientIP' }],
    ['LabelsConflict', { labels: { a: 'b' } }],
    ['AnnotationsConflict', { annotations: { a: 'b' } }],
    ['InternalTrafficPolicyConflict', { internalTrafficPolicy: 'Local' }],
    ['TrafficDistributionConflict', { trafficDistribution: 'PreferClose' }],
    ['IPFamilyConflict', { ipFamilies: ['IPv4', 'IPv6'] }],
  ];
  for (const [reason, difference] of differences) {
    it(`tells of a ${reason}`, () => {
      assert.deepEqual(reasonsOf([part('east'), part('west', difference)]), [reason]);
      assert.deepEqual(reasonsOf([part('east', difference), part('west', difference)]), []);
    });
  }

  it('tells of another timeout of the same affinity', () => {
    const sticky = (timeoutSeconds: number): Partial<Constituent> => ({
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds } },
    });
    assert.deepEqual(reasonsOf([part('east', sticky(10)), part('west', sticky(20))]), [
      'SessionAffinityConfigConflict',
    ]);
  });

  it('has only the families that all exports have, or the oldest export when they share none', () => {
    const dual = part('east', { ipFamilies: ['IPv6', 'IPv4'] });
    assert.deepEqual(unite({ constituents: [dual, part('west')] })?.ipFamilies, ['IPv4']);
    assert.deepEqual(unite({ constituents: [part('east'), part('west', { ipFamilies: ['IPv6'] })] })?.ipFamilies, [
      'IPv4',
    ]);
  });

  it('changes nothing that is there while somebody who takes part cannot be heard', () => {
    const live: ServiceImport = {
      metadata: { name: 'web', namespace: 'shop', labels: { team: 'a', 'federation.mesh.dev/managed-by': 'x' } },
      spec: { type: 'Headless', ports: [METRICS], ipFamilies: ['IPv4'], sessionAffinity: 'ClientIP' },
    };
    const union = unite({ constituents: [part('east')], unheard: ['west'], live });
    assert.equal(union?.isHeadless, true);
    assert.deepEqual(union.ports, [METRICS, HTTP]);
    assert.deepEqual(union.labels, { team: 'a' });
    assert.deepEqual(union.clusters, ['east', 'west']);
    assert.ok(unite({ constituents: [], unheard: ['west'], live }));
  });

  it('is the same whatever the order in which exports become known, and no name or number is there twice', () => {
    const port = fc.record({
      name: fc.constantFrom('', 'a', 'b', 'c'),
      protocol: fc.constantFrom('TCP', 'UDP'),
      port: fc.integer({ min: 1, max: 4 }),
    });
    const constituent = fc.record({
      createdAt: fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z'),
      isHeadless: fc.boolean(),
      ports: fc.array(port, { maxLength: 4 }),
      sessionAffinity: fc.constantFrom('None', 'ClientIP'),
      ipFamilies: fc.constantFrom(['IPv4'], ['IPv6'], ['IPv4', 'IPv6']),
    });
    fc.assert(
      fc.property(fc.array(constituent, { minLength: 1, maxLength: 4 }), fc.func(fc.integer()), (some, order) => {
        const constituents = some.map((more, index) => part(`c${index}`, more));
        const shuffled = constituents.toSorted((a, b) => order(a.cluster) - order(b.cluster));
        const union = unite({ constituents });
        assert.deepEqual(unite({ constituents: shuffled }), union);
        const ports = union?.ports ?? [];
        assert.equal(new Set(ports.map(({ name }) => name)).size, ports.length);
        assert.equal(new Set(ports.map(({ protocol, port: number }) => `${protocol}${number}`)).size, ports.length);
      }),
    );
  });
});
