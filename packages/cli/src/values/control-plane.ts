/**
 * The values of the control plane, by Linkerd's names: what `mesh install` and the chart `mesh-control-plane` take, and what ConfigMap
 * `linkerd-config` remembers (without private keys).
 */
import { MESH_VERSION } from '../version.ts';
import { deepMerge } from './merge.ts';
import type { PartialValues } from './merge.ts';
import { cidrs, openMap, PROXY_INIT_SPEC, PROXY_SPEC, NETWORK_VALIDATOR_SPEC, PULL_POLICIES } from './proxy-spec.ts';
import { defaultsOf, duration, flag, group, integer, list, map, oneOf, resources, text } from './spec.ts';
import type { ValuesOf } from './spec.ts';

/** What of Linkerd's log levels our controllers know. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;

export const CONTROL_PLANE_SPEC = group('values of the control plane', {
  linkerdVersion: text(MESH_VERSION, 'version that the objects carry'),
  cliVersion: text('', 'what made the objects, for annotation linkerd.io/created-by; empty: the chart'),
  clusterDomain: text('cluster.local', 'DNS domain of the cluster'),
  clusterNetworks: cidrs(
    '10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16,fd00::/8',
    'networks of pods, Services and nodes; addresses outside are not looked up',
  ),
  identityTrustDomain: text('', 'domain of workload identities; empty: clusterDomain'),
  identityTrustAnchorsPEM: text('', 'trust anchors of all linked clusters, PEM; required by the chart'),
  controllerImage: text('mesh', 'image of every controller: repository'),
  controllerImageVersion: text(MESH_VERSION, 'image of every controller: tag'),
  controllerLogLevel: oneOf('info', LOG_LEVELS, 'level of logs'),
  controllerLogFormat: oneOf('plain', ['plain', 'json'], 'format of logs'),
  controllerReplicas: integer(1, 'pods of each controller', 0, 100),
  controllerUID: integer(2103, 'user of the controllers', 1),
  controllerGID: integer(-1, 'group of the controllers; below 0: none set', -1),
  imagePullPolicy: oneOf('IfNotPresent', PULL_POLICIES, 'when images are pulled'),
  imagePullSecrets: list('Secrets with registry credentials, each {name: …}'),
  priorityClassName: text('', 'priority of the controllers, such as system-cluster-critical'),
  runtimeClassName: text('', 'runtime class of the controllers'),
  podAnnotations: openMap('more annotations of the pods of the controllers'),
  podLabels: openMap('more labels of the pods of the controllers'),
  revisionHistoryLimit: integer(10, 'old ReplicaSets to keep', 0, 1000),
  deploymentStrategy: map(
    { rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } },
    'how pods of the controllers are replaced',
    'any',
  ),
  enablePodAntiAffinity: flag(false, 'keep replicas on separate nodes, in separate zones where there are several'),
  enablePodDisruptionBudget: flag(false, 'let evictions take only some replicas'),
  controller: group('what all controllers share', {
    podDisruptionBudget: group('used with enablePodDisruptionBudget', {
      maxUnavailable: integer(1, 'pods that may be away at a time', 0, 100),
    }),
  }),
  enableH2Upgrade: flag(false, 'tell sidecars that HTTP/1.1 between them may travel in HTTP/2'),
  disableIPv6: flag(true, 'redirect and listen on IPv4 only'),
  cniEnabled: flag(false, 'a CNI plugin redirects the traffic of pods, so pods get no init container with NET_ADMIN'),
  highAvailability: flag(false, 'what check expects; set by --ha and values-ha.yaml with all that belongs to it'),
  webhookFailurePolicy: oneOf('Ignore', ['Ignore', 'Fail'], 'what happens to new pods when no injector answers'),
  installNamespace: flag(false, 'print the Namespace too; needs a release that is stored in another namespace'),
  nodeSelector: map({ 'kubernetes.io/os': 'linux' }, 'nodes for the controllers', 'text'),
  tolerations: list('tolerations of the controllers'),
  identity: group('issuing certificates', {
    externalCA: flag(false, 'somebody else keeps ConfigMap linkerd-identity-trust-roots'),
    issuer: group('the issuer of this cluster', {
      scheme: oneOf(
        'linkerd.io/tls',
        ['linkerd.io/tls', 'kubernetes.io/tls'],
        'kubernetes.io/tls: somebody else (cert-manager) keeps Secret linkerd-identity-issuer',
      ),
      clockSkewAllowance: duration('20s', 'clock skew tolerated when issuing'),
      issuanceLifetime: duration('24h0m0s', 'how long workload certificates live'),
      tls: group('used with scheme linkerd.io/tls', {
        crtPEM: text('', 'certificate of the issuer, PEM; required by the chart'),
        keyPEM: text('', 'private key of the issuer, PEM; required by the chart'),
      }),
    }),
  }),
  proxy: PROXY_SPEC,
  proxyInit: PROXY_INIT_SPEC,
  networkValidator: NETWORK_VALIDATOR_SPEC,
  debugContainer: group('the container that annotation config.linkerd.io/enable-debug-sidecar adds', {
    image: group('its image', {
      name: text('cr.l5d.io/linkerd/debug', 'repository'),
      version: text('stable-2.14.10', 'tag'),
      pullPolicy: oneOf('', PULL_POLICIES, 'empty: imagePullPolicy'),
    }),
  }),
  proxyInjector: group('the webhook that injects', {
    timeoutSeconds: integer(10, 'how long the API server waits for it', 1, 30),
    externalSecret: flag(
      false,
      'somebody else (cert-manager) keeps Secret linkerd-proxy-injector-k8s-tls and the bundle of the webhook; else the injector renews both',
    ),
    injectCaFrom: text('', 'cert-manager Certificate, NAMESPACE/NAME, whose authority goes into the webhook'),
    injectCaFromSecret: text('', 'Secret, NAMESPACE/NAME, whose authority cert-manager puts into the webhook'),
    caBundle: text('', 'authority of its certificate, PEM; empty: the injector sees to it'),
    crtPEM: text(
      '',
      'certificate for linkerd-proxy-injector.NAMESPACE.svc, PEM; empty: the injector makes and renews one',
    ),
    keyPEM: text('', 'private key of that certificate, PEM'),
    namespaceSelector: map(
      {
        matchExpressions: [
          { key: 'config.linkerd.io/admission-webhooks', operator: 'NotIn', values: ['disabled'] },
          { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system', 'cert-manager'] },
        ],
      },
      'namespaces that it is asked about',
      'any',
    ),
    objectSelector: map(
      {
        matchExpressions: [
          { key: 'linkerd.io/control-plane-component', operator: 'DoesNotExist' },
          { key: 'linkerd.io/cni-resource', operator: 'DoesNotExist' },
        ],
      },
      'objects that it is asked about',
      'any',
    ),
  }),
  identityResources: resources('requests and limits of the identity controller'),
  destinationResources: resources('requests and limits of the destination and policy controllers'),
  proxyInjectorResources: resources('requests and limits of the injector'),
});

export type ControlPlaneValues = ValuesOf<typeof CONTROL_PLANE_SPEC>;

/** Linkerd's defaults, where the value exists there; certificates are empty until someone fills them in. */
export function defaultControlPlaneValues(): ControlPlaneValues {
  return defaultsOf(CONTROL_PLANE_SPEC);
}

const CONTROLLER_RESOURCES = { cpu: { request: '100m' }, memory: { request: '50Mi', limit: '250Mi' } } as const;

/** What `--ha` and `values-ha.yaml` change: three replicas kept apart, requests and limits, and a webhook that fails closed. */
export const HA_CONTROL_PLANE_VALUES: PartialValues<ControlPlaneValues> = {
  highAvailability: true,
  controllerReplicas: 3,
  enablePodAntiAffinity: true,
  enablePodDisruptionBudget: true,
  deploymentStrategy: { rollingUpdate: { maxUnavailable: 1, maxSurge: '25%' } },
  webhookFailurePolicy: 'Fail',
  proxy: { resources: { cpu: { request: '100m' }, memory: { request: '20Mi', limit: '250Mi' } } },
  identityResources: { cpu: { request: '100m' }, memory: { request: '10Mi', limit: '250Mi' } },
  destinationResources: CONTROLLER_RESOURCES,
  proxyInjectorResources: CONTROLLER_RESOURCES,
};

export function highAvailability(values: ControlPlaneValues): ControlPlaneValues {
  return deepMerge(CONTROL_PLANE_SPEC, values, HA_CONTROL_PLANE_VALUES);
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
