/** A whole cluster with real processes. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { silentLogger } from '@mesh/runtime';
import type { Cluster } from '../src/index.ts';
import { DnsServer } from '../src/pod-net/dns-server.ts';
import {
  apiGet,
  APP,
  APPS,
  at,
  body,
  CORE,
  deployment,
  eventually,
  injected,
  podsOf,
  readyEndpoints,
  service,
  testCluster,
} from './support.ts';

async function readyService(cluster: Cluster, name: string, count: number): Promise<string> {
  await eventually(
    `${name} has ${count} endpoints`,
    async () => (await readyEndpoints(cluster, name)).length === count,
  );
  const object = await cluster.client.get(CORE('services'), 'default', name);
  return String(at(object, 'spec', 'clusterIP'));
}

/** Ready endpoints say what the API knows; the node forwards to them a moment later, as on any cluster. */
function served(ip: string, port: number): Promise<string> {
  return eventually(`${ip}:${port} is served`, () => body(ip, port));
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('a cluster', { concurrency: false }, () => {
  let cluster: Cluster;
  let http80 = 80;
  before(async () => {
    cluster = await testCluster();
    http80 = cluster.reachablePort(80);
  });
  after(() => cluster.stop());

  test('has its namespaces, a node, a service account and a CA in each namespace', async () => {
    const { client } = cluster;
    await eventually('content of default', () => client.get(CORE('serviceaccounts'), 'default', 'default'));
    await eventually('CA', () => client.get(CORE('configmaps'), 'kube-system', 'kube-root-ca.crt'));
    const node = await client.get(CORE('nodes'), undefined, 'test-node');
    assert.equal(node.metadata.labels?.['topology.kubernetes.io/zone'], 'test-a');
    await client.get({ group: 'coordination.k8s.io', version: 'v1', plural: 'leases' }, 'kube-node-lease', 'test-node');
  });

  test('runs a Deployment behind ClusterIP, LoadBalancer and node port', async () => {
    const { client } = cluster;
    const created = performance.now();
    await client.create(APPS('deployments'), deployment('web', 2, { containers: [APP] }));
    await client.create(CORE('services'), service('web', { type: 'LoadBalancer' }));
    await eventually('first process', async () => cluster.processes().some((each) => each.container === 'app'));
    assert.ok(performance.now() - created < 5000, `first process after ${performance.now() - created} ms`);
    const clusterIp = await readyService(cluster, 'web', 2);
    const seen = new Set<string>();
    await served(clusterIp, http80);
    for (let i = 0; i < 4; i += 1) seen.add(await body(clusterIp, http80));
    assert.equal(seen.size, 2);
    const object = await eventually('balancer address', async () => {
      const got = await client.get(CORE('services'), 'default', 'web');
      return at(got, 'status', 'loadBalancer', 'ingress', 0, 'ip') === undefined ? undefined : got;
    });
    assert.match(await served(String(at(object, 'status', 'loadBalancer', 'ingress', 0, 'ip')), http80), /^web-/);
    assert.match(await served(cluster.addresses.nodeIp, Number(at(object, 'spec', 'ports', 0, 'nodePort'))), /^web-/);
    const status = await eventually('available', async () => {
      const got = await client.get(APPS('deployments'), 'default', 'web');
      return at(got, 'status', 'availableReplicas') === 2 ? got : undefined;
    });
    const conditions = at(status, 'status', 'conditions') as { type: string; reason: string }[];
    assert.deepEqual(conditions.map((each) => each.reason).toSorted(), [
      'MinimumReplicasAvailable',
      'NewReplicaSetAvailable',
    ]);
  });

  test('takes a dead process out of the endpoints at once and restarts it', async () => {
    const [first] = cluster.processes().filter((each) => each.pod.startsWith('web-'));
    assert.ok(first);
    const killed = performance.now();
    cluster.killContainer('default', first.pod, 'app');
    await eventually('endpoint gone', async () => (await readyEndpoints(cluster, 'web')).length === 1);
    const took = performance.now() - killed;
    assert.ok(took < 2000, `endpoint removed after ${took} ms`);
    await readyService(cluster, 'web', 2);
    const pod = await cluster.client.get(CORE('pods'), 'default', first.pod);
    assert.equal(at(pod, 'status', 'containerStatuses', 0, 'restartCount'), 1);
    assert.equal(at(pod, 'status', 'containerStatuses', 0, 'lastState', 'terminated', 'exitCode'), 137);
    assert.equal(at(pod, 'status', 'phase'), 'Running');
  });

  test('rolls a Deployment over without losing a request', async () => {
    const clusterIp = await readyService(cluster, 'web', 2);
    const old = (await podsOf(cluster, 'web')).map((pod) => pod.metadata.name);
    await cluster.client.patch(APPS('deployments'), 'default', 'web', {
      type: 'merge',
      body: { spec: { template: { metadata: { annotations: { restarted: 'now' } } } } },
    });
    let failures = 0;
    await eventually('rolled over', async () => {
      await body(clusterIp, http80).catch(() => (failures += 1));
      const pods = await podsOf(cluster, 'web');
      return pods.length === 2 && pods.every((pod) => !old.includes(pod.metadata.name));
    });
    assert.equal(failures, 0);
  });

  test('sends the traffic of an injected pod through its sidecar, probes included', async () => {
    const { client } = cluster;
    await client.create(APPS('deployments'), deployment('meshed', 1, injected([APP])));
    await client.create(CORE('services'), service('meshed'));
    const clusterIp = await readyService(cluster, 'meshed', 1);
    assert.match(await served(clusterIp, http80), /^meshed-/);
    assert.match(await body(clusterIp, http80, '/call?url=http://web/'), /^web-/);
    const [pod] = await podsOf(cluster, 'meshed');
    const name = pod?.metadata.name ?? '';
    const log = await apiGet(cluster, `/api/v1/namespaces/default/pods/${name}/log?container=linkerd-proxy`);
    const lines = log
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const web = await client.get(CORE('services'), 'default', 'web');
    assert.ok(
      lines.some(
        (line) =>
          line['direction'] === 'outbound' && line['address'] === at(web, 'spec', 'clusterIP') && line['port'] === 80,
      ),
    );
    assert.ok(
      lines.some(
        (line) =>
          line['direction'] === 'inbound' && line['port'] === 8080 && line['remote'] === cluster.addresses.nodeIp,
      ),
    );
    assert.deepEqual(
      (at(pod, 'status', 'initContainerStatuses') as { ready: boolean }[]).map((each) => each.ready),
      [true, true],
    );
    cluster.killContainer('default', name, 'linkerd-proxy');
    await eventually('heals', async () => {
      const again = await client.get(CORE('pods'), 'default', name);
      return (
        at(again, 'status', 'initContainerStatuses', 1, 'restartCount') === 1 &&
        (await readyEndpoints(cluster, 'meshed')).length === 1
      );
    });
    assert.match(await eventually('served', () => body(clusterIp, http80, '/call?url=http://web/')), /^web-/);
  });

  test('gives containers variables, files that follow their source, and a token that the API believes', async () => {
    const { client } = cluster;
    await client.create(CORE('configmaps'), {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'settings', namespace: 'default' },
      data: { 'a.txt': 'one', COLOUR: 'red' },
    });
    const container = {
      ...APP,
      args: ['--file=/etc/settings/a.txt', '$(COLOUR)'],
      env: [
        { name: 'COLOUR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'COLOUR' } } },
        { name: 'BOTH', value: '$(COLOUR)-$(MISSING)-$$(COLOUR)' },
        { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
        { name: 'LABEL', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
        { name: 'MILLIS', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
      ],
      resources: { limits: { cpu: '250m' } },
      volumeMounts: [{ name: 'settings', mountPath: '/etc/settings' }],
    };
    const volumes = [{ name: 'settings', configMap: { name: 'settings' } }];
    await client.create(APPS('deployments'), deployment('config', 1, { containers: [container], volumes }));
    await client.create(CORE('services'), service('config'));
    const ip = await readyService(cluster, 'config', 1);
    await served(ip, http80);
    const env = (name: string): Promise<string> => body(ip, http80, `/env?name=${name}`);
    assert.equal(await env('BOTH'), 'red-$(MISSING)-$(COLOUR)');
    assert.equal(await env('LABEL'), 'config');
    assert.equal(await env('MILLIS'), '250');
    assert.equal([await env('IP')].join(), (await readyEndpoints(cluster, 'config')).join());
    assert.match(await env('WEB_SERVICE_HOST'), /^127\./);
    assert.match(await body(ip, http80, '/args'), /--file=\/.*\/volumes\/settings\/a\.txt","red"/);
    assert.equal(await body(ip, http80, '/file?path=/etc/settings/a.txt'), 'one');
    await client.patch(CORE('configmaps'), 'default', 'settings', {
      type: 'merge',
      body: { data: { 'a.txt': 'two' } },
    });
    await eventually('new content', async () => (await body(ip, http80, '/file?path=/etc/settings/a.txt')) === 'two');

    const folder = '/var/run/secrets/kubernetes.io/serviceaccount';
    const token = await body(ip, http80, `/file?path=${folder}/token`);
    const review = await client.create(
      { group: 'authentication.k8s.io', version: 'v1', plural: 'tokenreviews' },
      {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        metadata: {},
        spec: { token },
      },
    );
    assert.equal(at(review, 'status', 'user', 'username'), 'system:serviceaccount:default:default');
    assert.equal(await body(ip, http80, `/file?path=${folder}/ca.crt`), cluster.caPem);
  });

  test('passes zones on as the Corefile says', async () => {
    const names = {
      answer: (name: string) => ({
        code: 0,
        answers: [{ type: 'A', name, ttl: 5, address: cluster.addresses.nodeIp } as const],
      }),
    };
    await using server = new DnsServer({ address: cluster.addresses.nodeIp, port: 0 }, { names, log: silentLogger });
    await server.start();
    const before = (await cluster.client.get(CORE('configmaps'), 'kube-system', 'coredns')) as {
      readonly data?: { readonly Corefile?: string };
    };
    const block = `clusterset.local:53 {\n    forward . ${cluster.addresses.nodeIp}:${server.port}\n}\n`;
    const write = (text: string) =>
      cluster.client.patch(CORE('configmaps'), 'kube-system', 'coredns', {
        type: 'merge',
        body: { data: { Corefile: text } },
      });
    await write(`${before.data?.Corefile ?? ''}${block}`);
    const [from] = await readyEndpoints(cluster, 'config');
    const lookup = () => body(from ?? '', 8080, '/lookup?name=x.default.svc.clusterset.local');
    await eventually('the name', async () => (await lookup()) === cluster.addresses.nodeIp);
    await write(before.data?.Corefile ?? '');
  });

  test('runs a StatefulSet in order, with a name per pod', async () => {
    const { client } = cluster;
    const { spec, metadata } = deployment('db', 2, { containers: [APP] });
    await client.create(CORE('services'), service('db', { clusterIP: 'None' }));
    await client.create(APPS('statefulsets'), {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata,
      spec: { ...(spec as object), serviceName: 'db' },
    });
    await eventually('two endpoints', async () => (await readyEndpoints(cluster, 'db')).length === 2);
    const [from] = await readyEndpoints(cluster, 'config');
    assert.equal(await body(from ?? '', 8080, '/call?url=http://db-1.db:8080/host'), 'db-1');
  });

  test('runs a Job to completion and a DaemonSet on its node', async () => {
    const { client } = cluster;
    const jobs = { group: 'batch', version: 'v1', plural: 'jobs' };
    await client.create(jobs, {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'once', namespace: 'default' },
      spec: {
        completions: 2,
        template: {
          spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'node', args: ['-e', '0'] }] },
        },
      },
    });
    await eventually(
      'job complete',
      async () => at(await client.get(jobs, 'default', 'once'), 'status', 'succeeded') === 2,
    );
    const { spec, metadata } = deployment('agent', 1, { containers: [APP] });
    const { replicas: _, ...rest } = spec as { replicas: number };
    await client.create(APPS('daemonsets'), { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata, spec: rest });
    await eventually(
      'daemon ready',
      async () => at(await client.get(APPS('daemonsets'), 'default', 'agent'), 'status', 'numberReady') === 1,
    );
  });

  test('empties and removes a deleted namespace', async () => {
    const { client } = cluster;
    await client.create(CORE('namespaces'), { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'gone' } });
    await client.create(APPS('deployments'), deployment('x', 1, { containers: [APP] }, 'gone'));
    await eventually('running', async () => cluster.processes().some((each) => each.namespace === 'gone'));
    await client.delete(CORE('namespaces'), undefined, 'gone');
    await eventually('removed', () =>
      client.get(CORE('namespaces'), undefined, 'gone').then(
        () => false,
        () => true,
      ),
    );
    assert.ok(!cluster.processes().some((each) => each.namespace === 'gone'));
  });

  test('keeps serving while the API server is away', async () => {
    const clusterIp = await readyService(cluster, 'web', 2);
    await cluster.apiServer.stop();
    await assert.rejects(apiGet(cluster, '/readyz'), { code: 'ECONNREFUSED' });
    assert.match(await served(clusterIp, http80), /^web-/);
    await cluster.apiServer.start();
    assert.equal(await apiGet(cluster, '/readyz'), 'ok');
  });
});

