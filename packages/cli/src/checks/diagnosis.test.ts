import assert from 'node:assert/strict';
import test from 'node:test';
import { ENDPOINT_SLICES, EXPORT_POLICIES, EXPORTED_SERVICES, LINKS, SERVICES } from '@mesh/kube';
import type { Link } from '@mesh/kube';
import { FakeApi } from '@mesh/kube/testing';
import { edit, failures, installedCluster, outcomeOf, run, stateOf } from '../testing/installed-cluster.ts';
import { link, MC } from '../testing/multicluster-cluster.ts';
import { diagnosisCategory, linkFor, localUrl } from './diagnosis.ts';
import type { Diagnosed } from './diagnosis.ts';

const SINCE = '2026-01-01T00:00:00Z';
const good = (type: string) =>
  ({ type, status: 'True', reason: 'Fine', message: 'fine', lastTransitionTime: SINCE }) as const;
const bad = (type: string, message: string) => ({ ...good(type), status: 'False', message }) as const;

/** A cluster that exports `shop/web` to peer `east`. */
function exporter(): FakeApi {
  const api = new FakeApi();
  api.seed(SERVICES, {
    metadata: { namespace: 'shop', name: 'web', labels: { 'mirror.linkerd.io/exported': 'true' } },
    spec: { ports: [{ port: 80 }] },
  });
  api.seed(EXPORTED_SERVICES, {
    metadata: { namespace: MC, name: 'web.shop' },
    spec: { service: { namespace: 'shop', name: 'web' }, modes: ['gateway'], ports: [{ port: 80 }], ready: true },
  });
  return api;
}

const MIRRORED = { 'mirror.linkerd.io/mirrored-service': 'true' };
const MIRROR_OF_WEST = {
  labels: { ...MIRRORED, 'mirror.linkerd.io/cluster-name': 'west' },
  annotations: { 'mirror.linkerd.io/remote-svc-fq-name': 'web.shop.svc.cluster.local' },
};

/** A cluster that has it from there. */
async function importer(): Promise<FakeApi> {
  const api = await installedCluster();
  const base = link('west');
  api.seed<Link>(LINKS, {
    ...base,
    metadata: {
      ...base.metadata,
      annotations: {
        'federation.mesh.dev/peer': 'east',
        'federation.mesh.dev/export-namespaces': `${MC},mesh-peer-east`,
      },
    },
    status: {
      conditions: ['Valid', 'CredentialsValid', 'Reachable', 'ViewCurrent', 'GatewayAlive'].map(good),
      mirrorServices: [
        {
          controllerName: 'linkerd.io/service-mirror',
          remoteRef: { namespace: 'shop', name: 'web' },
          conditions: [{ ...good('Mirrored'), localRef: { namespace: 'shop', name: 'web-west' } }],
        },
      ],
    },
  });
  api.seed(SERVICES, {
    metadata: { namespace: 'shop', name: 'web-west', ...MIRROR_OF_WEST },
    spec: { ports: [{ port: 80 }] },
  });
  api.seed(ENDPOINT_SLICES, {
    metadata: {
      namespace: 'shop',
      name: 'web-west',
      labels: { 'kubernetes.io/service-name': 'web-west' },
      annotations: { 'mirror.linkerd.io/remote-gateway-identity': 'gateway' },
    },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['192.0.2.1'] }],
  });
  return api;
}

async function subjectIn(api: FakeApi): Promise<Diagnosed> {
  const found = await linkFor(api.client(), { namespace: 'shop', name: 'web', from: undefined });
  return { namespace: 'shop', name: 'web', link: found, extensionNamespace: MC };
}

async function diagnose(there: FakeApi, here: FakeApi) {
  const category = diagnosisCategory(await subjectIn(here), stateOf(here), stateOf(there), undefined);
  return run([category]);
}

test('every step of a Service that works passes, and says what it found', async () => {
  const outcomes = await diagnose(exporter(), await importer());
  assert.deepEqual(failures(outcomes), []);
  assert.equal(outcomes[0]?.checks.length, 6);
  assert.equal(outcomeOf(outcomes, 'cluster west exports shop/web')?.detail, 'as gateway');
  assert.equal(outcomeOf(outcomes, 'shop/web is mirrored here')?.detail, 'as Service shop/web-west');
  const here = await importer();
  assert.equal(await localUrl(await subjectIn(here), stateOf(here)), 'http://web-west.shop.svc.cluster.local:80/');
});

