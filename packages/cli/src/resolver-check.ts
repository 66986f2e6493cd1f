/** Do pods resolve names of the zone? A short-lived pod asks the resolver that every pod has. */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { DEPLOYMENTS, PODS } from '@mesh/kube';
import type { KubeClient, Pod } from '@mesh/kube';
import { PROBE_LABEL } from './checks/traffic/probe-manifests.ts';
import { whyNotReady } from './checks/workloads.ts';
import { CliError } from './errors.ts';
import { CLUSTERSET_DNS_NAME } from './manifests/clusterset-dns.ts';
import { imageRef } from './manifests/workload.ts';
import type { MeshConfig } from './mesh-config.ts';
import { parseResolveReports } from './probe/resolve.ts';
import type { ResolveQuestion, ResolveReport } from './probe/resolve.ts';

export interface ResolverCheck {
  readonly namespace: string;
  readonly questions: readonly ResolveQuestion[];
  readonly config: MeshConfig;
}

/** An image may have to be pulled; the look-ups themselves take 8 s at most each. */
const TIMEOUT_MS = 120_000;
const POLL_MS = 250;
/** The kubelet ends what nobody came to delete. */
const DEADLINE_SECONDS = 300;
const UID = 2103;

/** @throws CliError `cluster` when the pod does not come to an end, or its log cannot be read. The pod is deleted in any case. */
export async function askFromPod(
  client: KubeClient,
  check: ResolverCheck,
  signal: AbortSignal,
): Promise<readonly ResolveReport[]> {
  const pod = resolverPod(check, randomBytes(4).toString('hex'));
  const ref = { namespace: check.namespace, name: pod.metadata.name };
  try {
    await client.create(PODS, pod, { fieldManager: 'mesh-check', signal });
    await finished(client, ref, signal);
    const { status, text } = await client.raw(
      `/api/v1/namespaces/${ref.namespace}/pods/${ref.name}/log?container=probe`,
    );
    const reports = status === 200 ? parseResolveReports(text) : [];
    if (reports.length > 0) return reports;
    throw new CliError(
      { code: 'cluster' },
      `pod ${ref.namespace}/${ref.name} ended without a report: ${text.trim().slice(-500) || `its log is empty (${status})`}`,
    );
  } finally {
    await client.delete(PODS, ref, { propagationPolicy: 'Background' });
  }
}

async function finished(
  client: KubeClient,
  ref: { readonly namespace: string; readonly name: string },
  signal: AbortSignal,
): Promise<void> {
  const endMs = performance.now() + TIMEOUT_MS;
  for (;;) {
    const pod = await client.get(PODS, ref);
    const phase = pod?.status?.phase;
    if (phase === 'Succeeded' || phase === 'Failed') return;
    if (performance.now() > endMs) {
      const status = pod?.status?.containerStatuses?.[0];
      const why = status === undefined ? '' : whyNotReady(status);
      throw new CliError(
        { code: 'cluster' },
        `pod ${ref.namespace}/${ref.name} is still ${phase ?? 'not there'} after ${TIMEOUT_MS / 1000} s${why}`,
      );
    }
    await delay(POLL_MS, undefined, { signal });
  }
}

/** What is behind the Service, for who was not answered. */
export async function serverState(client: KubeClient, namespace: string): Promise<string> {
  const deployment = await client.get(DEPLOYMENTS, { namespace, name: CLUSTERSET_DNS_NAME });
  if (deployment === undefined) return `Deployment ${namespace}/${CLUSTERSET_DNS_NAME} is missing`;
  const { availableReplicas = 0 } = deployment.status ?? {};
  return `Deployment ${namespace}/${CLUSTERSET_DNS_NAME} has ${availableReplicas} of ${deployment.spec.replicas ?? 1} pods available`;
}

function resolverPod({ namespace, questions, config }: ResolverCheck, id: string): Pod {
  const { controllerImage, controllerImageVersion, values } = config;
  return {
    metadata: {
      namespace,
      name: `mesh-check-dns-${id}`,
      labels: { [PROBE_LABEL]: 'dns' },
      annotations: { 'linkerd.io/inject': 'disabled' },
    },
    spec: {
      automountServiceAccountToken: false,
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 1,
      activeDeadlineSeconds: DEADLINE_SECONDS,
      nodeSelector: { 'kubernetes.io/os': 'linux' },
      ...(Array.isArray(values['tolerations']) ? { tolerations: values['tolerations'] } : {}),
      securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'probe',
          image: imageRef({ name: controllerImage, version: controllerImageVersion }),
          ...(typeof values['imagePullPolicy'] === 'string' ? { imagePullPolicy: values['imagePullPolicy'] } : {}),
          args: ['probe', 'resolve', ...questions.map(({ type, name }) => `${type}:${name}`)],
          securityContext: {
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
            readOnlyRootFilesystem: true,
            runAsNonRoot: true,
            runAsUser: UID,
          },
          terminationMessagePolicy: 'FallbackToLogsOnError',
        },
      ],
    } as Pod['spec'],
  };
}
