import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExportPolicy, Service, ServiceExport } from '@mesh/kube';
import { desiredViews } from './desired-views.ts';
import type { DesiredView, ExportInput } from './desired-views.ts';
import { chunkName, exportedServiceLabel, peerNameProblem } from './names.ts';

const SHARED = 'linkerd-multicluster';

function service(labels: Readonly<Record<string, string>>, spec: Service['spec'] = {}): Service {
  return {
    metadata: { name: 'catalog', namespace: 'shop', labels },
    spec: {
      ports: [
        { name: 'http', port: 80, targetPort: 'web' },
        { name: 'admin', port: 9000 },
      ],
      ...spec,
    },
  };
}

function policy(spec: Partial<ExportPolicy['spec']> & Pick<ExportPolicy['spec'], 'clusters'>): ExportPolicy {
  return { metadata: { name: 'p', namespace: 'shop' }, spec };
}

function viewsOf(input: Partial<ExportInput>): readonly DesiredView[] {
  return desiredViews({
    service: service({ 'mirror.linkerd.io/exported': 'true' }),
    serviceExport: undefined,
    policies: [],
    peers: ['east', 'west'],
    sharedView: SHARED,
    endpoints: {
      slices: [
        {
          metadata: { name: 'catalog-abc', namespace: 'shop' },
          addressType: 'IPv4',
          endpoints: [{ addresses: ['10.1.0.1'] }],
          ports: [
            { name: 'http', port: 8080 },
            { name: 'admin', port: 9000 },
          ],
        },
      ],
      pod: () => undefined,
      zone: () => undefined,
      controlPlaneNamespace: 'linkerd',
      trustDomain: 'cluster.local',
    },
    ...input,
  });
}

/** Namespace of each view with the ports in it. */
function portsByView(views: readonly DesiredView[]): Readonly<Record<string, readonly number[]>> {
  return Object.fromEntries(
    views.map(({ namespace, service: { spec } }) => [namespace, spec.ports.map(({ port }) => port)]),
  );
}

test('a Service without policy is in the view for everybody, and nowhere else', () => {
  const [view, ...others] = viewsOf({});
  assert.deepEqual(others, []);
  assert.deepEqual(view?.service.metadata, {
    name: 'catalog.shop',
    namespace: SHARED,
    labels: { 'app.kubernetes.io/managed-by': 'service-mirror.mesh.dev' },
  });
  assert.deepEqual(view.service.spec, {
    service: { namespace: 'shop', name: 'catalog' },
    modes: ['gateway'],
    labels: { 'mirror.linkerd.io/exported': 'true' },
    ports: [
      { name: 'http', protocol: 'TCP', port: 80, targetPort: 'web' },
      { name: 'admin', protocol: 'TCP', port: 9000, targetPort: 9000 },
    ],
    ready: true,
  });
  assert.deepEqual(view.groups, [], 'a gateway needs no addresses');
});

test('what is not exported is in no view', () => {
  assert.deepEqual(viewsOf({ service: service({}) }), []);
  assert.deepEqual(viewsOf({ service: undefined }), []);
  const exported = { 'mirror.linkerd.io/exported': 'true' };
  assert.deepEqual(viewsOf({ service: service(exported, { type: 'ExternalName' }) }), []);
  assert.deepEqual(viewsOf({ service: service({ ...exported, 'mirror.linkerd.io/mirrored-service': 'true' }) }), []);
  assert.deepEqual(viewsOf({ service: service({ ...exported, 'federation.mesh.dev/service-import': 'catalog' }) }), []);
  const going = service(exported);
  assert.deepEqual(
    viewsOf({ service: { ...going, metadata: { ...going.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } } }),
    [],
  );
});

