/** The Multi-Cluster Services API, case by case as the conformance suite asks, between clusters in memory. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ENDPOINT_SLICES, LINKS, NAMESPACES, SERVICE_EXPORTS, SERVICE_IMPORTS, SERVICES } from '@mesh/kube';
import type { EndpointSlice, ServiceImport, ServicePort } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import type { FakeCall, FakeFault } from '@mesh/kube/testing';
import { ClusterSet, HTTP } from '../src/testing/cluster-set.ts';
import type { SetCluster } from '../src/testing/cluster-set.ts';

const OLD = '2026-11-22T09:00:00Z';
const YOUNG = '2026-11-22T10:00:00Z';

const imported = (cluster: SetCluster, is: (found: ServiceImport) => boolean = () => true): Promise<ServiceImport> =>
  eventually(`import in ${cluster.name}`, () => {
    const found = cluster.serviceImport('web');
    return found !== undefined && is(found) ? found : undefined;
  });

const notImported = (cluster: SetCluster): Promise<boolean> =>
  eventually(`no import in ${cluster.name}`, () => cluster.serviceImport('web') === undefined);

const conflict = (cluster: SetCluster, reason: string): Promise<boolean> =>
  eventually(`${reason} in ${cluster.name}`, () => {
    const found = cluster.condition('web', 'Conflict');
    if (found?.reason !== reason) throw new Error(JSON.stringify(found));
    return true;
  });

const addressesOf = (slices: readonly EndpointSlice[], port?: string): readonly string[] =>
  slices
    .filter(({ ports = [] }) => port === undefined || ports.some(({ name }) => name === port))
    .flatMap(({ endpoints }) => endpoints.flatMap(({ addresses }) => addresses))
    .toSorted();

/** Two clusters of a flat network that both have `web`. */
async function pair(one: Parameters<SetCluster['service']>[2] = {}, other = one) {
  const set = new ClusterSet(['east', 'west']);
  const [east, west] = [set.cluster('east'), set.cluster('west')];
  east.service('web', { 'web-e': '10.1.0.1' }, one);
  west.service('web', { 'web-w': '10.2.0.1' }, other);
  await set.start();
  return { set, east, west, [Symbol.asyncDispose]: () => set[Symbol.asyncDispose]() };
}

