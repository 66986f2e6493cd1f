/**
 * The values of the control plane's manifests, by Linkerd's names: what `mesh install` takes with `--set` and `--values`, what
 * the Helm chart will take, and what ConfigMap `linkerd-config` remembers (without private keys).
 */
import { MESH_VERSION } from '../version.ts';

export interface Resources {
  readonly cpu: { readonly request: string; readonly limit: string };
  readonly memory: { readonly request: string; readonly limit: string };
}

export interface ImageValues {
  readonly name: string;
  readonly version: string;
  readonly pullPolicy: string;
}

export interface ControlPlaneValues {
  readonly linkerdVersion: string;
  readonly clusterDomain: string;
  readonly clusterNetworks: string;
  readonly identityTrustDomain: string;
  readonly identityTrustAnchorsPEM: string;
  readonly cliVersion: string;
  readonly controllerImage: string;
  readonly controllerImageVersion: string;
  readonly controllerLogLevel: string;
  readonly controllerLogFormat: string;
  readonly controllerReplicas: number;
  readonly controllerUID: number;
  readonly imagePullPolicy: string;
  readonly enablePodAntiAffinity: boolean;
  readonly enablePodDisruptionBudget: boolean;
  readonly enableH2Upgrade: boolean;
  readonly enableEndpointSlices: boolean;
  readonly highAvailability: boolean;
  readonly webhookFailurePolicy: string;
  readonly nodeSelector: Readonly<Record<string, string>>;
  readonly tolerations: readonly unknown[];
  readonly identity: {
    readonly serviceAccountTokenProjection: boolean;
    readonly issuer: {
      readonly scheme: string;
      readonly clockSkewAllowance: string;
      readonly issuanceLifetime: string;
      readonly tls: { readonly crtPEM: string; readonly keyPEM: string };
    };
  };
  readonly proxy: {
    readonly image: ImageValues;
    readonly logLevel: string;
    readonly logFormat: string;
    readonly nativeSidecar: boolean;
    readonly await: boolean;
    readonly uid: number;
    readonly cores: number;
    readonly opaquePorts: string;
    readonly defaultInboundPolicy: string;
    readonly inboundConnectTimeout: string;
    readonly outboundConnectTimeout: string;
    readonly outboundDiscoveryCacheUnusedTimeout: string;
    readonly inboundDiscoveryCacheUnusedTimeout: string;
    readonly outboundTransportMode: string;
    readonly enableExternalProfiles: boolean;
    readonly enableShutdownEndpoint: boolean;
    readonly requireIdentityOnInboundPorts: string;
    readonly waitBeforeExitSeconds: number;
    readonly ports: {
      readonly admin: number;
      readonly control: number;
      readonly inbound: number;
      readonly outbound: number;
    };
    readonly control: {
      readonly streams: { readonly initialTimeout: string; readonly idleTimeout: string; readonly lifetime: string };
    };
    readonly resources: Resources;
  };
  readonly proxyInit: {
    readonly ignoreInboundPorts: string;
    readonly ignoreOutboundPorts: string;
    readonly kubeAPIServerPorts: string;
    readonly skipSubnets: string;
    readonly iptablesMode: string;
    readonly runAsUser: number;
    readonly runAsGroup: number;
  };
  readonly proxyInjector: {
    readonly timeoutSeconds: number;
    readonly caBundle: string;
    readonly crtPEM: string;
    readonly keyPEM: string;
    readonly namespaceSelector: Readonly<Record<string, unknown>>;
    readonly objectSelector: Readonly<Record<string, unknown>>;
  };
  readonly identityResources: Resources;
  readonly destinationResources: Resources;
  readonly proxyInjectorResources: Resources;
}

const NO_RESOURCES: Resources = { cpu: { request: '', limit: '' }, memory: { request: '', limit: '' } };
const HA_RESOURCES: Resources = { cpu: { request: '100m', limit: '' }, memory: { request: '50Mi', limit: '250Mi' } };