test('stopping ends every process and removes the folder', async () => {
  const cluster = await testCluster({ name: 'short' });
  await cluster.client.create(APPS('deployments'), deployment('web', 2, { containers: [APP] }));
  await eventually('running', async () => cluster.processes().length === 2);
  const pids = cluster.processes().map((each) => each.pid);
  await cluster.stop();
  assert.deepEqual(pids.filter(alive), []);
  assert.deepEqual(folders('mesh-short-'), []);
});

test('a cluster in the place of one that has stopped has its addresses, and an authority of its own', async () => {
  const old = await testCluster({ name: 'lost' });
  const { addresses, caPem, kubeconfig } = old;
  const { url } = old.apiServer;
  await assert.rejects(testCluster({ name: 'lost', addresses }), { code: 'block_in_use' });
  await old.stop();
  await using cluster = await testCluster({ name: 'lost', addresses });
  assert.deepEqual([cluster.addresses, cluster.apiServer.url], [addresses, url]);
  assert.notEqual(cluster.caPem, caPem);
  assert.notEqual(cluster.kubeconfig, kubeconfig);
});

test('a cluster with a data folder comes back with its objects, addresses and pods', async () => {
  const dataFolder = mkdtempSync(join(tmpdir(), 'mesh-test-data-'));
  try {
    const first = await testCluster({ name: 'kept', dataFolder });
    await first.client.create(APPS('deployments'), deployment('web', 1, { containers: [APP] }));
    await first.client.create(CORE('services'), service('web', { type: 'LoadBalancer' }));
    const before = await eventually('address', () => balancedService(first));
    await eventually('ready', async () => (await readyEndpoints(first, 'web')).length === 1);
    await assert.rejects(testCluster({ name: 'kept', dataFolder }), { code: 'block_in_use' });
    await first.stop();
    const second = await testCluster({ name: 'kept', dataFolder });
    try {
      assert.deepEqual(await eventually('address', () => balancedService(second)), before);
      const port = second.reachablePort(80);
      const answer = await eventually('answers', () => body(String(before[0]), port));
      assert.match(answer, /^web-/);
      assert.match(await body(String(before[1]), port), /^web-/);
    } finally {
      await second.stop();
    }
  } finally {
    rmSync(dataFolder, { recursive: true });
  }
});

test('nothing survives when the process of the cluster is killed', async () => {
  const program = fileURLToPath(new URL('fixtures/killed-cluster.ts', import.meta.url));
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const pids = JSON.parse(line.toString()) as number[];
  assert.equal(pids.filter(alive).length, 2);
  child.kill('SIGKILL');
  await eventually('processes gone', async () => pids.every((pid) => !alive(pid)));
  await eventually('folder gone', async () => folders('mesh-killed-').length === 0);
});

/** ClusterIP and balancer address. */
async function balancedService(cluster: Cluster): Promise<readonly unknown[] | undefined> {
  const object = await cluster.client.get(CORE('services'), 'default', 'web');
  const address = at(object, 'status', 'loadBalancer', 'ingress', 0, 'ip');
  return address === undefined ? undefined : [at(object, 'spec', 'clusterIP'), address];
}

function folders(prefix: string): string[] {
  const parent = process.env['XDG_RUNTIME_DIR'] ?? tmpdir();
  return existsSync(parent) ? readdirSync(parent).filter((name) => name.startsWith(prefix)) : [];
}
