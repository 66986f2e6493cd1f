import assert from 'node:assert/strict';
import test from 'node:test';
import { CONFIG_MAPS, LINKS, PODS, SECRETS, SERVICES } from '@mesh/kube';
import type { Link } from '@mesh/kube';
import { FakeApi } from '@mesh/kube/testing';
import { multiclusterManifests } from '../manifests/multicluster.ts';
import { defaultMulticlusterValues, highAvailabilityMulticluster } from '../values/multicluster.ts';
import type { MulticlusterValues } from '../values/multicluster.ts';
import { CLI_VERSION } from '../values/installed.ts';
import { matchGolden, mesh } from '../testing/harness.ts';
import { parseManifests, printManifests } from '../yaml.ts';

const MC = 'linkerd-multicluster';

function fixedValues(): MulticlusterValues {
  return {
    ...defaultMulticlusterValues(),
    cliVersion: CLI_VERSION,
    installNamespace: true,
    identityTrustAnchorsPEM: 'ANCHORS\n',
  };
}

/** A cluster with the control plane, the extension, and a gateway that has an address. */
function installed(options: { readonly ingress?: boolean } = {}): FakeApi {
  const api = new FakeApi();
  api.seed(CONFIG_MAPS, {
    metadata: { namespace: 'linkerd', name: 'linkerd-config' },
    data: { values: 'clusterDomain: west.local\nidentityTrustDomain: mesh.example\nlinkerdVersion: 0.1.0\n' },
  });
  api.seed(CONFIG_MAPS, {
    metadata: { namespace: 'linkerd', name: 'linkerd-identity-trust-roots' },
    data: { 'ca-bundle.crt': 'ANCHORS\n' },
  });
  api.seed(SECRETS, {
    metadata: { namespace: MC, name: 'linkerd-service-mirror-remote-access-default-token' },
    data: { token: Buffer.from('TOKEN').toString('base64'), 'ca.crt': Buffer.from('CA\n').toString('base64') },
  });
  api.seed(SERVICES, {
    metadata: {
      namespace: MC,
      name: 'linkerd-gateway',
      annotations: {
        'mirror.linkerd.io/gateway-identity':
          'linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.mesh.example',
        'mirror.linkerd.io/probe-path': '/ready',
        'mirror.linkerd.io/probe-period': '3',
      },
    },
    spec: {
      type: 'LoadBalancer',
      ports: [
        { name: 'mc-gateway', port: 4143 },
        { name: 'mc-probe', port: 4191 },
      ],
    },
    status:
      options.ingress === false
        ? {}
        : { loadBalancer: { ingress: [{ ip: '198.51.100.7' }, { hostname: 'gw.example' }] } },
  });
  return api;
}

test('the default manifests are the golden ones', () =>
  matchGolden('multicluster-install.yaml', printManifests(multiclusterManifests(fixedValues(), MC))));

test('the high availability manifests are the golden ones', () =>
  matchGolden(
    'multicluster-install-ha.yaml',
    printManifests(multiclusterManifests(highAvailabilityMulticluster(fixedValues()), MC)),
  ));

test('install takes domains and anchors from the control plane that is there', async () => {
  const { code, stdout } = await mesh('multicluster install', { api: installed() });
  assert.equal(code, 0);
  assert.match(
    stdout,
    /gateway-identity: linkerd-gateway\.linkerd-multicluster\.serviceaccount\.identity\.linkerd\.mesh\.example/,
  );
  assert.match(stdout, /linkerd-identity-headless\.linkerd\.svc\.west\.local\.:8080/);
  assert.match(stdout, /ANCHORS/);
});

test('install without a control plane says so', async () => {
  const { code, stderr } = await mesh('mc install');
  assert.equal(code, 1);
  assert.match(stderr, /no control plane in namespace linkerd/);
});

test('--gateway=false leaves the gateway out', async () => {
  const { stdout } = await mesh('mc install --gateway=false', { api: installed() });
  assert.doesNotMatch(stdout, /mc-gateway/);
  assert.match(stdout, /linkerd-service-mirror/);
});

test('link prints credentials and a Link', async () => {
  const { code, stdout } = await mesh('multicluster link --cluster-name west', { api: installed() });
  assert.equal(code, 0);
  await matchGolden('link.yaml', stdout);
});

test('link and link-gen print the same', async () => {
  const api = installed();
  const [link, gen] = await Promise.all([
    mesh('mc link --cluster-name west', { api }),
    mesh('mc link-gen --cluster-name west', { api }),
  ]);
  assert.equal(link.stdout, gen.stdout);
});

test('link refuses a gateway without address and says what to do', async () => {
  const { code, stderr, stdout } = await mesh('mc link --cluster-name west', { api: installed({ ingress: false }) });
  assert.equal(code, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /linkerd-multicluster\/linkerd-gateway .*--gateway-addresses/);
});

test('link without gateway has no selector for exported services', async () => {
  const { stdout } = await mesh('mc link --cluster-name west --gateway=false', { api: installed({ ingress: false }) });
  const link = parseManifests(stdout).find((object) => object.kind === 'Link') as unknown as Link;
  assert.equal(link.spec.selector, undefined);
  assert.equal(link.spec.gatewayAddress, undefined);
});

