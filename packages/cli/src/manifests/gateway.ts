/** The multi-cluster gateway: its Deployment, the Service that peers reach, its rights and its policy. */
import { CONTROL_PLANE_NAMESPACE, EXTENSION_LABELS, extensionEnv } from './extension.ts';
import type { Labels, RbacRule } from './object.ts';
import { clusterAccess, namespacedAccess, rule, serviceAccount, WATCH } from './object.ts';
import { controlPlaneAddress, controlPlaneIdentity, CREATED_BY, TRUST_DOMAIN } from './provenance.ts';
import type { Expression } from './template.ts';
import { asText, both, extension, isAbove, isSet, NAMESPACE, overlaid, text, tree, when } from './template.ts';
import {
  container,
  deployment,
  disruptionBudget,
  IDENTITY_TOKEN_MOUNT,
  IDENTITY_TOKEN_VOLUME,
  TRUST_ROOTS_MOUNT,
  TRUST_ROOTS_VOLUME,
} from './workload.ts';

const NAME = extension('gateway.name');
const LABELS: Labels = { ...EXTENSION_LABELS, app: NAME };
const SELECTOR: Labels = { app: NAME };

/** The gateway forwards to exported Services only, so it must see which are, for whom, and which bridges it serves. */
export const GATEWAY_RULES: readonly RbacRule[] = [
  rule('', ['services'], WATCH),
  rule('discovery.k8s.io', ['endpointslices'], WATCH),
  rule('federation.mesh.dev', ['exportpolicies'], WATCH),
  rule('multicluster.x-k8s.io', ['serviceexports'], WATCH),
];
/** Peers are those that a Link or a Peer names. */
export const GATEWAY_LINK_RULES: readonly RbacRule[] = [
  rule('multicluster.linkerd.io', ['links'], WATCH),
  rule('federation.mesh.dev', ['peers'], WATCH),
];

export function gatewayManifests(): readonly unknown[] {
  const account = { name: NAME, namespace: NAMESPACE };
  const several = isAbove(extension('gateway.replicas'), 1);
  const objects = [
    serviceAccount(NAME, NAMESPACE, LABELS),
    ...clusterAccess(NAME, account, LABELS, GATEWAY_RULES),
    ...namespacedAccess(text`${NAME}-links`, NAMESPACE, account, LABELS, GATEWAY_LINK_RULES),
    gatewayService(),
    ...policy(),
    when(several, disruptionBudget(NAME, NAMESPACE, LABELS, SELECTOR)),
    deployment({
      name: NAME,
      namespace: NAMESPACE,
      labels: LABELS,
      selector: SELECTOR,
      podLabels: {
        'linkerd.io/control-plane-ns': CONTROL_PLANE_NAMESPACE,
        'linkerd.io/workload-ns': NAMESPACE,
        'linkerd.io/proxy-deployment': NAME,
      },
      annotations: { ...CREATED_BY, 'linkerd.io/inject': 'disabled' },
      podAnnotations: [extension('gateway.deploymentAnnotations')],
      replicas: extension('gateway.replicas'),
      // The next one serves before the old one leaves; on few nodes anti-affinity leaves no room for more than are there.
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: when(several, 1, 0), maxSurge: 1 } },
      serviceAccount: NAME,
      terminationGracePeriodSeconds: extension('gateway.terminationGracePeriodSeconds'),
      containers: [gatewayContainer()],
      volumes: [TRUST_ROOTS_VOLUME, IDENTITY_TOKEN_VOLUME],
      antiAffinity: both(extension('enablePodAntiAffinity'), several),
    }),
  ];
  return objects.map((object) => when(extension('gateway.enabled'), object));
}

