/** The values of the multi-cluster extension, by the names of Linkerd's multicluster chart. */
import { MESH_VERSION } from '../version.ts';
import { LOG_LEVELS } from './control-plane.ts';
import { deepMerge } from './merge.ts';
import type { PartialValues } from './merge.ts';
import { openMap, PULL_POLICIES } from './proxy-spec.ts';
import { defaultsOf, flag, group, integer, list, map, oneOf, resources, text } from './spec.ts';
import type { ValuesOf } from './spec.ts';

export const MULTICLUSTER_SPEC = group('values of the multi-cluster extension', {
  linkerdVersion: text(MESH_VERSION, 'version that the objects carry'),
  cliVersion: text('', 'what made the objects, for annotation linkerd.io/created-by; empty: the chart'),
  linkerdNamespace: text('linkerd', 'namespace of the control plane'),
  clusterName: text('', 'name of this cluster among its peers; Multi-Cluster Services need it', {
    pattern: {
      source: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$',
      words: 'a DNS label: lower-case letters, digits, dashes, at most 63',
    },
  }),
  clusterDomain: text('cluster.local', 'DNS domain of the cluster'),
  identityTrustDomain: text('', 'domain of workload identities; empty: clusterDomain'),
  identityTrustAnchorsPEM: text(
    '',
    'trust anchors, PEM; empty: the chart copies them from the installed control plane',
  ),
  controllerImage: text('mesh', 'image of gateway and mirror: repository'),
  controllerImageVersion: text(MESH_VERSION, 'image of gateway and mirror: tag'),
  controllerLogLevel: oneOf('info', LOG_LEVELS, 'level of logs of the gateway'),
  controllerLogFormat: oneOf('plain', ['plain', 'json'], 'format of logs of the gateway'),
  imagePullPolicy: oneOf('IfNotPresent', PULL_POLICIES, 'when images are pulled'),
  imagePullSecrets: list('Secrets with registry credentials, each {name: …}'),
  priorityClassName: text('', 'priority of gateway and mirror, such as system-cluster-critical'),
  podAnnotations: openMap('more annotations of the pods'),
  podLabels: openMap('more labels of the pods'),
  revisionHistoryLimit: integer(10, 'old ReplicaSets to keep', 0, 1000),
  installNamespace: flag(false, 'print the Namespace too; needs a release that is stored in another namespace'),
  installMcsCrds: flag(
    true,
    'with the definitions of ServiceExport and ServiceImport; false where somebody else keeps them',
  ),
  peerNetworks: text(
    '',
    'networks in which pods of linked clusters may be, comma-separated; empty: anywhere but in loopback, link-local, multicast and reserved networks',
  ),
  clustersetNetwork: text(
    '',
    'network, a ServiceCIDR of every cluster, in which a ServiceImport has the same address everywhere; empty: any address of the cluster',
  ),
  enableNamespaceCreation: flag(false, 'the mirror creates namespaces that exported Services need'),
  remoteMirrorServiceAccount: flag(true, 'with an account that linked clusters use here'),
  remoteMirrorServiceAccountName: text('linkerd-service-mirror-remote-access-default', 'name of that account', {
    pattern: {
      source: '^[a-z0-9]([-a-z0-9]{0,57}[a-z0-9])?$',
      words: 'lower-case letters, digits and dashes, at most 59',
    },
  }),
  remoteMirrorAccess: oneOf(
    'exports',
    ['exports', 'cluster'],
    'what that account may read: exports, what this cluster shows to all of its peers; cluster, all Services and endpoints, which mirrors of Linkerd need',
  ),
  enablePodAntiAffinity: flag(false, 'keep replicas on separate nodes, in separate zones where there are several'),
  nodeSelector: map({ 'kubernetes.io/os': 'linux' }, 'nodes for gateway and mirror', 'text'),
  tolerations: list('tolerations of gateway and mirror'),
  gateway: group('the gateway that other clusters reach', {
    enabled: flag(true, 'with a gateway'),
    name: text('linkerd-gateway', 'name of its Deployment, Service and account', {
      pattern: {
        source: '^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$',
        words: 'a DNS label: lower-case letters, digits, dashes',
      },
    }),
    replicas: integer(1, 'pods', 0, 100),
    port: integer(4143, 'port for traffic', 1, 65_535),
    serviceType: oneOf('LoadBalancer', ['LoadBalancer', 'NodePort', 'ClusterIP'], 'type of its Service'),
    nodePort: integer(0, 'node port for traffic; 0: chosen by the cluster', 0, 65_535),
    healthCheckNodePort: integer(0, 'node port of health checks; 0: chosen by the cluster', 0, 65_535),
    loadBalancerIP: text('', 'address to ask the load balancer for'),
    loadBalancerClass: text('', 'class of the load balancer'),
    loadBalancerSourceRanges: list('networks that the load balancer admits', 'text'),
    serviceExternalTrafficPolicy: oneOf('', ['Cluster', 'Local'], 'external traffic policy of its Service'),
    serviceAnnotations: openMap('more annotations of its Service, such as those of a cloud'),
    deploymentAnnotations: openMap('more annotations of its pods'),
    workers: integer(1, 'processes of a pod that share its port; more than one for more than one core', 1, 16),
    admit: oneOf(
      '',
      ['peers', 'trust-domain'],
      'whom it admits: clients of clusters that a Peer or a Link names, or all of their trust domains; empty: peers as soon as all have told their issuers',
    ),
    maxConnectionsPerClient: integer(10_000, 'connections of one client; 0: no limit'),
    terminationGracePeriodSeconds: integer(30, 'how long open connections may take to end', 0, 86_400),
    UID: integer(2103, 'user', 1),
    GID: integer(-1, 'group; below 0: none set', -1),
    // All traffic between clusters goes through it; a pod that asks for nothing gets what busy ones leave of its node.
    resources: resources('requests and limits', { cpuRequest: '100m' }),
    probe: group('how peers find out whether it lives', {
      path: text('/ready', 'path'),
      port: integer(4191, 'port', 1, 65_535),
      nodePort: integer(0, 'node port; 0: chosen by the cluster', 0, 65_535),
      seconds: integer(3, 'how often', 1, 3600),
    }),
  }),
  controllerDefaults: group('the mirror: one Deployment serves all Links', {
    replicas: integer(1, 'pods; one works, the others wait', 0, 100),
    logLevel: oneOf('', LOG_LEVELS, 'level of logs; empty: controllerLogLevel'),
    logFormat: oneOf('', ['plain', 'json'], 'format of logs; empty: controllerLogFormat'),
    UID: integer(2103, 'user', 1),
    GID: integer(-1, 'group; below 0: none set', -1),
    resources: resources('requests and limits'),
  }),
  clustersetDns: group('the name server of imported Services (clusterset.local)', {
    enabled: flag(true, "with it; the cluster's resolver has to forward to it (mesh multicluster dns)"),
    replicas: integer(1, 'pods', 0, 100),
    clusterIP: text('', 'address of its Service, which resolvers are told; empty: chosen by the cluster'),
    UID: integer(2103, 'user', 1),
    GID: integer(-1, 'group; below 0: none set', -1),
    resources: resources('requests and limits'),
  }),
});

export type MulticlusterValues = ValuesOf<typeof MULTICLUSTER_SPEC>;

export function defaultMulticlusterValues(): MulticlusterValues {
  return defaultsOf(MULTICLUSTER_SPEC);
}

/** What `--ha` and `values-ha.yaml` change: three gateways, two mirror controllers, one of them a warm standby, and two name servers, kept apart. */
export const HA_MULTICLUSTER_VALUES: PartialValues<MulticlusterValues> = {
  enablePodAntiAffinity: true,
  gateway: {
    replicas: 3,
    resources: { cpu: { request: '100m' }, memory: { request: '50Mi', limit: '500Mi' } },
  },
  controllerDefaults: {
    replicas: 2,
    resources: { cpu: { request: '100m' }, memory: { request: '50Mi', limit: '500Mi' } },
  },
  clustersetDns: {
    replicas: 2,
    resources: { cpu: { request: '50m' }, memory: { request: '50Mi', limit: '300Mi' } },
  },
};

export function highAvailabilityMulticluster(values: MulticlusterValues): MulticlusterValues {
  return deepMerge(MULTICLUSTER_SPEC, values, HA_MULTICLUSTER_VALUES);
}
