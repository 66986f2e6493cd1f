import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import {
  CONFIG_MAPS,
  CUSTOM_RESOURCE_DEFINITIONS,
  DEPLOYMENTS,
  ENDPOINT_SLICES,
  LINKS,
  NAMESPACES,
  SECRETS,
  SERVICE_IMPORTS,
  SERVICES,
} from '@mesh/kube';
import type { Condition } from '@mesh/kube';
import type { FakeApi } from '@mesh/kube/testing';
import { edit, failures, installedCluster, outcomeOf, run, stateOf } from '../testing/installed-cluster.ts';
import { MESH_VERSION } from '../version.ts';
import { parseManifests } from '../yaml.ts';
import { extensionCategories } from './extensions.ts';
import { mirrorRights, multiclusterCategory } from './multicluster.ts';
import { missingRights } from './rbac.ts';
import type { RbacRule } from './rbac.ts';

const NS = 'linkerd-multicluster';
const LINK = `${NS}/west`;

async function problem(api: FakeApi, description: string): Promise<string | undefined> {
  return outcomeOf(await run([multiclusterCategory(stateOf(api))]), description)?.error;
}

function condition(type: string, status: 'True' | 'False', reason: string, message: string): Condition {
  return { type, status, reason, message, lastTransitionTime: '2026-01-01T00:00:00Z' };
}