function gatewayContainer(): unknown {
  const cp = CONTROL_PLANE_NAMESPACE;
  const destination = controlPlaneIdentity('linkerd-destination', cp);
  return container({
    name: 'gateway',
    args: ['gateway'],
    ports: [
      { name: 'mc-gateway', containerPort: extension('gateway.port') },
      { name: 'mc-probe', containerPort: extension('gateway.probe.port') },
      { name: 'gw-admin', containerPort: 9994 },
    ],
    adminPort: 9994,
    uid: extension('gateway.UID'),
    gid: extension('gateway.GID'),
    env: [
      ...extensionEnv({ level: extension('controllerLogLevel'), format: extension('controllerLogFormat') }),
      { name: 'MESH_CLUSTER_NAME', value: extension('clusterName') },
      { name: 'MESH_GATEWAY_PORT', value: asText(extension('gateway.port')) },
      { name: 'MESH_GATEWAY_PROBE_PORT', value: asText(extension('gateway.probe.port')) },
      { name: 'MESH_GATEWAY_PROBE_PATH', value: extension('gateway.probe.path') },
      { name: 'MESH_GATEWAY_WORKERS', value: asText(extension('gateway.workers')) },
      { name: 'MESH_GATEWAY_ADMIT', value: extension('gateway.admit') },
      {
        name: 'MESH_GATEWAY_MAX_CONNECTIONS_PER_CLIENT',
        value: asText(extension('gateway.maxConnectionsPerClient')),
      },
      { name: 'MESH_DESTINATION_ADDRESS', value: controlPlaneAddress('linkerd-dst-headless', cp, 8086) },
      { name: 'MESH_DESTINATION_NAME', value: destination },
      { name: 'MESH_POLICY_ADDRESS', value: controlPlaneAddress('linkerd-policy', cp, 8090) },
      { name: 'MESH_POLICY_NAME', value: destination },
    ],
    mounts: [TRUST_ROOTS_MOUNT, IDENTITY_TOKEN_MOUNT],
    resources: {
      cpu: { request: extension('gateway.resources.cpu.request'), limit: extension('gateway.resources.cpu.limit') },
      memory: {
        request: extension('gateway.resources.memory.request'),
        limit: extension('gateway.resources.memory.limit'),
      },
    },
  });
}

function gatewayService(): unknown {
  const trafficPolicy = extension('gateway.serviceExternalTrafficPolicy');
  const optional = (name: 'healthCheckNodePort' | 'loadBalancerClass' | 'loadBalancerIP') =>
    when(isSet(extension(`gateway.${name}`)), extension(`gateway.${name}`));
  const ranges = extension('gateway.loadBalancerSourceRanges');
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: NAME,
      namespace: NAMESPACE,
      annotations: overlaid(
        {
          ...CREATED_BY,
          // Peers demand this identity, and Links carry it.
          'mirror.linkerd.io/gateway-identity': text`${NAME}.${NAMESPACE}.serviceaccount.identity.${CONTROL_PLANE_NAMESPACE}.${TRUST_DOMAIN}`,
          'mirror.linkerd.io/probe-period': asText(extension('gateway.probe.seconds')),
          'mirror.linkerd.io/probe-path': extension('gateway.probe.path'),
          'mirror.linkerd.io/multicluster-gateway': 'true',
          component: 'gateway',
        },
        extension('gateway.serviceAnnotations'),
      ),
      labels: LABELS,
    },
    spec: {
      type: extension('gateway.serviceType'),
      externalTrafficPolicy: when(isSet(trafficPolicy), trafficPolicy),
      healthCheckNodePort: optional('healthCheckNodePort'),
      loadBalancerClass: optional('loadBalancerClass'),
      loadBalancerIP: optional('loadBalancerIP'),
      loadBalancerSourceRanges: when(isSet(ranges), tree(ranges)),
      selector: SELECTOR,
      ports: [
        port('mc-gateway', extension('gateway.port'), extension('gateway.nodePort')),
        port('mc-probe', extension('gateway.probe.port'), extension('gateway.probe.nodePort')),
      ],
    },
  };
}

function port(name: string, number: Expression<number>, nodePort: Expression<number>): unknown {
  return { name, port: number, protocol: 'TCP', targetPort: number, nodePort: when(isSet(nodePort), nodePort) };
}

/** As Linkerd states it: any meshed identity, from networks that an operator narrows to the peers'. */
function policy(): readonly unknown[] {
  const meta = (name: unknown) => ({ name, namespace: NAMESPACE, labels: LABELS });
  return [
    {
      apiVersion: 'policy.linkerd.io/v1beta3',
      kind: 'Server',
      metadata: meta(NAME),
      spec: { podSelector: { matchLabels: SELECTOR }, port: 'mc-gateway' },
    },
    {
      apiVersion: 'policy.linkerd.io/v1alpha1',
      kind: 'AuthorizationPolicy',
      metadata: meta(NAME),
      spec: {
        targetRef: { group: 'policy.linkerd.io', kind: 'Server', name: NAME },
        requiredAuthenticationRefs: [
          { group: 'policy.linkerd.io', kind: 'MeshTLSAuthentication', name: 'any-meshed' },
          { group: 'policy.linkerd.io', kind: 'NetworkAuthentication', name: 'source-cluster' },
        ],
      },
    },
    {
      apiVersion: 'policy.linkerd.io/v1alpha1',
      kind: 'MeshTLSAuthentication',
      metadata: meta('any-meshed'),
      spec: { identities: ['*'] },
    },
    {
      apiVersion: 'policy.linkerd.io/v1alpha1',
      kind: 'NetworkAuthentication',
      metadata: meta('source-cluster'),
      spec: { networks: [{ cidr: '0.0.0.0/0' }, { cidr: '::/0' }] },
    },
  ];
}
