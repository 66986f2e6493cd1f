/** The multi-cluster gateway: its Deployment, the Service that peers reach, its rights and its policy. */
import type { MulticlusterValues } from '../values/multicluster.ts';
import { createdBy, EXTENSION_LABELS, extensionEnv } from './extension.ts';
import type { Manifest } from './object.ts';
import { clusterAccess, EVENT_RULES, namespacedAccess, READ, rule, serviceAccount } from './object.ts';
import {
  container,
  deployment,
  disruptionBudget,
  IDENTITY_TOKEN_MOUNT,
  IDENTITY_TOKEN_VOLUME,
  TRUST_ROOTS_MOUNT,
  TRUST_ROOTS_VOLUME,
} from './workload.ts';

/** The identity that peers demand of the gateway, and Links carry. */
export function gatewayIdentity(values: MulticlusterValues, ns: string): string {
  return `${values.gateway.name}.${ns}.serviceaccount.identity.${values.linkerdNamespace}.${values.identityTrustDomain}`;
}

export function gatewayManifests(values: MulticlusterValues, ns: string): readonly Manifest[] {
  const { gateway } = values;
  const { name } = gateway;
  const labels = { ...EXTENSION_LABELS, app: name };
  const selector = { app: name };
  const account = { name, namespace: ns };
  return [
    serviceAccount(name, ns, labels),
    // The gateway forwards to exported Services only, so it must see which are.
    ...clusterAccess(name, account, labels, [
      rule('', ['services'], READ),
      rule('discovery.k8s.io', ['endpointslices'], READ),
      ...EVENT_RULES,
    ]),
    ...namespacedAccess(`${name}-links`, ns, account, labels, [rule('multicluster.linkerd.io', ['links'], READ)]),
    gatewayService(values, ns, labels, selector),
    ...policy(name, ns, labels),
    ...(gateway.replicas > 1 ? [disruptionBudget(name, ns, labels, selector)] : []),
    deployment({
      name,
      namespace: ns,
      labels,
      selector,
      podLabels: {
        'linkerd.io/control-plane-ns': values.linkerdNamespace,
        'linkerd.io/workload-ns': ns,
        'linkerd.io/proxy-deployment': name,
      },
      annotations: { ...createdBy(values), 'linkerd.io/inject': 'disabled' },
      replicas: gateway.replicas,
      serviceAccount: name,
      terminationGracePeriodSeconds: gateway.terminationGracePeriodSeconds,
      containers: [
        container({
          name: 'gateway',
          args: ['gateway'],
          image: {
            name: values.controllerImage,
            version: values.controllerImageVersion,
            pullPolicy: values.imagePullPolicy,
          },
          ports: [
            { name: 'mc-gateway', containerPort: gateway.port },
            { name: 'mc-probe', containerPort: gateway.probe.port },
            { name: 'gw-admin', containerPort: 9994 },
          ],
          adminPort: 9994,
          uid: gateway.UID,
          env: [...extensionEnv(values), ...gatewayEnv(values)],
          mounts: [TRUST_ROOTS_MOUNT, IDENTITY_TOKEN_MOUNT],
        }),
      ],
      volumes: [TRUST_ROOTS_VOLUME, IDENTITY_TOKEN_VOLUME],
      nodeSelector: values.nodeSelector,
      antiAffinity: values.enablePodAntiAffinity && gateway.replicas > 1,
    }),
  ];
}

function gatewayEnv(values: MulticlusterValues): readonly Readonly<Record<string, unknown>>[] {
  const cp = values.linkerdNamespace;
  const destination = `linkerd-destination.${cp}.serviceaccount.identity.${cp}.${values.identityTrustDomain}`;
  return [
    { name: 'MESH_GATEWAY_PORT', value: String(values.gateway.port) },
    { name: 'MESH_GATEWAY_PROBE_PORT', value: String(values.gateway.probe.port) },
    { name: 'MESH_GATEWAY_PROBE_PATH', value: values.gateway.probe.path },
    { name: 'MESH_DESTINATION_ADDRESS', value: `linkerd-dst-headless.${cp}.svc.${values.clusterDomain}.:8086` },
    { name: 'MESH_DESTINATION_NAME', value: destination },
    { name: 'MESH_POLICY_ADDRESS', value: `linkerd-policy.${cp}.svc.${values.clusterDomain}.:8090` },
    { name: 'MESH_POLICY_NAME', value: destination },
  ];
}

function gatewayService(
  values: MulticlusterValues,
  ns: string,
  labels: Readonly<Record<string, string>>,
  selector: Readonly<Record<string, string>>,
): Manifest {
  const { gateway } = values;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: gateway.name,
      namespace: ns,
      annotations: {
        ...createdBy(values),
        'mirror.linkerd.io/gateway-identity': gatewayIdentity(values, ns),
        'mirror.linkerd.io/probe-period': String(gateway.probe.seconds),
        'mirror.linkerd.io/probe-path': gateway.probe.path,
        'mirror.linkerd.io/multicluster-gateway': 'true',
        component: 'gateway',
        ...gateway.serviceAnnotations,
      },
      labels,
    },
    spec: {
      type: gateway.serviceType,
      ...(gateway.serviceExternalTrafficPolicy === ''
        ? {}
        : { externalTrafficPolicy: gateway.serviceExternalTrafficPolicy }),
      ...(gateway.healthCheckNodePort === 0 ? {} : { healthCheckNodePort: gateway.healthCheckNodePort }),
      ...(gateway.loadBalancerClass === '' ? {} : { loadBalancerClass: gateway.loadBalancerClass }),
      ...(gateway.loadBalancerIP === '' ? {} : { loadBalancerIP: gateway.loadBalancerIP }),
      ...(gateway.loadBalancerSourceRanges.length === 0
        ? {}
        : { loadBalancerSourceRanges: gateway.loadBalancerSourceRanges }),
      selector,
      ports: [
        port('mc-gateway', gateway.port, gateway.nodePort),
        port('mc-probe', gateway.probe.port, gateway.probe.nodePort),
      ],
    },
  };
}

function port(name: string, number: number, nodePort: number): Readonly<Record<string, unknown>> {
  return { name, port: number, protocol: 'TCP', targetPort: number, ...(nodePort === 0 ? {} : { nodePort }) };
}

/** As Linkerd states it: any meshed identity, from networks that an operator narrows to the peers'. */
function policy(name: string, ns: string, labels: Readonly<Record<string, string>>): readonly Manifest[] {
  const meta = (objectName: string) => ({ name: objectName, namespace: ns, labels });
  return [
    {
      apiVersion: 'policy.linkerd.io/v1beta3',
      kind: 'Server',
      metadata: meta(name),
      spec: { podSelector: { matchLabels: { app: name } }, port: 'mc-gateway' },
    },
    {
      apiVersion: 'policy.linkerd.io/v1alpha1',
      kind: 'AuthorizationPolicy',
      metadata: meta(name),
      spec: {
        targetRef: { group: 'policy.linkerd.io', kind: 'Server', name },
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