test('each mode is told, and those that need addresses have them', () => {
  const serviceExport: ServiceExport = {
    metadata: { name: 'catalog', namespace: 'shop', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { exportedLabels: { team: 'a' } },
  };
  const labels = { 'mirror.linkerd.io/exported': 'remote-discovery', 'mirror.linkerd.io/federated': 'member' };
  const [view] = viewsOf({ service: service(labels), serviceExport });
  assert.deepEqual(view?.service.spec.modes, ['flat', 'federated', 'mcs']);
  assert.deepEqual(view.service.spec.export, { creationTimestamp: '2026-01-01T00:00:00Z', labels: { team: 'a' } });
  assert.deepEqual(
    view.groups.map(({ endpoints }) => endpoints),
    [[{ addresses: ['10.1.0.1'], ready: true }]],
  );
  assert.equal(viewsOf({ service: service({}), serviceExport })[0]?.groups.length, 1);
  const headless = viewsOf({ service: service({ 'mirror.linkerd.io/exported': 'true' }, { clusterIP: 'None' }) })[0];
  assert.equal(headless?.service.spec.headless, true);
  assert.equal(headless.groups.length, 1, 'a headless Service has names for its pods');
});

test('a policy shows a Service to the peers that it names, and only ports that it names', () => {
  assert.deepEqual(portsByView(viewsOf({ policies: [policy({ clusters: ['east'], ports: ['http'] })] })), {
    'mesh-peer-east': [80],
  });
  assert.deepEqual(portsByView(viewsOf({ policies: [policy({ clusters: [] })] })), {});
  assert.deepEqual(portsByView(viewsOf({ policies: [policy({ clusters: ['*'], ports: [9000] })] })), {
    [SHARED]: [9000],
  });
});

test('a peer that may see more than everybody has a copy of its own', () => {
  const policies = [policy({ clusters: ['*'], ports: [80] }), policy({ clusters: ['west'] })];
  const views = viewsOf({ policies, service: service({ 'mirror.linkerd.io/federated': 'member' }) });
  assert.deepEqual(portsByView(views), { [SHARED]: [80], 'mesh-peer-west': [80, 9000] });
  assert.deepEqual(
    views.map(({ groups }) => groups.flatMap(({ ports }) => ports.map(({ name }) => name))),
    [['http'], ['admin', 'http']],
    'and addresses for the ports that each may use',
  );
});

test('a policy for other Services, or one that is being deleted, says nothing', () => {
  const other = policy({ clusters: [], serviceSelector: { matchLabels: { app: 'cart' } } });
  const going = policy({ clusters: [] });
  const policies = [other, { ...going, metadata: { ...going.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }];
  assert.deepEqual(Object.keys(portsByView(viewsOf({ policies }))), [SHARED]);
});

test('a headless Service without ports is seen by whoever a policy names', () => {
  const bare = service({ 'mirror.linkerd.io/exported': 'true' }, { clusterIP: 'None', ports: [] });
  assert.deepEqual(Object.keys(portsByView(viewsOf({ service: bare }))), [SHARED]);
  assert.deepEqual(Object.keys(portsByView(viewsOf({ service: bare, policies: [policy({ clusters: ['east'] })] }))), [
    'mesh-peer-east',
  ]);
});

test('labels of tools stay here, annotations only travel when they concern the mesh', () => {
  const labels = { 'mirror.linkerd.io/exported': 'true', app: 'catalog', 'app.kubernetes.io/instance': 'argo' };
  const annotated = service(labels);
  const annotations = {
    'balancer.linkerd.io/failure-accrual': 'consecutive',
    'federation.mesh.dev/path': 'flat',
    'kubectl.kubernetes.io/last-applied-configuration': '{}',
  };
  const [view] = viewsOf({ service: { ...annotated, metadata: { ...annotated.metadata, annotations } } });
  assert.deepEqual(view?.service.spec.labels, { app: 'catalog', 'mirror.linkerd.io/exported': 'true' });
  assert.deepEqual(view.service.spec.annotations, {
    'balancer.linkerd.io/failure-accrual': 'consecutive',
    'federation.mesh.dev/path': 'flat',
  });
});

test('names fit, however long the Service’s and the namespace’s are', () => {
  const long = { namespace: 'n'.repeat(63), name: 's'.repeat(63) };
  assert.match(exportedServiceLabel(long), /^s{52}-[0-9a-f]{10}$/);
  assert.notEqual(exportedServiceLabel(long), exportedServiceLabel({ ...long, namespace: 'm'.repeat(63) }));
  assert.ok(chunkName(long, 'v4-12345678', 999).length <= 253);
  assert.equal(exportedServiceLabel({ namespace: 'shop', name: 'catalog' }), 'catalog.shop');
  assert.equal(peerNameProblem('east'), undefined);
  assert.match(peerNameProblem('e'.repeat(54)) ?? '', /at most 53/);
  assert.match(peerNameProblem('east.example') ?? '', /cannot be part of a namespace/);
});
