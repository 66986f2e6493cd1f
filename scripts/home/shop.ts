/** Deploys the example shop and its customer, and lets tests move its parts. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { DEPLOYMENTS, SERVICES } from '@mesh/kube';
import type { Pod } from '@mesh/kube';
import type { Manifest } from '@mesh/cli';
import type { HomeCluster, PodRef } from './home.ts';
import { podsOf, rolloutDone } from './rollout.ts';
import { parseRecord } from './traffic.ts';
import type { TrafficLog } from './traffic.ts';
import { pause, until } from './wait.ts';

export const SHOP = 'shop';
const SERVICES_OF_SHOP = ['web', 'catalog', 'cart', 'pricing'] as const;
const YAML = path.resolve(import.meta.dirname, '..', '..', 'examples', 'shop', 'k8s.yaml');

/** Applies the shop and waits until all of it answers. */
export async function deployShop(cluster: HomeCluster, signal?: AbortSignal): Promise<void> {
  await cluster.apply([
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: SHOP, annotations: { 'linkerd.io/inject': 'enabled' } } },
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'shop', namespace: SHOP },
      data: { cluster: cluster.name },
    },
  ]);
  await cluster.apply(await readFile(YAML, 'utf8'));
  await rolloutDone(cluster.client, SHOP, SERVICES_OF_SHOP, signal);
}

export interface LoadOptions {
  readonly name: string;
  /** URL by target name. */
  readonly targets: Readonly<Record<string, string>>;
  /** Requests a second to each target. */
  readonly rate: number;
  /** The node that it stays on; absent: any. */
  readonly node?: string | undefined;
  /** Of its pod. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * Starts a customer in `cluster` and collects what it reports until the signal. Resolves when it is running; a rejected
 * collection (log lost) is reported to `onLost`.
 */
export async function startLoad(
  cluster: HomeCluster,
  options: LoadOptions,
  log: TrafficLog,
  signal: AbortSignal,
  onLost: (error: unknown) => void,
): Promise<void> {
  await cluster.apply(loadManifests(options));
  await rolloutDone(cluster.client, SHOP, [options.name], signal);
  const [pod] = await podsOf(cluster.client, SHOP, `app=${options.name}`);
  if (pod === undefined) throw new Error(`load ${options.name} has no running pod`);
  const ref = { namespace: SHOP, name: pod.metadata.name };
  collect(cluster, ref, Object.keys(options.targets), log, signal).catch((error: unknown) => {
    if (!signal.aborted) onLost(error);
  });
}

/** Of each target. Who is slow is seen by the times of its answers, or by those that take longer than a customer waits (10 s). */
const CONCURRENCY = 512;

/** An API server may be away for this long before the log counts as lost. */
const LOG_GAP_MS = 30_000;

/** Follows the log across broken connections: reads the overlap again and drops what it has. */
async function collect(
  cluster: HomeCluster,
  pod: PodRef,
  targets: readonly string[],
  log: TrafficLog,
  signal: AbortSignal,
): Promise<void> {
  let lastLineAt = performance.now();
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    const known = new Set(
      attempt === 0 ? [] : log.select({ targets }).map((record) => `${record.target}/${record.seq}`),
    );
    const onLine = (line: string): void => {
      const record = parseRecord(line);
      if (record === undefined || known.has(`${record.target}/${record.seq}`)) return;
      lastLineAt = performance.now();
      log.add(record);
    };
    try {
      await cluster.followLogs(pod, 'load', onLine, signal, attempt === 0 ? undefined : (2 * LOG_GAP_MS) / 1000);
    } catch (error) {
      if (performance.now() - lastLineAt > LOG_GAP_MS) throw error;
    }
    if (performance.now() - lastLineAt > LOG_GAP_MS) throw new Error(`the log of ${pod.name} ended`);
    await pause(100, signal);
  }
}

function loadManifests(options: LoadOptions): readonly Manifest[] {
  const { name } = options;
  const targets = Object.entries(options.targets).map(([target, url]) => `${target}=${url}`);
  const labels = { app: name };
  const container = {
    name: 'load',
    image: 'shop:1',
    imagePullPolicy: 'IfNotPresent',
    args: ['load'],
    env: [
      { name: 'TARGETS', value: targets.join(',') },
      { name: 'RATE', value: String(options.rate) },
      { name: 'CONCURRENCY', value: String(CONCURRENCY) },
    ],
    resources: { requests: { cpu: '20m' } },
  };
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'load', namespace: SHOP } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace: SHOP, labels },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels, annotations: options.annotations ?? {} },
          spec: {
            serviceAccountName: 'load',
            terminationGracePeriodSeconds: 1,
            ...(options.node === undefined ? {} : { nodeSelector: { 'kubernetes.io/hostname': options.node } }),
            containers: [container],
          },
        },
      },
    },
  ];
}

/** `kubectl label service NAME key=value`, or `key-` for `undefined`. */
export async function labelService(
  cluster: HomeCluster,
  name: string,
  labels: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const body = {
    metadata: { labels: Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, value ?? null])) },
  };
  await cluster.client.patch(SERVICES, { namespace: SHOP, name }, { type: 'merge', body });
}

/** Resolves when the Service is (or with `present: false` is not) there. */
export async function serviceExists(
  cluster: HomeCluster,
  name: string,
  present: boolean,
  signal?: AbortSignal,
): Promise<void> {
  await until(
    `Service ${SHOP}/${name} in ${cluster.name} to ${present ? 'appear' : 'go'}`,
    async () => ((await cluster.client.get(SERVICES, { namespace: SHOP, name })) !== undefined) === present,
    { timeoutMs: 15_000, everyMs: 10, ...(signal === undefined ? {} : { signal }) },
  );
}

/** `kubectl scale`. */
export async function scale(cluster: HomeCluster, namespace: string, name: string, replicas: number): Promise<void> {
  await cluster.client.patch(DEPLOYMENTS, { namespace, name }, { type: 'merge', body: { spec: { replicas } } });
}

/**
 * The workload dies at once, as with its node: every container of its pods is killed without grace. It stays away until it is scaled
 * up again. Returns when it was killed.
 */
export async function killWorkload(
  cluster: HomeCluster,
  namespace: string,
  name: string,
  labelSelector: string,
): Promise<number> {
  const pods = await podsOf(cluster.client, namespace, labelSelector);
  const killedAt = Date.now();
  const scaled = scale(cluster, namespace, name, 0);
  const kills = pods.flatMap((pod) =>
    runningContainers(pod).map((container) =>
      cluster.killContainer({ namespace, name: pod.metadata.name }, container, 'SIGKILL'),
    ),
  );
  await Promise.all([...kills, scaled]);
  return killedAt;
}

function runningContainers(pod: Pod): readonly string[] {
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  return statuses.filter((status) => status.state?.running !== undefined).map((status) => status.name);
}
