/** Programs in pods: written down shortly, deployed, and run with `kubectl exec`. */
import { DEPLOYMENTS, PODS } from '@mesh/kube';
import type { Pod } from '@mesh/kube';
import type { Manifest } from '@mesh/cli';
import type { HomeCluster } from '../../../scripts/home/home.ts';
import type { KindHome, KindMember } from '../../../scripts/home/kind-home.ts';
import { tryProgram } from '../../../scripts/home/program.ts';
import type { ProgramResult } from '../../../scripts/home/program.ts';
import { podsOf, rolloutDone } from '../../../scripts/home/rollout.ts';
import { until } from '../../../scripts/home/wait.ts';
import { Federation } from '../federation.ts';
import { HOME_KIND, openCleanKind } from '../homes.ts';

/** Why the scenarios of this folder do not run; `false` when they do. */
export const SKIP = HOME_KIND === 'kind' ? false : 'needs real clusters: npm run kind -- up, then MESH_E2E_HOME=kind';

/** A federation of kind clusters, and its home with what only kind clusters have. */
export async function openKindFederation(): Promise<{ readonly federation: Federation; readonly home: KindHome }> {
  const home = await openCleanKind();
  return { federation: new Federation(home), home };
}

export interface Workload {
  readonly name: string;
  readonly namespace: string;
  readonly image: string;
  /** Absent: what the image says. */
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  /** Port of the container and of the Service, by the port's name. */
  readonly ports?: Readonly<Record<string, number>>;
  readonly replicas?: number;
  /** On the pod template. */
  readonly annotations?: Readonly<Record<string, string>>;
  readonly serviceAnnotations?: Readonly<Record<string, string>>;
  /** Merged into the container. */
  readonly container?: Readonly<Record<string, unknown>>;
  /** Files below /etc/e2e. */
  readonly files?: Readonly<Record<string, string>>;
}

/** ServiceAccount, ConfigMap, Deployment and Service, all of the workload's name. */
export function manifestsOf(workload: Workload): readonly Manifest[] {
  const { name, namespace, files, ports = {} } = workload;
  const labels = { app: name };
  const metadata = { name, namespace, labels };
  const entries = Object.entries(ports);
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    ...(files === undefined ? [] : [{ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: files }]),
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas: workload.replicas ?? 1,
        selector: { matchLabels: labels },
        template: { metadata: { labels, annotations: workload.annotations ?? {} }, spec: podSpec(workload) },
      },
    },
    ...(entries.length === 0
      ? []
      : [
          {
            apiVersion: 'v1',
            kind: 'Service',
            metadata: { ...metadata, annotations: workload.serviceAnnotations ?? {} },
            spec: { selector: labels, ports: entries.map(([port, number]) => ({ name: port, port: number })) },
          },
        ]),
  ];
}

export function podSpec(workload: Workload): Readonly<Record<string, unknown>> {
  const { name, files, ports = {} } = workload;
  return {
    serviceAccountName: name,
    terminationGracePeriodSeconds: 2,
    containers: [
      {
        name,
        image: workload.image,
        imagePullPolicy: 'IfNotPresent',
        ...(workload.command === undefined ? {} : { command: workload.command }),
        ...(workload.args === undefined ? {} : { args: workload.args }),
        ports: Object.entries(ports).map(([port, containerPort]) => ({ name: port, containerPort })),
        ...(files === undefined ? {} : { volumeMounts: [{ name: 'files', mountPath: '/etc/e2e' }] }),
        ...workload.container,
      },
    ],
    ...(files === undefined ? {} : { volumes: [{ name: 'files', configMap: { name } }] }),
  };
}

/** Applies all and waits until all are available. */
export async function deploy(cluster: HomeCluster, workloads: readonly Workload[]): Promise<void> {
  for (const workload of workloads) await cluster.apply(manifestsOf(workload));
  const namespaces = new Set(workloads.map((workload) => workload.namespace));
  for (const namespace of namespaces) {
    const names = workloads.filter((workload) => workload.namespace === namespace).map(({ name }) => name);
    await rolloutDone(cluster.client, namespace, names);
  }
}

/** `kubectl rollout restart`, and its end. */
export async function restart(cluster: HomeCluster, namespace: string, name: string): Promise<void> {
  const annotations = { 'kubectl.kubernetes.io/restartedAt': new Date().toISOString() };
  const body = { spec: { template: { metadata: { annotations } } } };
  await cluster.client.patch(DEPLOYMENTS, { namespace, name }, { type: 'merge', body });
  await rolloutDone(cluster.client, namespace, [name]);
}

/** The running pod of a Deployment. */
export async function podOf(cluster: HomeCluster, namespace: string, app: string): Promise<Pod> {
  return until(
    `a running pod of ${namespace}/${app} in ${cluster.name}`,
    async () => (await podsOf(cluster.client, namespace, `app=${app}`)).at(-1),
    { timeoutMs: 60_000, everyMs: 250 },
  );
}

/** True when the injector gave the pod a sidecar. */
export function isMeshed(pod: Pod): boolean {
  return [...(pod.spec.initContainers ?? []), ...pod.spec.containers].some(({ name }) => name === 'linkerd-proxy');
}

/** How often the pod's containers were started again. */
export async function restartsOf(cluster: HomeCluster, namespace: string, name: string): Promise<number> {
  const status = (await cluster.client.get(PODS, { namespace, name }))?.status;
  const statuses = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  return statuses.reduce((sum, container) => sum + container.restartCount, 0);
}

/** Runs programs in the container of a workload, as a person with `kubectl exec`. */
export class Shell {
  readonly #home: KindHome;
  readonly #cluster: KindMember;
  readonly #namespace: string;
  readonly #name: string;

  constructor(home: KindHome, cluster: KindMember, namespace: string, name: string) {
    this.#home = home;
    this.#cluster = cluster;
    this.#namespace = namespace;
    this.#name = name;
  }

  run(...command: readonly string[]): Promise<ProgramResult> {
    const where = ['--kubeconfig', this.#home.kubeconfig, '--context', this.#cluster.name, '-n', this.#namespace];
    const target = ['exec', `deploy/${this.#name}`, '-c', this.#name, '--', ...command];
    return tryProgram('kubectl', [...where, ...target]);
  }

  /** A GET with curl: its status (0 without an answer) and body. */
  async get(url: string): Promise<{ readonly status: number; readonly body: string }> {
    const { stdout } = await this.run('curl', '-s', '-m', '20', '-w', '\n%{http_code}', url);
    const end = stdout.lastIndexOf('\n');
    return { status: Number(stdout.slice(end + 1)), body: stdout.slice(0, end) };
  }

  /** Repeats until the answer has this status: policies and endpoints reach proxies a moment after the API has them. */
  async getUntil(url: string, status: number): Promise<string> {
    return until(
      `${status} from ${url}`,
      async () => {
        const answer = await this.get(url);
        if (answer.status === status) return answer.body;
        throw new Error(`it was ${answer.status}: ${answer.body.slice(0, 200)}`);
      },
      { timeoutMs: 60_000, everyMs: 250 },
    );
  }
}
