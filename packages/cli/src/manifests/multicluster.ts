/** `mesh multicluster install`: gateway, mirror controller and what a linked cluster may read here. */
import type { MulticlusterValues } from '../values/multicluster.ts';
import { gatewayManifests } from './gateway.ts';
import { createdBy, EXTENSION_LABELS, extensionEnv } from './extension.ts';
import type { Manifest } from './object.ts';
import { clusterAccess, EVENT_RULES, namespace, namespacedAccess, READ, rule, serviceAccount } from './object.ts';
import {
  container,
  deployment,
  disruptionBudget,
  IDENTITY_TOKEN_MOUNT,
  IDENTITY_TOKEN_VOLUME,
  TRUST_ROOTS_VOLUME,
} from './workload.ts';

const REMOTE_ACCESS_ROLE = 'linkerd-service-mirror-remote-access-default';

/** Every object of the extension but the Link CRD. `trustAnchorsPem` is copied, as a pod cannot mount another namespace's ConfigMap. */
export function multiclusterManifests(
  values: MulticlusterValues,
  ns: string,
  trustAnchorsPem: string,
): readonly Manifest[] {
  return [
    namespace(ns, { ...EXTENSION_LABELS, 'pod-security.kubernetes.io/enforce': 'privileged' }),
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: 'linkerd-identity-trust-roots',
        namespace: ns,
        annotations: createdBy(values),
        labels: EXTENSION_LABELS,
      },
      data: { 'ca-bundle.crt': trustAnchorsPem.endsWith('\n') ? trustAnchorsPem : `${trustAnchorsPem}\n` },
    },
    ...(values.gateway.enabled ? gatewayManifests(values, ns) : []),
    ...(values.remoteMirrorServiceAccount
      ? remoteAccessManifests(values.remoteMirrorServiceAccountName, ns, createdBy(values))
      : []),
    ...mirrorManifests(values, ns),
  ];
}

/**
 * One ServiceAccount that a linked cluster's mirror uses here, with a token that does not expire and the right to read Services
 * and their endpoints. One account per linked cluster makes access revocable one by one (`mesh multicluster allow`).
 */
export function remoteAccessManifests(
  account: string,
  ns: string,
  annotations: Readonly<Record<string, string>>,
): readonly Manifest[] {
  const subject = { name: account, namespace: ns };
  return [
    serviceAccount(account, ns, EXTENSION_LABELS),
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name: `${account}-token`,
        namespace: ns,
        annotations: { ...annotations, 'kubernetes.io/service-account.name': account },
        labels: EXTENSION_LABELS,
      },
      type: 'kubernetes.io/service-account-token',
    },
    ...clusterAccess(
      account === REMOTE_ACCESS_ROLE ? REMOTE_ACCESS_ROLE : `linkerd-service-mirror-remote-access-${account}`,
      subject,
      EXTENSION_LABELS,
      [
        rule('', ['services', 'endpoints'], READ),
        rule('discovery.k8s.io', ['endpointslices'], READ),
        rule('', ['configmaps'], ['get'], ['linkerd-config', 'linkerd-identity-trust-roots']),
        ...EVENT_RULES,
      ],
    ),
  ];
}

function mirrorManifests(values: MulticlusterValues, ns: string): readonly Manifest[] {
  const name = 'linkerd-service-mirror';
  const account = { name, namespace: ns };
  const labels = { ...EXTENSION_LABELS, component: name };
  const selector = { component: name };
  const defaults = values.controllerDefaults;
  return [
    serviceAccount(name, ns, labels),
    ...clusterAccess(`${name}-access-local-resources`, account, labels, [
      rule('', ['services'], [...READ, 'create', 'update', 'patch', 'delete']),
      // Endpoint slices of a Service that the writer may not finalize need this on clusters that block owner deletion.
      rule('', ['services/finalizers'], ['update']),
      rule('discovery.k8s.io', ['endpointslices'], [...READ, 'create', 'update', 'patch', 'delete']),
      rule('', ['endpoints'], READ),
      rule('', ['namespaces'], values.enableNamespaceCreation ? [...READ, 'create'] : READ),
      ...EVENT_RULES,
    ]),
    ...namespacedAccess(`${name}-manage-links`, ns, account, labels, [
      rule('', ['secrets'], READ),
      rule('multicluster.linkerd.io', ['links'], [...READ, 'update', 'patch']),
      rule('multicluster.linkerd.io', ['links/status'], ['update', 'patch']),
      rule('multicluster.linkerd.io', ['links/finalizers'], ['update']),
      rule('coordination.k8s.io', ['leases'], ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete']),
    ]),
    ...namespacedAccess('linkerd-service-mirror-read-config', values.linkerdNamespace, account, labels, [
      rule('', ['configmaps'], READ, ['linkerd-config', 'linkerd-identity-trust-roots']),
    ]),
    ...(defaults.replicas > 1 ? [disruptionBudget(name, ns, labels, selector)] : []),
    deployment({
      name,
      namespace: ns,
      labels,
      selector,
      annotations: { ...createdBy(values), 'linkerd.io/inject': 'disabled' },
      podLabels: {
        'linkerd.io/control-plane-ns': values.linkerdNamespace,
        'linkerd.io/workload-ns': ns,
        'linkerd.io/proxy-deployment': name,
      },
      replicas: defaults.replicas,
      serviceAccount: name,
      containers: [
        container({
          name: 'mirror',
          args: ['mirror'],
          image: {
            name: values.controllerImage,
            version: values.controllerImageVersion,
            pullPolicy: values.imagePullPolicy,
          },
          ports: [{ name: 'ctrl-admin', containerPort: 9999 }],
          adminPort: 9999,
          uid: defaults.UID,
          env: [
            ...extensionEnv(values),
            { name: 'MESH_NAMESPACE', value: ns },
            { name: 'MESH_ENABLE_NAMESPACE_CREATION', value: String(values.enableNamespaceCreation) },
            { name: 'MESH_ENABLE_HEADLESS_SERVICES', value: String(defaults.enableHeadlessServices) },
          ],
          mounts: [
            { name: 'trust-roots', mountPath: '/var/run/linkerd/identity/trust-roots', readOnly: true },
            IDENTITY_TOKEN_MOUNT,
          ],
        }),
      ],
      volumes: [TRUST_ROOTS_VOLUME, IDENTITY_TOKEN_VOLUME],
      nodeSelector: values.nodeSelector,
      antiAffinity: values.enablePodAntiAffinity && defaults.replicas > 1,
    }),
  ];
}
