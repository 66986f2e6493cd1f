/** Deployments, Services and the pod parts that the mesh's own processes share. */
import type { ImageValues, Resources } from '../values/control-plane.ts';
import type { Manifest } from './object.ts';
import { restrictedSecurity } from './object.ts';

export interface ContainerPort {
  readonly name: string;
  readonly containerPort: number;
}

export interface ContainerSpec {
  readonly name: string;
  readonly args: readonly string[];
  readonly image: Pick<ImageValues, 'name' | 'version' | 'pullPolicy'>;
  readonly ports: readonly ContainerPort[];
  readonly adminPort: number;
  readonly uid: number;
  readonly env?: readonly Readonly<Record<string, unknown>>[];
  readonly mounts?: readonly Readonly<Record<string, unknown>>[];
  readonly resources?: Resources;
}

/** A container of image `mesh` with its admin server's probes. */
export function container(spec: ContainerSpec): Readonly<Record<string, unknown>> {
  const resources = spec.resources === undefined ? undefined : resourceRequirements(spec.resources);
  return {
    name: spec.name,
    image: imageRef(spec.image),
    imagePullPolicy: spec.image.pullPolicy,
    args: spec.args,
    ...(spec.env === undefined || spec.env.length === 0 ? {} : { env: spec.env }),
    ports: spec.ports.map((port) => ({ ...port, protocol: 'TCP' })),
    livenessProbe: { httpGet: { path: '/live', port: spec.adminPort }, initialDelaySeconds: 10, periodSeconds: 10 },
    readinessProbe: { httpGet: { path: '/ready', port: spec.adminPort }, periodSeconds: 1, failureThreshold: 7 },
    ...(resources === undefined ? {} : { resources }),
    securityContext: restrictedSecurity(spec.uid),
    terminationMessagePolicy: 'FallbackToLogsOnError',
    ...(spec.mounts === undefined || spec.mounts.length === 0 ? {} : { volumeMounts: spec.mounts }),
  };
}

export function imageRef(image: Pick<ImageValues, 'name' | 'version'>): string {
  return image.version === '' ? image.name : `${image.name}:${image.version}`;
}

/** Requests and limits without the empty ones; `undefined` when nothing is asked for. */
export function resourceRequirements(resources: Resources): Readonly<Record<string, unknown>> | undefined {
  const of = (which: 'request' | 'limit'): Record<string, string> => ({
    ...(resources.cpu[which] === '' ? {} : { cpu: resources.cpu[which] }),
    ...(resources.memory[which] === '' ? {} : { memory: resources.memory[which] }),
  });
  const requests = of('request');
  const limits = of('limit');
  if (Object.keys(requests).length === 0 && Object.keys(limits).length === 0) return undefined;
  return {
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
    ...(Object.keys(requests).length === 0 ? {} : { requests }),
  };
}

export interface DeploymentSpec {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The subset of `labels` that identifies the pods, and never changes. */
  readonly selector: Readonly<Record<string, string>>;
  readonly podLabels?: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly replicas: number;
  readonly serviceAccount: string;
  readonly containers: readonly Readonly<Record<string, unknown>>[];
  readonly volumes: readonly Readonly<Record<string, unknown>>[];
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly tolerations?: readonly unknown[];
  readonly antiAffinity: boolean;
  readonly terminationGracePeriodSeconds?: number;
}

export function deployment(spec: DeploymentSpec): Manifest {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: spec.name, namespace: spec.namespace, annotations: spec.annotations, labels: spec.labels },
    spec: {
      replicas: spec.replicas,
      selector: { matchLabels: spec.selector },
      // One may be missing, none may be doubled where only one may lead: a surge keeps the service up while it is replaced.
      strategy: {
        type: 'RollingUpdate',
        rollingUpdate: { maxUnavailable: spec.antiAffinity ? 1 : '25%', maxSurge: '25%' },
      },
      template: {
        metadata: { annotations: spec.annotations, labels: { ...spec.labels, ...spec.podLabels, ...spec.selector } },
        spec: {
          ...(spec.antiAffinity ? { affinity: podAntiAffinity(spec.selector) } : {}),
          nodeSelector: spec.nodeSelector,
          ...(spec.tolerations === undefined || spec.tolerations.length === 0 ? {} : { tolerations: spec.tolerations }),
          securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
          serviceAccountName: spec.serviceAccount,
          ...(spec.terminationGracePeriodSeconds === undefined
            ? {}
            : { terminationGracePeriodSeconds: spec.terminationGracePeriodSeconds }),
          containers: spec.containers,
          volumes: spec.volumes,
        },
      },
    },
  };
}

function podAntiAffinity(selector: Readonly<Record<string, string>>): Readonly<Record<string, unknown>> {
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
  readonly nodePort?: number;
}

export function service(spec: {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly selector: Readonly<Record<string, string>>;
  readonly ports: readonly ServicePort[];
  readonly headless?: boolean;
  readonly publishNotReady?: boolean;
}): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: spec.name, namespace: spec.namespace, annotations: spec.annotations, labels: spec.labels },
    spec: {
      type: 'ClusterIP',
      ...(spec.headless === true ? { clusterIP: 'None' } : {}),
      ...(spec.publishNotReady === true ? { publishNotReadyAddresses: true } : {}),
      selector: spec.selector,
      ports: spec.ports.map((port) => ({ ...port, protocol: 'TCP' })),
    },
  };
}

export function disruptionBudget(
  name: string,
  ns: string,
  labels: Readonly<Record<string, string>>,
  selector: Readonly<Record<string, string>>,
): Manifest {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: { name, namespace: ns, labels },
    spec: { maxUnavailable: 1, selector: { matchLabels: selector } },
  };
}

/** Where a process of ours finds what it needs for its workload certificate; the paths are Linkerd's. */
export const IDENTITY_PATHS = {
  token: '/var/run/secrets/tokens/linkerd-identity-token',
  endEntity: '/var/run/linkerd/identity/end-entity',
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
export function fieldEnv(name: string, fieldPath: string): Readonly<Record<string, unknown>> {
  return { name, valueFrom: { fieldRef: { fieldPath } } };
}
