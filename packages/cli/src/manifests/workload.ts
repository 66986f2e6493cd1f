/** Deployments, Services and the pod parts that the mesh's own processes share. */
import type { Labels, ManifestTemplate } from './object.ts';
import type { Expression, Text } from './template.ts';
import { anyOf, choose, isAbove, isSet, looseText, overlaid, shared, text, tree, when } from './template.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface ContainerPort {
  readonly name: string;
  readonly containerPort: number | Expression<number>;
  /** Default TCP. */
  readonly protocol?: 'UDP';
}

/** Requests and limits by value. */
export interface ResourceValues {
  readonly cpu: { readonly request: Expression<string>; readonly limit: Expression<string> };
  readonly memory: { readonly request: Expression<string>; readonly limit: Expression<string> };
}

export interface ContainerSpec {
  readonly name: string;
  readonly args: readonly string[];
  readonly ports: readonly ContainerPort[];
  readonly adminPort: number;
  readonly uid: Expression<number>;
  readonly gid: Expression<number>;
  readonly env: readonly unknown[];
  readonly mounts: readonly unknown[];
  readonly resources: ResourceValues;
}

const CONTROLLER_IMAGE = choose<string>(
  isSet(shared('controllerImageVersion')),
  text`${shared('controllerImage')}:${shared('controllerImageVersion')}`,
  shared('controllerImage'),
);

/** A container of image `mesh` with its admin server's probes. A slow answer is no reason to kill it, a missing one is. */
export function container(spec: ContainerSpec): Fields {
  return {
    name: spec.name,
    image: CONTROLLER_IMAGE,
    imagePullPolicy: shared('imagePullPolicy'),
    args: spec.args,
    env: spec.env,
    ports: spec.ports.map((port) => ({ ...port, protocol: port.protocol ?? 'TCP' })),
    livenessProbe: {
      httpGet: { path: '/live', port: spec.adminPort },
      initialDelaySeconds: 10,
      periodSeconds: 10,
      timeoutSeconds: 5,
    },
    readinessProbe: { httpGet: { path: '/ready', port: spec.adminPort }, periodSeconds: 1, failureThreshold: 7 },
    resources: resourceRequirements(spec.resources),
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      runAsUser: spec.uid,
      runAsGroup: when(isAbove(spec.gid, -1), spec.gid),
      seccompProfile: { type: 'RuntimeDefault' },
    },
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: spec.mounts,
  };
}

/** `repository:tag`, or the repository alone when it names its tag itself. */
export function imageRef(image: { readonly name: string; readonly version: string }): string {
  return image.version === '' ? image.name : `${image.name}:${image.version}`;
}

/** Requests and limits without the empty ones; nothing when nothing is asked for. */
function resourceRequirements({ cpu, memory }: ResourceValues): unknown {
  const of = (which: 'request' | 'limit') =>
    when(anyOf(isSet(cpu[which]), isSet(memory[which])), {
      cpu: when(isSet(cpu[which]), looseText(cpu[which])),
      memory: when(isSet(memory[which]), looseText(memory[which])),
    });
  const all = [cpu.limit, memory.limit, cpu.request, memory.request];
  return when(anyOf(...all.map(isSet)), { limits: of('limit'), requests: of('request') });
}

export interface DeploymentSpec {
  readonly name: Text;
  readonly namespace: Text;
  readonly labels: Labels;
  /** The subset of `labels` that identifies the pods, and never changes. */
  readonly selector: Labels;
  readonly podLabels: Labels;
  readonly annotations: Labels;
  readonly podAnnotations?: readonly Expression<Readonly<Record<string, string>>>[];
  readonly replicas: Expression<number>;
  readonly strategy: unknown;
  readonly serviceAccount: Text;
  readonly containers: readonly unknown[];
  readonly volumes: readonly unknown[];
  readonly antiAffinity: Expression<boolean>;
  readonly runtimeClassName?: Expression<string>;
  readonly terminationGracePeriodSeconds?: Expression<number>;
}

