import assert from 'node:assert/strict';
import test from 'node:test';
import { LINKS, PODS, SECRETS, SERVICES } from '@mesh/kube';
import { multiclusterManifests } from '../manifests/multicluster.ts';
import { defaultMulticlusterValues, highAvailabilityMulticluster } from '../values/multicluster.ts';
import type { MulticlusterValues } from '../values/multicluster.ts';
import { CLI_VERSION } from '../values/installed.ts';
import { matchGolden, mesh } from '../testing/harness.ts';
import { installed, link, MC } from '../testing/multicluster-cluster.ts';
import { parseManifests, printManifests } from '../yaml.ts';

function fixedValues(): MulticlusterValues {
  return {
    ...defaultMulticlusterValues(),
    cliVersion: CLI_VERSION,
    installNamespace: true,
    identityTrustAnchorsPEM: 'ANCHORS\n',
  };
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

test('proxy-metrics of something that is not meshed says so', async () => {
  const api = installed();
  api.seed(PODS, { metadata: { namespace: 'shop', name: 'plain' }, spec: { containers: [{ name: 'app' }] } });
  const { code, stderr } = await mesh('diagnostics proxy-metrics -n shop pod/plain', { api });
  assert.equal(code, 1);
  assert.match(stderr, /no running pod of pod\/plain/);
});

function condition(type: string, status: 'True' | 'False') {
  return {
    type,
    status,
    reason: 'Test',
    message: 'as the test says',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  } as const;
}
