/** The objects of one run of the traffic probe. Pure. */
import type { Namespace, Pod, Service, ServiceAccount } from '@mesh/kube';
import type { ProbeTarget } from '../../probe/client.ts';
import { SERVER_PORT } from '../../probe/server.ts';

/** On every object of every run: by it the next run finds what an interrupted one left. */
export const PROBE_LABEL = 'federation.mesh.dev/check';
export const PROBE_LABEL_VALUE = 'traffic';
/** The kubelet ends what nobody came to delete. */
const DEADLINE_SECONDS = 600;
const UID = 2103;

export interface ProbePlan {
  /** Makes the names of this run its own. */
  readonly id: string;
  readonly namespace: string;
  /** The namespace is made for the run, and goes with it. */
  readonly ownNamespace: boolean;
  readonly image: string;
  readonly imagePullPolicy: string;
  readonly tolerations: readonly unknown[];
  /** With a server of our own, which is then the first target. */
  readonly withServer: boolean;
  readonly targets: readonly ProbeTarget[];
  readonly clusterDomain: string;
  readonly adminPort: number;
}

/** Name of the target that is our own server. */
export const LOCAL_TARGET = 'local';

export function serverName(plan: Pick<ProbePlan, 'id'>): string {
  return `mesh-check-server-${plan.id}`;
}

export function clientName(plan: Pick<ProbePlan, 'id'>): string {
  return `mesh-check-client-${plan.id}`;
}

export function probeNamespace(plan: ProbePlan): Namespace {
  return {
    metadata: {
      name: plan.namespace,
      // The init container of a sidecar may change the pod's network.
      labels: { ...labels(plan), 'pod-security.kubernetes.io/enforce': 'privileged' },
    },
  };
}

export function probeAccounts(plan: ProbePlan): readonly ServiceAccount[] {
  const names = plan.withServer ? [serverName(plan), clientName(plan)] : [clientName(plan)];
  return names.map((name) => ({
    metadata: { namespace: plan.namespace, name, labels: labels(plan) },
    automountServiceAccountToken: false,
  }));
}

export function probeService(plan: ProbePlan): Service {
  return {
    metadata: { namespace: plan.namespace, name: serverName(plan), labels: labels(plan) },
    spec: {
      selector: { ...labels(plan), app: serverName(plan) },
      ports: [{ name: 'http', port: 80, targetPort: SERVER_PORT }],
    },
  };
}

/** Requires mTLS whatever the cluster's default is: an answer proves that the client was authenticated. */
export function serverPod(plan: ProbePlan): Pod {
  return pod(plan, serverName(plan), ['server'], {
    annotations: { 'config.linkerd.io/default-inbound-policy': 'all-authenticated' },
    ports: [{ name: 'http', containerPort: SERVER_PORT }],
  });
}

export function clientPod(plan: ProbePlan): Pod {
  const own = `http://${serverName(plan)}.${plan.namespace}.svc.${plan.clusterDomain}/`;
  const targets = [...(plan.withServer ? [{ name: LOCAL_TARGET, url: own }] : []), ...plan.targets];
  return pod(plan, clientName(plan), ['client', ...targets.map(({ name, url }) => `${name}=${url}`)], {
    env: [{ name: 'MESH_PROBE_ADMIN_URL', value: `http://127.0.0.1:${plan.adminPort}` }],
  });
}

function pod(
  plan: ProbePlan,
  name: string,
  args: readonly string[],
  more: {
    readonly annotations?: Readonly<Record<string, string>>;
    readonly env?: readonly { readonly name: string; readonly value: string }[];
    readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  },
): Pod {
  return {
    metadata: {
      namespace: plan.namespace,
      name,
      labels: { ...labels(plan), app: name },
      annotations: { 'linkerd.io/inject': 'enabled', ...more.annotations },
    },
    spec: {
      serviceAccountName: name,
      automountServiceAccountToken: false,
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 1,
      activeDeadlineSeconds: DEADLINE_SECONDS,
      nodeSelector: { 'kubernetes.io/os': 'linux' },
      ...(plan.tolerations.length === 0 ? {} : { tolerations: plan.tolerations }),
      securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'probe',
          image: plan.image,
          imagePullPolicy: plan.imagePullPolicy,
          args: ['probe', ...args],
          env: [{ name: '_pod_name', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }, ...(more.env ?? [])],
          ...(more.ports === undefined ? {} : { ports: more.ports }),
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

function labels(plan: Pick<ProbePlan, 'id'>): Readonly<Record<string, string>> {
  return { [PROBE_LABEL]: PROBE_LABEL_VALUE, [`${PROBE_LABEL}-run`]: plan.id };
}
