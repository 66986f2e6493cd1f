/** Names of imported Services, as pods resolve them: pod, the cluster's resolver, the name server, ServiceImports and slices. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ENDPOINT_SLICES, NAMESPACES, SERVICE_IMPORTS } from '@mesh/kube';
import type { CliResult, Home, HomeCluster } from '../../scripts/home/home.ts';
import { MC_NAMESPACE } from '../../scripts/home/install-mesh.ts';
import { podsOf } from '../../scripts/home/rollout.ts';
import { until } from '../../scripts/home/wait.ts';
import { openHome } from './homes.ts';

const NAMESPACE = 'names';
const ADDRESS = '192.0.2.10';

describe('names of imported Services', () => {
  let home: Home;
  let cluster: HomeCluster;
  before(async () => {
    home = await openHome();
    cluster = home.cluster('east');
    await cluster.client.create(NAMESPACES, { metadata: { name: NAMESPACE } });
    await cluster.client.create(SERVICE_IMPORTS, {
      metadata: { namespace: NAMESPACE, name: 'web' },
      spec: { type: 'ClusterSetIP', ports: [{ name: 'http', protocol: 'TCP', port: 80 }], ips: [ADDRESS] },
    });
  });
  after(async () => {
    await cluster?.client.delete(NAMESPACES, { name: NAMESPACE });
    await home?.[Symbol.asyncDispose]();
  });

  const check = (service: string): Promise<CliResult> =>
    cluster.mesh(['multicluster', 'dns', '--check', '--service', `${NAMESPACE}/${service}`]);

  test('pods resolve them through the resolver that every pod has', async () => {
    const { code, stdout, stderr } = await check('web');
    assert.equal(code, 0, stderr);
    assert.equal(
      stdout,
      `dns-version.clusterset.local TXT 1.0.0\nweb.${NAMESPACE}.svc.clusterset.local A ${ADDRESS}\n`,
    );
  });

  test('configuring the resolver again changes nothing', async () => {
    const printed = async (): Promise<string> => (await cluster.mesh(['multicluster', 'dns'])).stdout;
    const first = await printed();
    assert.match(first, /clusterset\.local:53 \{/);
    await cluster.apply(first);
    assert.equal(await printed(), first);
  });

  test('several hundred endpoints of a headless Service reach a pod, over TCP', async () => {
    const { client } = cluster;
    await client.create(SERVICE_IMPORTS, {
      metadata: { namespace: NAMESPACE, name: 'many' },
      spec: { type: 'Headless', ports: [{ name: 'http', protocol: 'TCP', port: 80 }] },
    });
    const addresses = Array.from({ length: 300 }, (_each, index) => `198.18.${index >> 8}.${index & 255}`);
    await client.create(ENDPOINT_SLICES, {
      metadata: {
        namespace: NAMESPACE,
        name: 'many-west',
        labels: {
          'multicluster.kubernetes.io/service-name': 'many',
          'multicluster.kubernetes.io/source-cluster': 'west',
          'endpointslice.kubernetes.io/managed-by': 'test.mesh.dev',
        },
      },
      addressType: 'IPv4',
      endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
      ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    });
    const { code, stdout, stderr } = await check('many');
    assert.equal(code, 0, stderr);
    const found =
      stdout
        .split('\n')
        .find((line) => line.startsWith('many.'))
        ?.split(' ')
        .slice(2) ?? [];
    assert.deepEqual(found.toSorted(), addresses.toSorted());
  });

  test('a name that is not imported is told as such', async () => {
    const { code, stderr } = await check('nobody');
    assert.equal(code, 1);
    assert.match(stderr, /no ServiceImport of that name/);
  });

  test('they come back by themselves after the name server died', async () => {
    const server = async () => (await podsOf(cluster.client, MC_NAMESPACE, 'component=linkerd-clusterset-dns'))[0];
    const pod = (await server()) ?? assert.fail('no pod');
    const restarts = (found: Awaited<ReturnType<typeof server>>): number =>
      found?.status?.containerStatuses?.[0]?.restartCount ?? 0;
    const before = restarts(pod);
    await cluster.killContainer({ namespace: MC_NAMESPACE, name: pod.metadata.name }, 'dns', 'SIGKILL');
    await until('the restart', async () => restarts(await server()) > before, { timeoutMs: 60_000 });
    const { code, stderr } = await check('web');
    assert.equal(code, 0, stderr);
  });
});
