/** Finds the pods that `kind/name` on a command line means. */
import { dynamicKind } from '@mesh/kube';
import type { KubeClient, LabelSelector, Pod, ResourceKind, UnknownObject } from '@mesh/kube';
import { PODS } from '@mesh/kube';
import { CliError } from './errors.ts';
import { isMeshed, listPods } from './pod-metrics.ts';

const WORKLOADS: Readonly<Record<string, ResourceKind<UnknownObject>>> = {
  deploy: dynamicKind('apps/v1', 'deployments', 'Deployment', true),
  sts: dynamicKind('apps/v1', 'statefulsets', 'StatefulSet', true),
  ds: dynamicKind('apps/v1', 'daemonsets', 'DaemonSet', true),
  rs: dynamicKind('apps/v1', 'replicasets', 'ReplicaSet', true),
  job: dynamicKind('batch/v1', 'jobs', 'Job', true),
};

const ALIASES: Readonly<Record<string, string>> = {
  po: 'pod',
  pods: 'pod',
  deployment: 'deploy',
  deployments: 'deploy',
  statefulset: 'sts',
  statefulsets: 'sts',
  daemonset: 'ds',
  daemonsets: 'ds',
  replicaset: 'rs',
  replicasets: 'rs',
  jobs: 'job',
};

/** Running meshed pods of the resource. @throws CliError when there is no such resource or none of its pods is meshed. */
export async function findPods(client: KubeClient, namespace: string, resource: string): Promise<readonly Pod[]> {
  const [kindText = '', name = ''] = resource.includes('/') ? resource.split('/', 2) : ['pod', resource];
  const kind = ALIASES[kindText] ?? kindText;
  const pods =
    kind === 'pod' ? await onePod(client, namespace, name) : await podsOfWorkload(client, namespace, kind, name);
  const meshed = pods.filter(isMeshed);
  if (meshed.length > 0) return meshed;
  throw new CliError(
    { code: 'missing_object', kind: 'Pod', name: resource },
    `no running pod of ${resource} in namespace ${namespace} has a proxy; is it injected?`,
  );
}

async function onePod(client: KubeClient, namespace: string, name: string): Promise<readonly Pod[]> {
  const pod = await client.get(PODS, { namespace, name });
  if (pod === undefined)
    throw new CliError({ code: 'missing_object', kind: 'Pod', name }, `no pod ${namespace}/${name}`);
  return [pod];
}

async function podsOfWorkload(
  client: KubeClient,
  namespace: string,
  kind: string,
  name: string,
): Promise<readonly Pod[]> {
  const resource = WORKLOADS[kind];
  if (resource === undefined) {
    throw new CliError(
      { code: 'usage' },
      `${kind}/${name}: unknown kind; known: pod, ${Object.keys(WORKLOADS).join(', ')}`,
    );
  }
  const workload = await client.get(resource, { namespace, name });
  if (workload === undefined) {
    throw new CliError(
      { code: 'missing_object', kind: resource.kind, name },
      `no ${resource.kind} ${namespace}/${name}`,
    );
  }
  const selector = (workload['spec'] as { readonly selector?: LabelSelector } | undefined)?.selector?.matchLabels ?? {};
  const labels = Object.entries(selector).map(([key, value]) => `${key}=${value}`);
  return listPods(client, namespace, labels.join(','));
}