/** Linkerd's defaults, where the value exists there; certificates are empty until someone fills them in. */
export function defaultControlPlaneValues(): ControlPlaneValues {
  return {
    linkerdVersion: MESH_VERSION,
    cliVersion: `linkerd/cli ${MESH_VERSION}`,
    clusterDomain: 'cluster.local',
    clusterNetworks: '10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16,fd00::/8',
    identityTrustDomain: '',
    identityTrustAnchorsPEM: '',
    controllerImage: 'mesh',
    controllerImageVersion: MESH_VERSION,
    controllerLogLevel: 'info',
    controllerLogFormat: 'plain',
    controllerReplicas: 1,
    controllerUID: 2103,
    imagePullPolicy: 'IfNotPresent',
    enablePodAntiAffinity: false,
    enablePodDisruptionBudget: false,
    enableH2Upgrade: false, // Between our proxies HTTP/1.1 stays HTTP/1.1; turning the hint on is another issue's work.
    enableEndpointSlices: true,
    highAvailability: false,
    webhookFailurePolicy: 'Ignore',
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    tolerations: [],
    identity: {
      serviceAccountTokenProjection: true,
      issuer: {
        scheme: 'linkerd.io/tls',
        clockSkewAllowance: '20s',
        issuanceLifetime: '24h0m0s',
        tls: { crtPEM: '', keyPEM: '' },
      },
    },
    proxy: {
      image: { name: 'mesh-proxy', version: MESH_VERSION, pullPolicy: '' },
      logLevel: 'warn,linkerd=info,hickory=error',
      logFormat: 'plain',
      nativeSidecar: true,
      await: true,
      uid: 2102,
      cores: 0,
      opaquePorts: '25,587,3306,4444,5432,6379,9300,11211',
      defaultInboundPolicy: 'all-unauthenticated',
      inboundConnectTimeout: '100ms',
      outboundConnectTimeout: '1000ms',
      outboundDiscoveryCacheUnusedTimeout: '5s',
      inboundDiscoveryCacheUnusedTimeout: '90s',
      outboundTransportMode: 'transport-header',
      enableExternalProfiles: false,
      enableShutdownEndpoint: false,
      requireIdentityOnInboundPorts: '',
      waitBeforeExitSeconds: 0,
      ports: { admin: 4191, control: 4190, inbound: 4143, outbound: 4140 },
      control: { streams: { initialTimeout: '3s', idleTimeout: '5m', lifetime: '1h' } },
      resources: NO_RESOURCES,
    },
    proxyInit: {
      ignoreInboundPorts: '4567,4568',
      ignoreOutboundPorts: '4567,4568',
      kubeAPIServerPorts: '443,6443',
      skipSubnets: '',
      iptablesMode: 'nft',
      runAsUser: 65534,
      runAsGroup: 65534,
    },
    proxyInjector: {
      timeoutSeconds: 10,
      caBundle: '',
      crtPEM: '',
      keyPEM: '',
      namespaceSelector: {
        matchExpressions: [
          { key: 'config.linkerd.io/admission-webhooks', operator: 'NotIn', values: ['disabled'] },
          { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system', 'cert-manager'] },
        ],
      },
      objectSelector: {
        matchExpressions: [
          { key: 'linkerd.io/control-plane-component', operator: 'DoesNotExist' },
          { key: 'linkerd.io/cni-resource', operator: 'DoesNotExist' },
        ],
      },
    },
    identityResources: NO_RESOURCES,
    destinationResources: NO_RESOURCES,
    proxyInjectorResources: NO_RESOURCES,
  };
}

/** What `--ha` changes: three replicas kept apart, requests and limits, and a webhook that fails closed. */
export function highAvailability(values: ControlPlaneValues): ControlPlaneValues {
  return {
    ...values,
    highAvailability: true,
    controllerReplicas: 3,
    enablePodAntiAffinity: true,
    enablePodDisruptionBudget: true,
    webhookFailurePolicy: 'Fail',
    proxy: {
      ...values.proxy,
      resources: { cpu: { request: '100m', limit: '' }, memory: { request: '20Mi', limit: '250Mi' } },
    },
    identityResources: { cpu: { request: '100m', limit: '' }, memory: { request: '10Mi', limit: '250Mi' } },
    destinationResources: HA_RESOURCES,
    proxyInjectorResources: HA_RESOURCES,
  };
}

/** The trust domain, which is the cluster domain unless someone says otherwise. */
export function trustDomain(values: Pick<ControlPlaneValues, 'identityTrustDomain' | 'clusterDomain'>): string {
  return values.identityTrustDomain === '' ? values.clusterDomain : values.identityTrustDomain;
}

/** What `linkerd-config` keeps: everything but private keys, with defaults that depend on others filled in. */
export function publicValues(values: ControlPlaneValues): ControlPlaneValues {
  return {
    ...values,
    identityTrustDomain: trustDomain(values),
    identity: {
      ...values.identity,
      issuer: { ...values.identity.issuer, tls: { crtPEM: values.identity.issuer.tls.crtPEM, keyPEM: '' } },
    },
    proxyInjector: { ...values.proxyInjector, keyPEM: '' },
  };
}