describe('a Service of the cluster set', () => {
  it('is imported everywhere while at least one cluster exports it', async () => {
    await using both = await pair();
    const { east, west } = both;
    east.export('web');
    await imported(east);
    await imported(west);
    west.export('web');
    await imported(east, ({ status }) => status?.clusters?.length === 2);
    east.unexport('web');
    const left = await imported(east, ({ status }) => status?.clusters?.length === 1);
    assert.deepEqual(left.status?.clusters, [{ cluster: 'west' }]);
    west.unexport('web');
    await notImported(east);
    await notImported(west);
    for (const cluster of [east, west]) {
      await eventually(
        'nothing is left',
        () => cluster.slices('web').length === 0 && cluster.derived('web') === undefined,
      );
    }
  });

  it('is a ClusterSetIP with an address that stays, and valid and ready in the exporter', async () => {
    await using both = await pair();
    const { east, west } = both;
    east.export('web');
    for (const cluster of [east, west]) {
      const found = await imported(cluster, ({ spec }) => (spec.ips ?? []).length > 0);
      assert.equal(found.spec.type, 'ClusterSetIP');
      assert.deepEqual(found.spec.ips, cluster.derived('web')?.spec?.clusterIPs);
      assert.deepEqual(found.spec.ipFamilies, ['IPv4']);
      await eventually('ready', () => cluster.serviceImport('web')?.status?.conditions?.[0]?.reason === 'Ready');
    }
    const { ips } = (await imported(west)).spec;
    await eventually('conditions', () => east.condition('web', 'Ready')?.status === 'True');
    assert.deepEqual(
      ['Valid', 'Ready', 'Conflict'].map((type) => east.condition('web', type)?.reason),
      ['Valid', 'Ready', 'NoConflicts'],
    );
    west.export('web', { createdAt: YOUNG });
    assert.deepEqual((await imported(west, ({ status }) => status?.clusters?.length === 2)).spec.ips, ips);
  });

  it('keeps session affinity with its configuration, internalTrafficPolicy and trafficDistribution', async () => {
    const spec = {
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 10 } },
      internalTrafficPolicy: 'Local',
      trafficDistribution: 'PreferClose',
    };
    await using both = await pair({ spec });
    both.east.export('web');
    for (const cluster of [both.east, both.west]) {
      const found = await imported(cluster);
      const derived = await eventually('derived Service', () => cluster.derived('web'));
      for (const object of [found.spec, derived.spec] as readonly Readonly<Record<string, unknown>>[]) {
        assert.deepEqual(Object.fromEntries(Object.keys(spec).map((key) => [key, object[key]])), spec);
      }
    }
  });

  it('has an address per family, in the order of its families', async () => {
    const set = new ClusterSet(['east']);
    await using _ = set;
    const east = set.cluster('east');
    east.families = ['IPv6', 'IPv4'];
    east.service('web', { 'web-e': '10.1.0.1' }, { spec: { ipFamilies: ['IPv4', 'IPv6'] } });
    east.export('web');
    await set.start();
    const { spec } = await imported(east, (found) => (found.spec.ips ?? []).length > 0);
    assert.deepEqual(spec.ipFamilies, ['IPv6', 'IPv4']);
    assert.deepEqual(spec.ips, ['fd00::1', '10.96.0.1']);
  });

  it('has the same address everywhere in a network that all clusters have for it, and any address where that one is taken', async () => {
    const set = new ClusterSet(['east', 'north', 'west']);
    await using _ = set;
    for (const cluster of set.all) cluster.network = '10.255.0.0/16';
    const taken: FakeFault = {
      match: ({ verb, key }) => verb === 'create' && key.includes('mesh-import-'),
      code: 'invalid',
      status: 422,
    };
    let refusals = 4;
    const refused = (call: FakeCall): boolean => taken.match?.(call) === true && refusals-- > 0;
    using _refused = set.cluster('north').api.fault({ ...taken, match: refused });
    set.cluster('east').service('web', { 'web-e': '10.1.0.1' });
    set.cluster('east').export('web');
    await set.start();
    const [east, north, west] = await Promise.all(
      set.all.map((one) => imported(one, ({ spec }) => spec.ips !== undefined)),
    );
    assert.match(east?.spec.ips?.[0] ?? '', /^10\.255\./);
    assert.deepEqual(west?.spec.ips, east?.spec.ips);
    assert.match(north?.spec.ips?.[0] ?? '', /^10\.96\./);
  });

  it('says when the cluster has no family that it is exported with', async () => {
    await using both = await pair({ spec: { ipFamilies: ['IPv6'] } });
    both.east.export('web');
    const found = await imported(both.west, ({ status }) => status?.conditions?.[0]?.status === 'False');
    assert.equal(found.status?.conditions?.[0]?.reason, 'IPFamilyNotSupported');
    assert.equal(found.spec.ips, undefined);
  });

  it('has the exported ports, two of one number included', async () => {
    const ports: readonly ServicePort[] = [
      { name: 'tcp', port: 42, protocol: 'TCP' },
      { name: 'udp', port: 42, protocol: 'UDP', appProtocol: 'example.com/x' },
    ];
    await using both = await pair({ spec: { ports } });
    both.east.export('web');
    const found = await imported(both.west);
    assert.deepEqual(found.spec.ports, ports);
    const derived = await eventually('derived Service', () => both.west.derived('web'));
    assert.deepEqual(
      derived.spec?.ports?.map(({ name, port, protocol }) => [name, port, protocol]),
      [
        ['tcp', 42, 'TCP'],
        ['udp', 42, 'UDP'],
      ],
    );
  });

  it('unites the ports of two exporters, and tells both', async () => {
    const other: readonly ServicePort[] = [HTTP, { name: 'stcp', port: 142, protocol: 'SCTP' }];
    await using both = await pair({}, { spec: { ports: other } });
    both.east.export('web', { createdAt: OLD });
    both.west.export('web', { createdAt: YOUNG });
    for (const cluster of [both.east, both.west]) {
      const found = await imported(cluster, ({ spec }) => spec.ports.length === 2);
      assert.deepEqual(
        found.spec.ports.map(({ name }) => name),
        ['http', 'stcp'],
      );
      await conflict(cluster, 'PortConflict');
    }
  });

  it('gives a port to the oldest export, sends it only there, and tells both', async () => {
    await using both = await pair({}, { spec: { ports: [{ ...HTTP, port: 81 }] } });
    both.east.export('web', { createdAt: YOUNG });
    both.west.export('web', { createdAt: OLD });
    for (const cluster of [both.east, both.west]) {
      const found = await imported(
        cluster,
        ({ spec, status }) => spec.ports[0]?.port === 81 && status?.clusters?.length === 2,
      );
      assert.equal(found.spec.ports.length, 1);
      await conflict(cluster, 'PortConflict');
      await eventually('only west', () => {
        assert.deepEqual(addressesOf(cluster.slices('web'), 'http'), ['10.2.0.1']);
        return true;
      });
    }
  });

  it('sends each of two names of ports only to the cluster that has it', async () => {
    await using both = await pair({}, { spec: { ports: [{ ...HTTP, name: 'admin', port: 90 }] } });
    both.east.export('web', { createdAt: OLD });
    both.west.export('web', { createdAt: YOUNG });
    for (const cluster of [both.east, both.west]) {
      await imported(cluster, ({ spec }) => spec.ports.length === 2);
      await eventually('each to its cluster', () => {
        assert.deepEqual(addressesOf(cluster.slices('web'), 'http'), ['10.1.0.1']);
        assert.deepEqual(addressesOf(cluster.slices('web'), 'admin'), ['10.2.0.1']);
        return true;
      });
    }
  });

  it('names the ports of its Service where an import may leave one unnamed', async () => {
    await using both = await pair(
      { spec: { ports: [{ port: 80, protocol: 'TCP' }] } },
      { spec: { ports: [{ ...HTTP, port: 81 }] } },
    );
    both.east.export('web', { createdAt: OLD });
    both.west.export('web', { createdAt: YOUNG });
    await imported(both.east, ({ spec }) => spec.ports.length === 2);
    await eventually('names', () => {
      assert.deepEqual(
        both.east.derived('web')?.spec?.ports?.map(({ name }) => name),
        ['port-80-tcp', 'http'],
      );
      assert.deepEqual(addressesOf(both.east.slices('web'), 'port-80-tcp'), ['10.1.0.1']);
      return true;
    });
  });

  it('is Headless without an address when the exported one is', async () => {
    await using both = await pair({ spec: { clusterIP: 'None' } });
    const { east, west } = both;
    east.export('web');
    for (const cluster of [east, west]) {
      const found = await imported(cluster, ({ status }) => status?.conditions?.[0]?.status === 'True');
      assert.equal(found.spec.type, 'Headless');
      assert.equal(found.spec.ips, undefined);
      assert.deepEqual(found.spec.ipFamilies, ['IPv4']);
      const slice = await eventually('slice', () => cluster.slices('web', 'east')[0]);
      assert.deepEqual(
        slice.endpoints.map(({ addresses, hostname }) => [addresses[0], hostname]),
        [['10.1.0.1', 'web-e']],
      );
      assert.equal(slice.metadata.labels?.['kubernetes.io/service-name'], undefined);
      assert.equal(cluster.derived('web'), undefined);
    }
    east.unexport('web');
    for (const cluster of [east, west]) {
      await notImported(cluster);
      await eventually('no slices', () => cluster.slices('web').length === 0);
    }
  });

  it('is what the oldest export is when one is headless, and tells both', async () => {
    await using both = await pair({ spec: { clusterIP: 'None' } }, {});
    both.east.export('web', { createdAt: YOUNG });
    both.west.export('web', { createdAt: OLD });
    for (const cluster of [both.east, both.west]) {
      await imported(cluster, ({ spec, status }) => spec.type === 'ClusterSetIP' && status?.clusters?.length === 2);
      await conflict(cluster, 'TypeConflict');
    }
    both.west.unexport('web');
    for (const cluster of [both.east, both.west]) {
      await imported(cluster, ({ spec }) => spec.type === 'Headless' && spec.ips === undefined);
      await eventually('served as headless', () => {
        assert.equal(cluster.derived('web'), undefined);
        for (const { metadata } of cluster.slices('web', 'east'))
          assert.equal(metadata.labels?.['kubernetes.io/service-name'], undefined);
        return cluster.slices('web', 'east').length > 0;
      });
    }
    await conflict(both.east, 'NoConflicts');
  });

  it('is not imported when it is of type ExternalName, or there is none', async () => {
    await using both = await pair({ spec: { type: 'ExternalName', externalName: 'example.com' } }, {});
    both.east.export('web');
    await eventually('invalid', () => both.east.condition('web', 'Valid')?.reason === 'InvalidServiceType');
    assert.equal(both.east.condition('web', 'Valid')?.status, 'False');
    both.east.api.remove(SERVICES, 'shop/web');
    await eventually('no Service', () => both.east.condition('web', 'Valid')?.reason === 'NoService');
    assert.equal(both.west.serviceImport('web'), undefined);
    both.east.service('web', { 'web-e': '10.1.0.1' });
    await imported(both.west);
    await eventually('valid', () => both.east.condition('web', 'Valid')?.status === 'True');
  });

  it('has no endpoints of a Service of the same name that is not exported', async () => {
    await using both = await pair();
    both.east.export('web');
    for (const cluster of [both.east, both.west]) {
      await eventually('slices', () => {
        assert.deepEqual(addressesOf(cluster.slices('web')), ['10.1.0.1']);
        return true;
      });
      assert.deepEqual(cluster.serviceImport('web')?.status?.clusters, [{ cluster: 'east' }]);
    }
  });

  it('has the labels and annotations that the export names, and no others', async () => {
    await using both = await pair({ labels: { own: 'yes' } });
    both.east.export('web', { exported: { exportedLabels: { team: 'a' }, exportedAnnotations: { note: 'b' } } });
    const { metadata } = await imported(both.west);
    assert.deepEqual(metadata.labels, { team: 'a', 'federation.mesh.dev/managed-by': 'service-mirror.mesh.dev' });
    assert.deepEqual(metadata.annotations, { note: 'b' });
  });

  it('takes the labels of the oldest export when they differ, and tells both', async () => {
    await using both = await pair();
    both.east.export('web', {
      createdAt: OLD,
      exported: { exportedLabels: { a: '1' }, exportedAnnotations: { n: '1' } },
    });
    both.west.export('web', {
      createdAt: YOUNG,
      exported: { exportedLabels: { b: '2' }, exportedAnnotations: { m: '2' } },
    });
    for (const cluster of [both.east, both.west]) {
      await conflict(cluster, 'LabelsConflict,AnnotationsConflict');
      const { metadata } = await imported(cluster, (found) => found.metadata.labels?.['a'] === '1');
      assert.deepEqual(metadata.annotations, { n: '1' });
    }
  });

  it('has slices that name Service, source and manager, one cluster each', async () => {
    await using both = await pair();
    both.east.export('web');
    both.west.export('web');
    for (const cluster of [both.east, both.west]) {
      for (const source of ['east', 'west']) {
        const slice = await eventually(`slice of ${source}`, () => cluster.slices('web', source)[0]);
        const { labels = {} } = slice.metadata;
        assert.equal(labels['multicluster.kubernetes.io/service-name'], 'web');
        assert.equal(labels['endpointslice.kubernetes.io/managed-by'], 'service-mirror.mesh.dev');
        assert.equal(labels['kubernetes.io/service-name'], cluster.derived('web')?.metadata.name);
        assert.deepEqual(slice.ports, [{ name: 'http', port: 8080, protocol: 'TCP' }]);
        assert.equal(slice.endpoints[0]?.targetRef === undefined, source !== cluster.name, 'own pods are referred to');
      }
    }
  });
});

