import assert from 'node:assert/strict';
import test from 'node:test';
import {
  CONFIG_MAPS,
  CUSTOM_RESOURCE_DEFINITIONS,
  DEPLOYMENTS,
  dynamicKind,
  MUTATING_WEBHOOKS,
  NAMESPACES,
  PODS,
  SECRETS,
  SERVICE_ACCOUNTS,
} from '@mesh/kube';
import type { FakeApi } from '@mesh/kube/testing';
import { edit, failures, installedCluster, outcomeOf, run, seedNode, stateOf } from '../testing/installed-cluster.ts';
import type { CheckOutcome } from './check.ts';
import { controlPlaneCategories, kubernetesCategories } from './core.ts';

async function check(api: FakeApi, expected?: string) {
  const state = stateOf(api);
  return run([...kubernetesCategories(state), ...controlPlaneCategories(state, expected)]);
}

async function failing(api: FakeApi, description: string, expected?: string): Promise<CheckOutcome> {
  const outcomes = await check(api, expected);
  const outcome = outcomeOf(outcomes, description);
  assert.ok(
    outcome !== undefined && outcome.result !== 'success',
    `${description} passed; ${failures(outcomes).join('; ')}`,
  );
  assert.match(outcome.hint ?? '', /^docs\/check\.md#/);
  return outcome;
}

test('a healthy installation passes every check', async () => {
  for (const ha of [false, true]) assert.deepEqual(failures(await check(await installedCluster({ ha }))), []);
});

test('an API server that does not answer ends the run', async () => {
  const api = await installedCluster();
  api.goDown();
  const outcomes = await check(api);
  assert.deepEqual(failures(outcomes).length, 1);
  assert.match(outcomeOf(outcomes, 'can query the Kubernetes API')?.error ?? '', /cannot be reached/);
});

test('a Kubernetes without native sidecars is too old', async () => {
  const api = await installedCluster();
  api.onRaw((path) => (path === '/version' ? { status: 200, text: '{"major":"1","minor":"27+"}' } : undefined));
  const { error } = await failing(api, 'is running the minimum Kubernetes API version');
  assert.equal(error, 'Kubernetes is on version 1.27, but version 1.29 or more recent is required');
});

test('without a control plane nothing after it is checked', async () => {
  const api = await installedCluster();
  api.remove(CONFIG_MAPS, 'linkerd/linkerd-config');
  const { error } = await failing(api, "'linkerd-config' config map exists");
  assert.match(error ?? '', /no control plane in namespace linkerd .* install one with mesh install/);
});

test('a missing or unavailable Deployment is named, with what stands in its way', async () => {
  const api = await installedCluster();
  edit(api, DEPLOYMENTS, 'linkerd/linkerd-identity', (it) => ({
    ...it,
    status: {
      availableReplicas: 0,
      conditions: [{ type: 'ReplicaFailure', status: 'True' as const, message: 'exceeded quota' }],
    },
  }));
  assert.equal(
    (await failing(api, 'control plane replica sets are ready')).error,
    'deployment linkerd/linkerd-identity has 0 of 1 replicas available: exceeded quota',
  );
  api.remove(DEPLOYMENTS, 'linkerd/linkerd-identity');
  assert.equal(
    (await failing(api, 'control plane replica sets are ready')).error,
    'deployment linkerd/linkerd-identity is missing',
  );
});

test('pods that are unschedulable, unready or missing are named with the reason', async () => {
  const api = await installedCluster();
  edit(api, PODS, 'linkerd/linkerd-identity-0', (it) => ({
    ...it,
    status: {
      phase: 'Pending' as const,
      conditions: [
        { type: 'PodScheduled', status: 'False' as const, reason: 'Unschedulable', message: '0/2 nodes are available' },
      ],
    },
  }));
  const unscheduled = await failing(api, 'no unschedulable pods');
  assert.equal(unscheduled.error, 'pod/linkerd-identity-0: 0/2 nodes are available');
  assert.equal(unscheduled.result, 'warning');
  edit(api, PODS, 'linkerd/linkerd-identity-0', (it) => ({
    ...it,
    status: {
      phase: 'Running' as const,
      containerStatuses: [
        { name: 'identity', ready: false, restartCount: 3, state: { waiting: { reason: 'CrashLoopBackOff' } } },
      ],
    },
  }));
  assert.equal(
    (await failing(api, 'control plane pods are ready')).error,
    'pod/linkerd-identity-0 container identity is not ready (CrashLoopBackOff)',
  );
  for (const pod of api.peekAll(PODS)) api.remove(PODS, `linkerd/${pod.metadata.name}`);
  assert.match((await failing(api, 'control plane pods are ready')).error ?? '', /no pods in namespace linkerd/);
});

test('objects of the installation that are gone are named, kind by kind', async () => {
  const rbac = 'rbac.authorization.k8s.io/v1';
  const cases = [
    [NAMESPACES, 'linkerd', 'Namespace exists'],
    [SERVICE_ACCOUNTS, 'linkerd/linkerd-destination', 'ServiceAccounts exist'],
    [dynamicKind(rbac, 'clusterroles', 'ClusterRole', false), 'linkerd-linkerd-identity', 'ClusterRoles exist'],
    [
      dynamicKind(rbac, 'clusterrolebindings', 'ClusterRoleBinding', false),
      'linkerd-linkerd-identity',
      'ClusterRoleBindings exist',
    ],
    [dynamicKind(rbac, 'roles', 'Role', true), 'linkerd/linkerd-proxy-injector-config', 'Roles exist'],
    [
      dynamicKind(rbac, 'rolebindings', 'RoleBinding', true),
      'linkerd/linkerd-proxy-injector-config',
      'RoleBindings exist',
    ],
    [MUTATING_WEBHOOKS, 'linkerd-proxy-injector-webhook-config', 'MutatingWebhookConfigurations exist'],
  ] as const;
  for (const [kind, key, what] of cases) {
    const api = await installedCluster();
    api.remove(kind, key);
    assert.equal((await failing(api, `control plane ${what}`)).error, `${kind.kind} ${key} is missing`);
  }
});

test('rights that a role lost are named, and bindings that name someone else', async () => {
  const rbac = 'rbac.authorization.k8s.io/v1';
  const roles = dynamicKind(rbac, 'clusterroles', 'ClusterRole', false);
  const bindings = dynamicKind(rbac, 'clusterrolebindings', 'ClusterRoleBinding', false);
  const api = await installedCluster();
  edit(api, roles, 'linkerd-linkerd-identity', (it) => ({
    ...it,
    rules: [{ apiGroups: ['*'], resources: ['events'], verbs: ['*'] }],
  }));
  edit(api, bindings, 'linkerd-linkerd-identity', (it) => ({ ...it, subjects: [] }));
  assert.equal(
    (await failing(api, 'control plane ClusterRoles exist')).error,
    'ClusterRole linkerd-linkerd-identity: may not create tokenreviews.authentication.k8s.io',
  );
  assert.equal(
    (await failing(api, 'control plane ClusterRoleBindings exist')).error,
    'ClusterRoleBinding linkerd-linkerd-identity: does not name ServiceAccount linkerd/linkerd-identity',
  );
});

test('a missing definition, or one that lost a version, is named', async () => {
  const api = await installedCluster();
  edit(api, CUSTOM_RESOURCE_DEFINITIONS, 'servers.policy.linkerd.io', (it) => ({
    ...it,
    spec: { ...it.spec, versions: it.spec.versions.filter((version) => version.name !== 'v1beta3') },
  }));
  const description = 'control plane CustomResourceDefinitions exist';
  assert.match((await failing(api, description)).error ?? '', /servers\.policy\.linkerd\.io does not serve v1beta3/);
  api.remove(CUSTOM_RESOURCE_DEFINITIONS, 'servers.policy.linkerd.io');
  assert.match(
    (await failing(api, description)).error ?? '',
    /servers\.policy\.linkerd\.io is missing\napply the output of mesh install --crds/,
  );
});

test('a controller whose self-check fails is named; without the right to ask it is left out', async () => {
  const api = await installedCluster();
  const answer = api.onRaw((path) =>
    path.endsWith('/proxy/ready') && path.includes('linkerd-identity')
      ? { status: 503, text: 'waiting for: issuer\n' }
      : undefined,
  );
  assert.equal(
    (await failing(api, 'control plane self-check')).error,
    'pod/linkerd-identity-0 container identity: /ready on port 9990 answered 503 (waiting for: issuer)',
  );
  answer[Symbol.dispose]();
  api.onRaw((path) => (path.endsWith('/proxy/ready') ? { status: 403, text: 'forbidden' } : undefined));
  assert.equal(outcomeOf(await check(api), 'control plane self-check'), undefined);
});

test('versions that differ are warnings that say both', async () => {
  const api = await installedCluster({ change: (values) => ({ ...values, linkerdVersion: '0.0.9' }) });
  edit(api, DEPLOYMENTS, 'linkerd/linkerd-identity', (it) => ({
    ...it,
    metadata: { ...it.metadata, labels: { ...it.metadata.labels, 'app.kubernetes.io/version': '0.0.8' } },
  }));
  assert.match(
    (await failing(api, 'control plane and cli versions match')).error ?? '',
    /^control plane running 0\.0\.9 but cli running \d/,
  );
  assert.equal(
    (await failing(api, 'control plane is up-to-date')).error,
    'deployment linkerd-identity is of version 0.0.8, but 0.0.9 is installed',
  );
  assert.equal(
    (await failing(api, 'control plane is up-to-date', '0.2.0')).error,
    'is running version 0.0.9 but the expected version is 0.2.0',
  );
  const cli = await failing(api, 'cli is up-to-date', '0.2.0');
  assert.equal(cli.result, 'warning');
  assert.match(cli.error ?? '', /the expected version is 0\.2\.0/);
});

test('a highly available installation warns of lone replicas, shared nodes, missing budgets and an injected kube-system', async () => {
  const api = await installedCluster({ ha: true });
  edit(api, DEPLOYMENTS, 'linkerd/linkerd-identity', (it) => ({ ...it, status: { availableReplicas: 1 } }));
  for (const pod of api.peekAll(PODS))
    edit(api, PODS, `linkerd/${pod.metadata.name}`, (it) => ({ ...it, spec: { ...it.spec, nodeName: 'node-1' } }));
  api.remove(dynamicKind('policy/v1', 'poddisruptionbudgets', 'PodDisruptionBudget', true), 'linkerd/linkerd-identity');
  edit(api, MUTATING_WEBHOOKS, 'linkerd-proxy-injector-webhook-config', (it) => ({
    ...it,
    webhooks: (it.webhooks ?? []).map((webhook) => ({ ...webhook, namespaceSelector: {} })),
  }));
  assert.match(
    (await failing(api, 'multiple replicas of control plane pods')).error ?? '',
    /linkerd-identity has 1 available/,
  );
  assert.match(
    (await failing(api, 'control plane pods are on different nodes')).error ?? '',
    /all 3 pods of identity are on node node-1/,
  );
  assert.equal(
    (await failing(api, 'control plane PodDisruptionBudgets exist')).error,
    'PodDisruptionBudget linkerd-identity is missing',
  );
  assert.match((await failing(api, 'pod injection disabled on kube-system')).error ?? '', /not exempt/);
});

test('a kube-system that is labelled is exempt from the injector', async () => {
  const api = await installedCluster({ ha: true });
  edit(api, MUTATING_WEBHOOKS, 'linkerd-proxy-injector-webhook-config', (it) => ({
    ...it,
    webhooks: (it.webhooks ?? []).map((webhook) => ({
      ...webhook,
      namespaceSelector: { matchExpressions: [{ key: 'x', operator: 'DoesNotExist' }] },
    })),
  }));
  api.seed(NAMESPACES, { metadata: { name: 'kube-system', labels: { x: 'y' } } });
  assert.equal(outcomeOf(await check(api), 'pod injection disabled on kube-system')?.result, 'success');
});

test('clocks that are off are told by how much', async () => {
  const api = await installedCluster();
  seedNode(api, 'node-2', 95_000);
  assert.match((await failing(api, 'no clock skew detected')).error ?? '', /node node-2 is about [4-9]\d s ahead/);
  seedNode(api, 'node-2', -300_000);
  assert.match((await failing(api, 'no clock skew detected')).error ?? '', /node node-2 is about 3\d\d s behind/);
});

test('a Secret that may not be read is named', async () => {
  const api = await installedCluster();
  api.fault({ match: (call) => call.key === 'linkerd/linkerd-identity-issuer', code: 'forbidden', status: 403 });
  assert.match(
    (await failing(api, 'certificate config is valid')).error ?? '',
    /secrets linkerd\/linkerd-identity-issuer/,
  );
  assert.ok(api.peek(SECRETS, 'linkerd/linkerd-identity-issuer'));
});