async function linked(): Promise<FakeApi> {
  const api = await installedCluster();
  api.seed(NAMESPACES, { metadata: { name: NS, labels: { 'linkerd.io/extension': 'multicluster' } } });
  api.seed(LINKS, {
    metadata: { namespace: NS, name: 'west', annotations: { 'linkerd.io/created-by': `linkerd/cli ${MESH_VERSION}` } },
    spec: {
      targetClusterName: 'west',
      targetClusterDomain: 'cluster.local',
      clusterCredentialsSecret: 'cluster-credentials-west',
      gatewayAddress: '10.9.0.1',
    },
    status: { conditions: [condition('GatewayAlive', 'True', 'Alive', '')] },
  });
  api.seed(SECRETS, { metadata: { namespace: NS, name: 'cluster-credentials-west' } });
  api.seed(DEPLOYMENTS, {
    metadata: { namespace: NS, name: 'linkerd-service-mirror', labels: { component: 'linkerd-service-mirror' } },
    spec: { template: { spec: { containers: [], serviceAccountName: 'linkerd-service-mirror' } } },
    status: { availableReplicas: 1 },
  });
  api.seed(SERVICES, {
    metadata: {
      namespace: 'shop',
      name: 'web-west',
      labels: { 'mirror.linkerd.io/mirrored-service': 'true', 'mirror.linkerd.io/cluster-name': 'west' },
    },
  });
  api.seed(ENDPOINT_SLICES, {
    metadata: { namespace: 'shop', name: 'web-west', labels: { 'kubernetes.io/service-name': 'web-west' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.9.0.1'] }],
  });
  return api;
}

test('a federation that works passes, and one without Links has nothing to check', async () => {
  const api = await linked();
  assert.deepEqual(failures(await run([multiclusterCategory(stateOf(api))])), []);
  api.remove(LINKS, LINK);
  api.remove(SERVICES, 'shop/web-west');
  const [outcome] = await run([multiclusterCategory(stateOf(api))]);
  assert.deepEqual(
    outcome?.checks.map((check) => [check.description, check.result]),
    [
      ['Link CRD exists', 'success'],
      ['all mirror services are part of a Link', 'success'],
    ],
  );
});

test('each thing that a Link needs is named when it is missing', async () => {
  const api = await linked();
  api.remove(SECRETS, `${NS}/cluster-credentials-west`);
  assert.equal(
    await problem(api, 'remote cluster access credentials are valid'),
    `Link west: Secret ${NS}/cluster-credentials-west is missing`,
  );
  edit(api, LINKS, LINK, (it) => ({ ...it, metadata: { ...it.metadata, annotations: {} } }));
  assert.match((await problem(api, 'Link and CLI versions match')) ?? '', /Link west: made by an unknown version/);
  edit(api, DEPLOYMENTS, `${NS}/linkerd-service-mirror`, (it) => ({ ...it, status: { availableReplicas: 0 } }));
  assert.match((await problem(api, 'service mirror controller is running')) ?? '', /has 0 of 1 replicas available/);
  api.remove(DEPLOYMENTS, `${NS}/linkerd-service-mirror`);
  assert.match((await problem(api, 'service mirror controller is running')) ?? '', /linkerd-service-mirror is missing/);
  edit(api, LINKS, LINK, (it) => ({ ...it, spec: { ...it.spec, targetClusterDomain: '' } }));
  assert.equal(await problem(api, 'Link resources are valid'), 'Link west: spec.targetClusterDomain is empty');
  api.remove(CUSTOM_RESOURCE_DEFINITIONS, 'links.multicluster.linkerd.io');
  assert.match((await problem(api, 'Link CRD exists')) ?? '', /links\.multicluster\.linkerd\.io is missing/);
});

test('what the mirror controller found is told in its own words', async () => {
  const api = await linked();
  edit(api, LINKS, LINK, (it) => ({
    ...it,
    status: {
      conditions: [
        condition('CredentialsValid', 'False', 'Unauthorized', 'the token was refused'),
        condition('TrustAnchorsShared', 'False', 'NoCommonAnchor', 'no anchor in common'),
        condition('GatewayAlive', 'False', 'Dead', 'refused'),
      ],
    },
  }));
  assert.equal(await problem(api, 'remote cluster access credentials are valid'), 'Link west: the token was refused');
  assert.equal(await problem(api, 'clusters share trust anchors'), 'Link west: no anchor in common');
  assert.equal(await problem(api, 'all gateways are alive'), 'gateway of west does not answer probes');
});

test('rights that the mirror controller lacks are named', async () => {
  const api = await linked();
  const description = 'service mirror controller has required permissions';
  api.onRaw((path, request) => {
    if (!path.endsWith('/subjectaccessreviews')) return undefined;
    const { resource } = (request.body as { spec: { resourceAttributes: { resource: string } } }).spec
      .resourceAttributes;
    return { status: 201, text: JSON.stringify({ status: { allowed: resource !== 'leases' } }) };
  });
  assert.equal(
    await problem(api, description),
    `service account ${NS}/linkerd-service-mirror may not get leases in ${NS}, create leases in ${NS}, update leases in ${NS}`,
  );
  api.onRaw((path) => (path.endsWith('/subjectaccessreviews') ? { status: 403, text: '' } : undefined));
  assert.equal(outcomeOf(await run([multiclusterCategory(stateOf(api))]), description), undefined);
});

test('what the extension grants is what the check asks for', async () => {
  const text = await readFile(new URL('../golden/multicluster-install.yaml', import.meta.url), 'utf8');
  const granted = parseManifests(text)
    .filter((object) => object.kind.endsWith('Role') && /service-mirror/.test(object.metadata.name ?? ''))
    .flatMap((object) => object['rules'] as readonly RbacRule[]);
  const wanted = mirrorRights(NS).map(({ group, resource, subresource, verb }) => ({
    apiGroups: [group],
    resources: [subresource === undefined ? resource : `${resource}/${subresource}`],
    verbs: [verb],
  }));
  assert.deepEqual(missingRights(wanted, granted), []);
});

test('mirrors without endpoints, orphans and controllers of old are named', async () => {
  const api = await linked();
  api.remove(ENDPOINT_SLICES, 'shop/web-west');
  assert.equal(
    await problem(api, 'all mirror services have endpoints'),
    'service shop/web-west mirrored from west has no endpoints',
  );
  api.seed(DEPLOYMENTS, {
    metadata: {
      namespace: NS,
      name: 'linkerd-service-mirror-west',
      labels: { component: 'linkerd-service-mirror', 'mirror.linkerd.io/cluster-name': 'west' },
    },
    spec: { template: { spec: { containers: [] } } },
  });
  assert.match(
    (await problem(api, 'extension is managing controllers')) ?? '',
    /linkerd-service-mirror-west is a controller/,
  );
  edit(api, SERVICES, 'shop/web-west', (it) => ({
    ...it,
    metadata: {
      ...it.metadata,
      labels: { 'mirror.linkerd.io/mirrored-service': 'true', 'mirror.linkerd.io/cluster-name': 'gone' },
    },
  }));
  assert.equal(
    await problem(api, 'all mirror services are part of a Link'),
    'mirror service shop/web-west belongs to no Link',
  );
});

test('installed extensions are found; chosen ones that are missing or unknown are warned of', async () => {
  const api = await linked();
  const names = async (chosen?: readonly string[]) =>
    (await extensionCategories(stateOf(api), chosen)).map((category) => category.name);
  assert.deepEqual(await names(), ['linkerd-extension-checks', 'linkerd-multicluster']);
  assert.deepEqual(await names([]), []);
  const outcomes = await run(await extensionCategories(stateOf(api), ['viz']));
  assert.deepEqual(failures(outcomes), [
    'warning: namespace configuration for extensions: no namespace has label linkerd.io/extension=viz',
    'warning: checks of all extensions are known: this CLI has no checks for extension viz; run mesh NAME check',
  ]);
  api.seed(NAMESPACES, { metadata: { name: 'second', labels: { 'linkerd.io/extension': 'multicluster' } } });
  assert.match(
    failures(await run(await extensionCategories(stateOf(api), undefined)))[0] ?? '',
    /several namespaces .* linkerd-multicluster, second/,
  );
});

test('the name server of imported Services must run, and CoreDNS must know its address', async () => {
  const api = await linked();
  const labels = { component: 'linkerd-clusterset-dns' };
  const metadata = { namespace: NS, name: 'linkerd-clusterset-dns', labels };
  const isRunning = () => problem(api, 'name server of clusterset.local is running');
  const isForwarded = () => problem(api, 'CoreDNS forwards clusterset.local');
  api.seed(DEPLOYMENTS, {
    metadata,
    spec: { template: { spec: { containers: [] } } },
    status: { availableReplicas: 0 },
  });
  api.seed(SERVICES, { metadata, spec: { clusterIP: '10.96.0.7' } });
  assert.match((await isRunning()) ?? '', /linkerd-clusterset-dns has 0 of 1 replicas available/);
  edit(api, DEPLOYMENTS, `${NS}/linkerd-clusterset-dns`, (it) => ({ ...it, status: { availableReplicas: 1 } }));
  assert.equal(await isRunning(), undefined);
  const corefile = (Corefile: string) =>
    api.seed(CONFIG_MAPS, { metadata: { namespace: 'kube-system', name: 'coredns' }, data: { Corefile } });
  corefile('.:53 {\n}\n');
  assert.equal(await isForwarded(), undefined, 'nobody imports anything');
  api.seed(SERVICE_IMPORTS, {
    metadata: { namespace: 'shop', name: 'web' },
    spec: { type: 'ClusterSetIP', ports: [] },
  });
  assert.match((await isForwarded()) ?? '', /has no block for clusterset\.local: mesh multicluster dns/);
  corefile('clusterset.local {\n    forward . 10.96.0.1\n}\n');
  assert.match((await isForwarded()) ?? '', /to 10\.96\.0\.1, and service .* has 10\.96\.0\.7/);
  corefile('clusterset.local {\n    forward . 10.96.0.7\n}\n');
  assert.equal(await isForwarded(), undefined);
});