test('link names the account that is missing', async () => {
  const { code, stderr } = await mesh('mc link --cluster-name west --service-account-name nobody', {
    api: installed(),
  });
  assert.equal(code, 1);
  assert.match(stderr, /mesh multicluster allow --service-account-name nobody/);
});

test('link refuses names that cannot be part of a Service name', async () => {
  const { code, stderr } = await mesh('mc link --cluster-name West_1', { api: installed() });
  assert.equal(code, 1);
  assert.match(stderr, /--cluster-name West_1/);
});

test('link refuses a selector that is none', async () => {
  const { code, stderr } = await mesh(['mc', 'link', '--cluster-name', 'west', '-l', 'a=b,??'], { api: installed() });
  assert.equal(code, 1);
  assert.match(stderr, /--selector a=b,\?\?/);
});

test('unlink prints the Link before its credentials', async () => {
  const api = installed();
  api.seed(LINKS, link('west'));
  for (const namespace of [MC, 'linkerd']) {
    api.seed(SECRETS, { metadata: { namespace, name: 'cluster-credentials-west' } });
  }
  const { stdout } = await mesh('mc unlink --cluster-name west', { api });
  assert.deepEqual(
    parseManifests(stdout).map((object) => `${object.kind} ${object.metadata.namespace}/${object.metadata.name}`),
    [
      'Link linkerd-multicluster/west',
      'Secret linkerd-multicluster/cluster-credentials-west',
      'Secret linkerd/cluster-credentials-west',
    ],
  );
});

test('unlink of an unknown cluster names the known ones', async () => {
  const api = installed();
  api.seed(LINKS, link('west'));
  const { code, stderr } = await mesh('mc unlink --cluster-name wset', { api });
  assert.equal(code, 1);
  assert.match(stderr, /Links there: west/);
});

test('uninstall is refused while there are Links', async () => {
  const api = installed();
  api.seed(LINKS, link('west'));
  const { code, stderr, stdout } = await mesh('mc uninstall', { api });
  assert.equal(code, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /Links still: west/);
});

test('gateways counts mirrors and reads liveness from the Link when there are no metrics', async () => {
  const api = installed();
  api.seed(LINKS, { ...link('west'), status: { conditions: [condition('GatewayAlive', 'True')] } });
  api.seed(LINKS, { ...link('north'), status: { conditions: [condition('GatewayAlive', 'False')] } });
  for (const name of ['catalog-west', 'cart-west']) {
    api.seed(SERVICES, {
      metadata: {
        namespace: 'shop',
        name,
        labels: { 'mirror.linkerd.io/mirrored-service': 'true', 'mirror.linkerd.io/cluster-name': 'west' },
      },
    });
  }
  const { stdout } = await mesh('mc gateways', { api });
  assert.equal(
    stdout,
    [
      'CLUSTER  ALIVE  NUM_SVC  LATENCY',
      'north    False        0        -',
      'west     True         2        -',
      '',
    ].join('\n'),
  );
  const json = await mesh('mc gateways -o json', { api });
  assert.deepEqual(JSON.parse(json.stdout), [
    { clusterName: 'north', alive: false, numberOfServices: 0 },
    { clusterName: 'west', alive: true, numberOfServices: 2 },
  ]);
});

test('check fails with the controller words when a Link condition is bad, and exits 1', async () => {
  const api = installed();
  api.seed(LINKS, {
    ...link('west'),
    status: {
      conditions: [
        {
          ...condition('RemoteReachable', 'False'),
          message: 'https://10.0.0.9:6443 does not answer; check the address',
        },
      ],
    },
  });
  const { code, stdout } = await mesh('mc check --wait 0', { api });
  assert.equal(code, 1);
  assert.match(stdout, /×/);
  assert.match(stdout, /Status check results are ×/);
});

test('allow prints one account with its own binding', async () => {
  const { stdout } = await mesh('mc allow --service-account-name east-access', { api: installed() });
  const objects = parseManifests(stdout);
  assert.deepEqual(
    objects.map((object) => object.kind),
    ['ServiceAccount', 'Secret', 'ClusterRole', 'ClusterRoleBinding'],
  );
  assert.ok(objects.every((object) => object.metadata.name?.includes('east-access')));
});

test('proxy-metrics of something that is not meshed says so', async () => {
  const api = installed();
  api.seed(PODS, { metadata: { namespace: 'shop', name: 'plain' }, spec: { containers: [{ name: 'app' }] } });
  const { code, stderr } = await mesh('diagnostics proxy-metrics -n shop pod/plain', { api });
  assert.equal(code, 1);
  assert.match(stderr, /no running pod of pod\/plain/);
});

function link(name: string): Link {
  return {
    metadata: { namespace: MC, name },
    spec: {
      targetClusterName: name,
      targetClusterDomain: 'cluster.local',
      clusterCredentialsSecret: `cluster-credentials-${name}`,
      gatewayAddress: '198.51.100.7',
      gatewayPort: '4143',
    },
  };
}

function condition(type: string, status: 'True' | 'False') {
  return {
    type,
    status,
    reason: 'Test',
    message: 'as the test says',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  } as const;
}
