/** Default inbound policies, probes and Jobs, as the kubelet and other pods of a real cluster meet them. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { dynamicKind, PODS } from '@mesh/kube';
import type { KubeObject } from '@mesh/kube';
import type { KindHome, KindMember } from '../../../scripts/home/kind-home.ts';
import { podsOf } from '../../../scripts/home/rollout.ts';
import { patience, until } from '../federation.ts';
import type { Federation } from '../federation.ts';
import { imageOf, loadPrograms } from './images.ts';
import { curl, nginx, redis } from './programs.ts';
import { deploy, isMeshed, openKindFederation, podOf, podSpec, restartsOf, Shell, SKIP } from './workloads.ts';

const MESHED = 'e2e-policy';
const BARE = 'e2e-outside';
const POLICY = 'config.linkerd.io/default-inbound-policy';
/** A probe a second: a pod that lives this long had several of each kind answered. */
const PROBED_MS = 8_000;

const HTTP_PROBES = {
  readinessProbe: { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1 },
  livenessProbe: {
    httpGet: { path: '/healthz', port: 8080 },
    periodSeconds: 1,
    failureThreshold: 3,
    timeoutSeconds: 5,
  },
};
const TCP_PROBES = {
  readinessProbe: { tcpSocket: { port: 6379 }, periodSeconds: 1 },
  livenessProbe: { tcpSocket: { port: 6379 }, periodSeconds: 1, failureThreshold: 3, timeoutSeconds: 5 },
};

interface Job extends KubeObject {
  readonly status?: { readonly succeeded?: number; readonly failed?: number };
}

suite('policies, probes and jobs', { skip: SKIP }, () => {
  let federation: Federation;
  let home: KindHome;
  let east: KindMember;
  let insider: Shell;
  let outsider: Shell;

  before(async () => {
    ({ federation, home } = await openKindFederation());
    east = home.cluster('east');
    await loadPrograms('east', ['curl', 'nginx', 'redis']);
    await federation.namespace(east, MESHED, { annotations: { 'linkerd.io/inject': 'enabled' } });
    await federation.namespace(east, BARE);
    const under = (policy: string) => ({ namespace: MESHED, name: policy, annotations: { [POLICY]: policy } });
    await deploy(east, [
      curl({ namespace: MESHED }),
      curl({ namespace: BARE }),
      ...['all-unauthenticated', 'all-authenticated', 'cluster-authenticated'].map((policy) => nginx(under(policy))),
      nginx({ ...under('deny'), container: HTTP_PROBES }),
      redis({ ...under('deny'), name: 'deny-redis', container: TCP_PROBES }),
    ]);
    insider = new Shell(home, east, MESHED, 'curl');
    outsider = new Shell(home, east, BARE, 'curl');
  });

  after(() => federation?.[Symbol.asyncDispose]());

  test('all-unauthenticated lets everybody in', async () => {
    await insider.getUntil(`http://all-unauthenticated.${MESHED}:8080/`, 200);
    await outsider.getUntil(`http://all-unauthenticated.${MESHED}:8080/`, 200);
  });

  for (const policy of ['all-authenticated', 'cluster-authenticated']) {
    test(`${policy} lets meshed pods in and refuses others`, async () => {
      await insider.getUntil(`http://${policy}.${MESHED}:8080/`, 200);
      await outsider.getUntil(`http://${policy}.${MESHED}:8080/`, 403);
    });
  }

  test('deny refuses everybody', async () => {
    await insider.getUntil(`http://deny.${MESHED}:8080/`, 403);
    await outsider.getUntil(`http://deny.${MESHED}:8080/`, 403);
    const ping = ['sh', '-c', `(printf 'PING\\r\\n'; sleep 1) | curl -s -m 10 telnet://deny-redis.${MESHED}:6379`];
    assert.doesNotMatch((await insider.run(...ping)).stdout, /PONG/);
  });

  test('HTTP and TCP probes of the kubelet pass whatever the policy', async () => {
    for (const app of ['deny', 'deny-redis']) {
      const pod = await podOf(east, MESHED, app);
      const { name } = pod.metadata;
      const startedAt = Date.parse(pod.metadata.creationTimestamp ?? '');
      await until('the pod to have been probed for a while', () => Date.now() - startedAt > PROBED_MS, {
        timeoutMs: patience(PROBED_MS),
      });
      const ready = (await east.client.get(PODS, { namespace: MESHED, name }))?.status?.conditions?.find(
        (condition) => condition.type === 'Ready',
      );
      assert.equal(ready?.status, 'True', app);
      assert.equal(await restartsOf(east, MESHED, name), 0, app);
    }
  });

  test('a Job in the mesh calls a service with its first line and completes', async () => {
    const job = {
      name: 'errand',
      namespace: MESHED,
      image: imageOf('curl'),
      command: ['curl', '-sS', '-m', '20', '--fail', `http://all-authenticated.${MESHED}:8080/`],
    };
    const metadata = { name: job.name, namespace: job.namespace };
    const labels = { app: job.name };
    await east.apply([
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
      {
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata,
        spec: {
          backoffLimit: 0,
          template: { metadata: { labels }, spec: { ...podSpec(job), restartPolicy: 'Never' } },
        },
      },
    ]);
    const kind = dynamicKind('batch/v1', 'jobs', 'Job', true);
    await until(
      'the Job to complete',
      async () => {
        const status = ((await east.client.get(kind, metadata)) as Job | undefined)?.status;
        assert.equal(status?.failed ?? 0, 0, 'the Job failed');
        return (status?.succeeded ?? 0) === 1;
      },
      { timeoutMs: patience(30_000), everyMs: 250 },
    );
    const { items } = await east.client.list(PODS, { namespace: MESHED, labelSelector: 'app=errand' });
    assert.deepEqual(
      items.map((pod) => [pod.status?.phase, isMeshed(pod)]),
      [['Succeeded', true]],
    );
    assert.equal((await podsOf(east.client, MESHED, 'app=errand')).length, 0);
  });
});