const BROKEN: readonly {
  readonly name: string;
  readonly there?: (api: FakeApi) => void;
  readonly here?: (api: FakeApi) => void;
  readonly says: RegExp;
}[] = [
  {
    name: 'a Service that is not exported',
    there: (api) =>
      edit(api, SERVICES, 'shop/web', ({ metadata, ...rest }) => ({ ...rest, metadata: { ...metadata, labels: {} } })),
    says: /cluster west exports shop\/web: Service shop\/web is not exported: mesh multicluster export shop\/web/,
  },
  {
    name: 'a policy that leaves the peer out',
    there: (api) => {
      edit(api, EXPORTED_SERVICES, `${MC}/web.shop`, (object) => ({
        ...object,
        spec: { ...object.spec, service: { namespace: 'shop', name: 'other' } },
      }));
      api.seed(EXPORT_POLICIES, { metadata: { namespace: 'shop', name: 'some' }, spec: { clusters: ['north'] } });
    },
    says: /shows shop\/web to this one: ExportPolicy some of namespace shop does not show it to peer east: add east to spec\.clusters/,
  },
  {
    name: 'no ready pod',
    there: (api) =>
      edit(api, EXPORTED_SERVICES, `${MC}/web.shop`, (object) => ({
        ...object,
        spec: { ...object.spec, ready: false },
      })),
    says: /no ready endpoint there: look at the pods behind Service shop\/web/,
  },
  {
    name: 'a Link whose credentials are refused',
    here: (api) => conditions(api, [bad('CredentialsValid', 'refused'), bad('GatewayAlive', 'down')]),
    says: /^error: the Link to west works: CredentialsValid: refused$/,
  },
  {
    name: 'a mirror that cannot be made',
    here: (api) =>
      edit(api, LINKS, `${MC}/west`, (object) => ({
        ...object,
        status: {
          ...object.status,
          mirrorServices: (object.status?.mirrorServices ?? []).map((item) => ({
            ...item,
            conditions: [bad('Mirrored', 'namespace shop does not exist')],
          })),
        },
      })),
    says: /shop\/web is mirrored here: Mirrored: namespace shop does not exist/,
  },
  {
    name: 'a gateway that is down',
    here: (api) => conditions(api, [good('Valid'), bad('GatewayAlive', 'connection refused')]),
    says: /the gateway of west is alive: connection refused/,
  },
  {
    name: 'endpoints that are not ready',
    here: (api) =>
      edit(api, ENDPOINT_SLICES, 'shop/web-west', (slice) => ({
        ...slice,
        endpoints: [{ addresses: ['192.0.2.1'], conditions: { ready: false } }],
      })),
    says: /none of its 1 endpoints is ready/,
  },
];

function conditions(api: FakeApi, list: readonly ReturnType<typeof good | typeof bad>[]): void {
  edit(api, LINKS, `${MC}/west`, (object) => ({ ...object, status: { ...object.status, conditions: list } }));
}

for (const { name, there, here, says } of BROKEN) {
  test(`the first broken step is named: ${name}`, async () => {
    const [west, east] = [exporter(), await importer()];
    there?.(west);
    here?.(east);
    const [first, ...others] = failures(await diagnose(west, east));
    assert.match(first ?? '', says);
    assert.deepEqual(others, []);
  });
}

const BY_LABELS = [
  {
    kind: 'mirror',
    ...MIRROR_OF_WEST,
  },
  {
    kind: 'federated Service',
    labels: MIRRORED,
    annotations: { 'multicluster.linkerd.io/remote-discovery': 'web@north,web@west' },
  },
];

for (const { kind, labels, annotations } of BY_LABELS) {
  test(`a ${kind} that the Link's status does not tell of yet is found, and is what a request goes to`, async () => {
    const here = await importer();
    edit(here, LINKS, `${MC}/west`, (object) => ({ ...object, status: { ...object.status, mirrorServices: [] } }));
    edit(here, SERVICES, 'shop/web-west', (service) => ({
      ...service,
      metadata: { ...service.metadata, labels, annotations },
    }));
    here.seed(SERVICES, {
      metadata: {
        namespace: 'shop',
        name: 'web-north',
        labels: { ...MIRRORED, 'mirror.linkerd.io/cluster-name': 'north' },
        annotations: { 'mirror.linkerd.io/remote-svc-fq-name': 'web.shop.svc.cluster.local' },
      },
    });
    const outcomes = await diagnose(exporter(), here);
    assert.deepEqual(failures(outcomes), []);
    assert.equal(outcomeOf(outcomes, 'shop/web is mirrored here')?.detail, 'as Service shop/web-west');
    assert.equal(await localUrl(await subjectIn(here), stateOf(here)), 'http://web-west.shop.svc.cluster.local:80/');
  });
}

test('which Link is meant is asked for when there are several', async () => {
  const api = await importer();
  api.seed(LINKS, link('north'));
  const ask = (name: string, from?: string) => linkFor(api.client(), { namespace: 'shop', name, from });
  assert.equal((await ask('web')).metadata.name, 'west');
  await assert.rejects(ask('other'), /choose one with --from: north, west/);
  assert.equal((await ask('other', 'north')).metadata.name, 'north');
  await assert.rejects(ask('web', 'south'), /--from south: no such Link; Links here: north, west/);
});