export function deployment(spec: DeploymentSpec): ManifestTemplate {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: spec.name, namespace: spec.namespace, annotations: spec.annotations, labels: spec.labels },
    spec: {
      replicas: spec.replicas,
      revisionHistoryLimit: shared('revisionHistoryLimit'),
      selector: { matchLabels: spec.selector },
      strategy: spec.strategy,
      template: {
        metadata: {
          annotations: overlaid(spec.annotations, shared('podAnnotations'), ...(spec.podAnnotations ?? [])),
          labels: overlaid({ ...spec.labels, ...spec.podLabels, ...spec.selector }, shared('podLabels')),
        },
        spec: {
          affinity: when(spec.antiAffinity, podAntiAffinity(spec.selector)),
          // Variables of Services in the namespace could be taken for configuration.
          enableServiceLinks: false,
          imagePullSecrets: when(isSet(shared('imagePullSecrets')), tree(shared('imagePullSecrets'))),
          nodeSelector: tree(shared('nodeSelector')),
          priorityClassName: when(isSet(shared('priorityClassName')), shared('priorityClassName')),
          runtimeClassName:
            spec.runtimeClassName === undefined ? undefined : when(isSet(spec.runtimeClassName), spec.runtimeClassName),
          securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
          serviceAccountName: spec.serviceAccount,
          terminationGracePeriodSeconds: spec.terminationGracePeriodSeconds,
          tolerations: when(isSet(shared('tolerations')), tree(shared('tolerations'))),
          containers: spec.containers,
          volumes: spec.volumes,
        },
      },
    },
  };
}

function podAntiAffinity(selector: Labels): Fields {
  const labelSelector = { matchLabels: selector };
  return {
    podAntiAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        { weight: 100, podAffinityTerm: { labelSelector, topologyKey: 'topology.kubernetes.io/zone' } },
      ],
      requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector, topologyKey: 'kubernetes.io/hostname' }],
    },
  };
}

export interface ServicePort {
  readonly name: string;
  readonly port: number;
  readonly targetPort: number;
}

export function service(spec: {
  readonly name: string;
  readonly namespace: Text;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly selector: Labels;
  readonly ports: readonly ServicePort[];
  readonly headless?: boolean;
}): ManifestTemplate {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: spec.name, namespace: spec.namespace, annotations: spec.annotations, labels: spec.labels },
    spec: {
      type: 'ClusterIP',
      ...(spec.headless === true ? { clusterIP: 'None' } : {}),
      selector: spec.selector,
      ports: spec.ports.map((port) => ({ ...port, protocol: 'TCP' })),
    },
  };
}

export function disruptionBudget(
  name: Text,
  ns: Text,
  labels: Labels,
  selector: Labels,
  maxUnavailable: number | Expression<number> = 1,
): ManifestTemplate {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name, namespace: ns, labels },
    spec: { maxUnavailable, selector: { matchLabels: selector } },
  };
}

/** Where a process of ours finds what it needs for its workload certificate; the paths are Linkerd's. */
export const IDENTITY_PATHS = {
  token: '/var/run/secrets/tokens/linkerd-identity-token',
  trustRoots: '/var/run/linkerd/identity/trust-roots/ca-bundle.crt',
  issuer: '/var/run/linkerd/identity/issuer',
} as const;

/** The projected ServiceAccount token that `identity` trades for a certificate. */
export const IDENTITY_TOKEN_VOLUME = {
  name: 'linkerd-identity-token',
  projected: {
    sources: [
      {
        serviceAccountToken: { path: 'linkerd-identity-token', expirationSeconds: 86_400, audience: 'identity.l5d.io' },
      },
    ],
  },
} as const;

export const TRUST_ROOTS_VOLUME = { name: 'trust-roots', configMap: { name: 'linkerd-identity-trust-roots' } } as const;

export const IDENTITY_TOKEN_MOUNT = {
  name: 'linkerd-identity-token',
  mountPath: '/var/run/secrets/tokens',
  readOnly: true,
} as const;
export const TRUST_ROOTS_MOUNT = {
  name: 'trust-roots',
  mountPath: '/var/run/linkerd/identity/trust-roots',
  readOnly: true,
} as const;

/** A name that Kubernetes fills in from the pod itself. */
export function fieldEnv(name: string, fieldPath: string): Fields {
  return { name, valueFrom: { fieldRef: { fieldPath } } };
}
