/** The values of the multi-cluster extension's manifests, by the names of Linkerd's multicluster chart. */
import { MESH_VERSION } from '../version.ts';

export interface MulticlusterValues {
  readonly linkerdVersion: string;
  readonly linkerdNamespace: string;
  readonly clusterDomain: string;
  readonly identityTrustDomain: string;
  readonly controllerImage: string;
  readonly controllerImageVersion: string;
  readonly controllerLogLevel: string;
  readonly controllerLogFormat: string;
  readonly imagePullPolicy: string;
  readonly enableNamespaceCreation: boolean;
  readonly remoteMirrorServiceAccount: boolean;
  readonly remoteMirrorServiceAccountName: string;
  readonly enablePodAntiAffinity: boolean;
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly gateway: {
    readonly enabled: boolean;
    readonly name: string;
    readonly replicas: number;
    readonly port: number;
    readonly serviceType: string;
    readonly nodePort: number;
    readonly healthCheckNodePort: number;
    readonly loadBalancerIP: string;
    readonly loadBalancerClass: string;
    readonly loadBalancerSourceRanges: readonly string[];
    readonly serviceExternalTrafficPolicy: string;
    readonly serviceAnnotations: Readonly<Record<string, string>>;
    readonly terminationGracePeriodSeconds: number;
    readonly UID: number;
    readonly probe: {
      readonly path: string;
      readonly port: number;
      readonly nodePort: number;
      readonly seconds: number;
    };
  };
  /** One controller serves all Links, so these are the values of one Deployment, not of one per Link. */
  readonly controllerDefaults: {
    readonly replicas: number;
    readonly logLevel: string;
    readonly logFormat: string;
    readonly enableHeadlessServices: boolean;
    readonly UID: number;
  };
}

export function defaultMulticlusterValues(): MulticlusterValues {
  return {
    linkerdVersion: MESH_VERSION,
    linkerdNamespace: 'linkerd',
    clusterDomain: 'cluster.local',
    identityTrustDomain: 'cluster.local',
    controllerImage: 'mesh',
    controllerImageVersion: MESH_VERSION,
    controllerLogLevel: 'info',
    controllerLogFormat: 'plain',
    imagePullPolicy: 'IfNotPresent',
    enableNamespaceCreation: false,
    remoteMirrorServiceAccount: true,
    remoteMirrorServiceAccountName: 'linkerd-service-mirror-remote-access-default',
    enablePodAntiAffinity: false,
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    gateway: {
      enabled: true,
      name: 'linkerd-gateway',
      replicas: 1,
      port: 4143,
      serviceType: 'LoadBalancer',
      nodePort: 0,
      healthCheckNodePort: 0,
      loadBalancerIP: '',
      loadBalancerClass: '',
      loadBalancerSourceRanges: [],
      serviceExternalTrafficPolicy: '',
      serviceAnnotations: {},
      terminationGracePeriodSeconds: 30,
      UID: 2103,
      probe: { path: '/ready', port: 4191, nodePort: 0, seconds: 3 },
    },
    controllerDefaults: { replicas: 1, logLevel: 'info', logFormat: 'plain', enableHeadlessServices: false, UID: 2103 },
  };
}

/** What `--ha` changes: three gateways and two mirror controllers, one of them a warm standby, kept apart. */
export function highAvailabilityMulticluster(values: MulticlusterValues): MulticlusterValues {
  return {
    ...values,
    enablePodAntiAffinity: true,
    gateway: { ...values.gateway, replicas: 3 },
    controllerDefaults: { ...values.controllerDefaults, replicas: 2 },
  };
}