describe('imports of a cluster', () => {
  it('leave a ServiceImport of somebody else alone, and say so on the export', async () => {
    await using both = await pair();
    const { east } = both;
    const foreign: ServiceImport = {
      metadata: { name: 'web', namespace: 'shop' },
      spec: { type: 'ClusterSetIP', ports: [] },
    };
    east.api.seed(SERVICE_IMPORTS, foreign);
    east.export('web');
    await eventually('not ready', () => /is not the mesh's/.test(east.condition('web', 'Ready')?.message ?? ''));
    assert.deepEqual(east.serviceImport('web')?.spec, foreign.spec);
    assert.equal(east.slices('web').length, 0);
    east.api.remove(SERVICE_IMPORTS, 'shop/web');
    await imported(east);
    await eventually('ready', () => east.condition('web', 'Ready')?.status === 'True');
  });

  it('come with their namespace', async () => {
    await using both = await pair();
    both.east.api.seed(NAMESPACES, { metadata: { name: 'late' } });
    both.east.service('api', { api: '10.1.0.9' }, { namespace: 'late' });
    both.east.export('api', { namespace: 'late' });
    await eventually('import in east', () => both.east.serviceImport('api', 'late'));
    assert.equal(both.west.serviceImport('api', 'late'), undefined);
    both.west.api.seed(NAMESPACES, { metadata: { name: 'late' } });
    await eventually('import in west', () => both.west.serviceImport('api', 'late'));
  });

  it('need a name of the cluster, and say how it gets one', async () => {
    const set = new ClusterSet(['east']);
    await using _ = set;
    const east = set.cluster('east');
    east.isNamed = false;
    east.service('web', { 'web-e': '10.1.0.1' });
    east.export('web');
    await set.start();
    await eventually('not ready', () => /clusterName/.test(east.condition('web', 'Ready')?.message ?? ''));
    assert.equal(east.serviceImport('web'), undefined);
    const kind = {
      group: 'about.k8s.io',
      version: 'v1',
      plural: 'clusterproperties',
      kind: 'ClusterProperty',
      namespaced: false,
    };
    east.api.seed(kind, { metadata: { name: 'cluster.clusterset.k8s.io' }, spec: { value: 'prod-1' } } as never);
    assert.deepEqual((await imported(east, ({ status }) => status !== undefined)).status?.clusters, [
      { cluster: 'prod-1' },
    ]);
  });

  it('stay while a peer that takes part cannot be heard, also after a restart, and go with its Link', async () => {
    await using both = await pair();
    const { set, east, west } = both;
    east.export('web', { createdAt: OLD });
    west.export('web', { createdAt: YOUNG });
    await imported(west, ({ status }) => status?.clusters?.length === 2);
    await eventually('both', () => addressesOf(west.slices('web')).length === 2);
    const { ips } = (await imported(west)).spec;
    east.api.goDown();
    await set.stop('west');
    await set.start('west');
    west.service('web', { 'web-w': '10.2.0.2' });
    await eventually('own change is taken', () => {
      assert.deepEqual(addressesOf(west.slices('web')), ['10.1.0.1', '10.2.0.2']);
      return true;
    });
    west.unexport('web');
    await imported(west, ({ status }) => status?.clusters?.length === 1);
    assert.deepEqual(addressesOf(west.slices('web')), ['10.1.0.1']);
    assert.deepEqual(west.serviceImport('web')?.spec.ips, ips);
    west.api.remove(LINKS, 'linkerd-multicluster/east');
    await notImported(west);
    await eventually('no slices', () => west.slices('web').length === 0);
  });

  it('are repaired when somebody damages them', async () => {
    await using both = await pair();
    const { east, west } = both;
    east.export('web');
    const before = await eventually('slice', () => west.slices('web', 'east')[0]);
    west.api.remove(ENDPOINT_SLICES, `shop/${before.metadata.name}`);
    await eventually('slice again', () => west.slices('web', 'east')[0]?.metadata.uid !== before.metadata.uid);
    west.api.seed(SERVICES, { ...west.derived('web'), spec: { ...west.derived('web')?.spec, ports: [] } } as never);
    await eventually('ports again', () => west.derived('web')?.spec?.ports?.length === 1);
    west.api.remove(SERVICE_IMPORTS, 'shop/web');
    const again = await imported(west, ({ spec }) => (spec.ips ?? []).length > 0);
    await eventually(
      'owned by the new one',
      () => west.derived('web')?.metadata.ownerReferences?.[0]?.uid === again.metadata.uid,
    );
  });

  it('write nothing when nothing changed', async () => {
    await using both = await pair();
    const { set, east, west } = both;
    east.export('web');
    await eventually(
      'at rest',
      () => west.serviceImport('web')?.status?.conditions?.[0]?.status === 'True' && west.slices('web').length > 0,
    );
    await eventually('no writes under way', () => east.condition('web', 'Ready')?.status === 'True');
    const writes = (): number =>
      [east, west].reduce(
        (sum, { api }) => sum + api.calls.filter((call) => isWriteOf(call, ['web', derived])).length,
        0,
      );
    const derived = west.derived('web')?.metadata.name ?? '';
    const before = writes();
    // A touch that means nothing, and another Service that has all of it looked at again.
    const live = east.api.peek(SERVICE_EXPORTS, 'shop/web');
    assert.ok(live);
    east.api.seed(SERVICE_EXPORTS, { ...live, metadata: { ...live.metadata, annotations: { touched: 'yes' } } });
    east.service('other', { o: '10.1.0.7' });
    east.export('other');
    await eventually('other import', () => west.serviceImport('other')?.status !== undefined);
    await eventually('all looked at', () => set.isIdle);
    assert.equal(writes() - before, 0);
  });
});

const WRITES: ReadonlySet<string> = new Set(['create', 'replace', 'patch', 'delete']);

function isWriteOf({ verb, key }: FakeCall, names: readonly string[]): boolean {
  return WRITES.has(verb) && names.some((name) => key.includes(name));
}
