/** What a kubelet does with one pod: images, missing references, phases, probes, hooks, deadlines; with real processes. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Cluster, KubeObject } from '../src/index.ts';
import { APP, at, CORE, eventually, testCluster } from './support.ts';

describe('a pod', { concurrency: false }, () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await testCluster();
  });
  after(() => cluster.stop());

  test('says which images it knows when it does not know one', async () => {
    const { client } = cluster;
    await client.create(CORE('pods'), {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'strange', namespace: 'default' },
      spec: { containers: [{ name: 'main', image: 'ghcr.io/other/thing:1' }] },
    });
    const waiting = await eventually('waiting', async () => {
      const pod = await client.get(CORE('pods'), 'default', 'strange');
      return at(pod, 'status', 'containerStatuses', 0, 'state', 'waiting', 'message') as string | undefined;
    });
    assert.match(waiting, /ghcr\.io\/other\/thing:1.*known images: app, mesh-proxy, node/);
    await client.delete(CORE('pods'), 'default', 'strange');
    await eventually('gone', () =>
      client.get(CORE('pods'), 'default', 'strange').then(
        () => false,
        () => true,
      ),
    );
  });

  test('waits for a missing Secret and starts as soon as it is there', async () => {
    const { client } = cluster;
    const env = [{ name: 'X', valueFrom: { secretKeyRef: { name: 'later', key: 'k' } } }];
    await client.create(CORE('pods'), {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'patient', namespace: 'default' },
      spec: { terminationGracePeriodSeconds: 0, containers: [{ ...APP, env }] },
    });
    const waiting = await eventually('waiting', async () => {
      const got = await client.get(CORE('pods'), 'default', 'patient');
      const state = at(got, 'status', 'containerStatuses', 0, 'state', 'waiting');
      return at(state, 'message') === undefined ? undefined : state;
    });
    assert.deepEqual(waiting, { reason: 'CreateContainerConfigError', message: 'secret "later" not found' });
    await client.create(CORE('secrets'), {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'later', namespace: 'default' },
      data: { k: 'eA==' },
    });
    await eventually('ready', async () => {
      const got = await client.get(CORE('pods'), 'default', 'patient');
      return at(got, 'status', 'containerStatuses', 0, 'ready') === true;
    });
    await client.delete(CORE('pods'), 'default', 'patient');
  });

  test('shows crash loops, completed and failed pods as a real kubelet does', async () => {
    const { client } = cluster;
    const pod = (name: string, code: number, restartPolicy: string): KubeObject => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'default' },
      spec: { restartPolicy, containers: [{ name: 'main', image: 'node', args: ['-e', `process.exit(${code})`] }] },
    });
    await client.create(CORE('pods'), pod('good', 0, 'Never'));
    await client.create(CORE('pods'), pod('bad', 3, 'Never'));
    await client.create(CORE('pods'), pod('loop', 1, 'Always'));
    const phase = (name: string): Promise<unknown> =>
      client.get(CORE('pods'), 'default', name).then((got) => at(got, 'status', 'phase'));
    await eventually('good', async () => (await phase('good')) === 'Succeeded');
    await eventually('bad', async () => (await phase('bad')) === 'Failed');
    await eventually('loop', async () => {
      const got = await client.get(CORE('pods'), 'default', 'loop');
      return at(got, 'status', 'containerStatuses', 0, 'state', 'waiting', 'reason') === 'CrashLoopBackOff';
    });
    assert.equal(await phase('loop'), 'Running');
    const bad = await client.get(CORE('pods'), 'default', 'bad');
    assert.equal(at(bad, 'status', 'containerStatuses', 0, 'state', 'terminated', 'exitCode'), 3);
    for (const name of ['good', 'bad', 'loop']) await client.delete(CORE('pods'), 'default', name);
  });

  test('runs exec probes and hooks inside the container, and restarts what its liveness probe gives up', async () => {
    const { client } = cluster;
    const script = (text: string): object => ({ command: ['node', '-e', text] });
    await client.create(CORE('pods'), {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'probed', namespace: 'default' },
      spec: {
        terminationGracePeriodSeconds: 1,
        volumes: [{ name: 'data', emptyDir: {} }],
        containers: [
          {
            name: 'main',
            image: 'node',
            args: ['-e', 'setInterval(() => 0, 1000)'],
            volumeMounts: [{ name: 'data', mountPath: '/data' }],
            lifecycle: { postStart: { exec: script("fs.writeFileSync('/data/started', '')") } },
            readinessProbe: { exec: script("fs.statSync('/data/started')"), periodSeconds: 1, timeoutSeconds: 5 },
            livenessProbe: {
              exec: script("process.exit(fs.existsSync('/data/sick') ? 1 : (fs.writeFileSync('/data/sick', ''), 0))"),
              periodSeconds: 1,
              timeoutSeconds: 5,
              failureThreshold: 1,
            },
          },
        ],
      },
    });
    const status = (...path: readonly (string | number)[]): Promise<unknown> =>
      client.get(CORE('pods'), 'default', 'probed').then((got) => at(got, 'status', 'containerStatuses', 0, ...path));
    await eventually('ready', async () => (await status('ready')) === true);
    await eventually('restarted', async () => Number(await status('restartCount')) >= 1);
    await client.delete(CORE('pods'), 'default', 'probed');
  });

  test('starts a container only when the postStart hook of the one before has ended', async () => {
    const { client } = cluster;
    await client.create(CORE('configmaps'), {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'gate', namespace: 'default' },
      data: {},
    });
    const until = (file: string, then: string): readonly string[] => [
      '-e',
      `const timer = setInterval(() => { if (fs.existsSync('${file}')) { clearInterval(timer); ${then} } }, 10)`,
    ];
    const volumeMounts = [
      { name: 'data', mountPath: '/data' },
      { name: 'gate', mountPath: '/gate' },
    ];
    await client.create(CORE('pods'), {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'in-order', namespace: 'default' },
      spec: {
        terminationGracePeriodSeconds: 1,
        restartPolicy: 'Never',
        volumes: [
          { name: 'data', emptyDir: {} },
          { name: 'gate', configMap: { name: 'gate' } },
        ],
        containers: [
          {
            name: 'first',
            image: 'node',
            args: until('/data/seen', ''),
            volumeMounts,
            lifecycle: {
              postStart: {
                exec: { command: ['node', ...until('/gate/open', "fs.writeFileSync('/data/hooked', '')")] },
              },
            },
          },
          {
            name: 'second',
            image: 'node',
            args: ['-e', "fs.statSync('/data/hooked'); fs.writeFileSync('/data/seen', '')"],
            volumeMounts,
          },
        ],
      },
    });
    const runs = (container: string): boolean =>
      cluster.processes().some((each) => each.pod === 'in-order' && each.container === container);
    await eventually('the first container', async () => runs('first'));
    assert.equal(runs('second'), false, 'the second waits for the hook of the first');
    await client.patch(CORE('configmaps'), 'default', 'gate', {
      type: 'merge',
      body: { data: { open: 'yes' } },
    });
    const exitCode = await eventually('the end of the second', async () => {
      const pod = await client.get(CORE('pods'), 'default', 'in-order');
      const statuses = at(pod, 'status', 'containerStatuses') as readonly KubeObject[] | undefined;
      const code = at(
        statuses?.find((each) => at(each, 'name') === 'second'),
        'state',
        'terminated',
        'exitCode',
      );
      return code === undefined ? undefined : { code };
    });
    assert.deepEqual(exitCode, { code: 0 }, 'the second container found what the hook had written');
    await client.delete(CORE('pods'), 'default', 'in-order');
  });

  test('ends a pod that exceeds its deadline', async () => {
    const { client } = cluster;
    await client.create(CORE('pods'), {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'late', namespace: 'default' },
      spec: {
        activeDeadlineSeconds: 1,
        containers: [{ name: 'main', image: 'node', args: ['-e', 'setInterval(() => 0, 1000)'] }],
      },
    });
    const pod = await eventually('failed', async () => {
      const got = await client.get(CORE('pods'), 'default', 'late');
      return at(got, 'status', 'phase') === 'Failed' ? got : undefined;
    });
    assert.equal(at(pod, 'status', 'reason'), 'DeadlineExceeded');
    await eventually('no process', async () => !cluster.processes().some((each) => each.pod === 'late'));
  });
});
