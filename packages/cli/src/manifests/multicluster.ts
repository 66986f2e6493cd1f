/** The multi-cluster extension's objects: definitions, gateway, mirror controller and what a linked cluster may read here. */
import type { MulticlusterValues } from '../values/multicluster.ts';
import type { TemplateFile } from './chart-template.ts';
import { clustersetDnsManifests } from './clusterset-dns.ts';
import { federationCrdManifests, linkCrdManifest, mcsCrdManifests } from './crds.ts';
import { CONTROL_PLANE_NAMESPACE, EXTENSION_LABELS, extensionEnv } from './extension.ts';
import { gatewayManifests } from './gateway.ts';
import type { Labels, Manifest, RbacRule } from './object.ts';
import { clusterAccess, EVENT_RULES, namespace, namespacedAccess, rule, serviceAccount, WATCH } from './object.ts';
import { CREATED_BY } from './provenance.ts';
import { remoteAccess } from './remote-access.ts';
import type { Text } from './template.ts';
import {
  asText,
  both,
  evaluateManifests,
  Expression,
  extension,
  isAbove,
  NAMESPACE,
  orElse,
  when,
  withNewline,
} from './template.ts';
import {
  container,
  deployment,
  disruptionBudget,
  IDENTITY_TOKEN_MOUNT,
  IDENTITY_TOKEN_VOLUME,
  TRUST_ROOTS_MOUNT,
  TRUST_ROOTS_VOLUME,
} from './workload.ts';

/** Every object of the extension, definitions first. */
export function multiclusterManifests(values: MulticlusterValues, ns: string): readonly Manifest[] {
  const scope = { values, namespace: ns };
  return MULTICLUSTER_FILES.flatMap(({ manifests }) => evaluateManifests(manifests, scope));
}

const WRITE = ['create', 'update', 'delete'] as const;
const MCS = 'multicluster.x-k8s.io';

/**
 * Mirrors and imports are Services with EndpointSlices of ours, in any namespace; single ones are read again after a conflict. Exports are read
 * where they are, and written into the namespaces of views.
 */
export const MIRROR_RULES: readonly unknown[] = [
  rule('', ['services'], ['get', ...WATCH, ...WRITE]),
  rule('discovery.k8s.io', ['endpointslices'], ['get', ...WATCH, ...WRITE]),
  rule('', ['namespaces'], [...WATCH, when(extension('enableNamespaceCreation'), 'create')]),
  rule('', ['pods', 'nodes'], WATCH),
  rule('federation.mesh.dev', ['exportpolicies'], WATCH),
  rule('federation.mesh.dev', ['exportedservices', 'exportedendpoints'], ['get', ...WATCH, ...WRITE]),
  rule(MCS, ['serviceexports'], WATCH),
  rule(MCS, ['serviceimports'], ['get', ...WATCH, ...WRITE]),
  rule(MCS, ['serviceexports/status', 'serviceimports/status'], ['patch']),
  rule('about.k8s.io', ['clusterproperties'], WATCH),
  ...EVENT_RULES,
];

/** In its own namespace: Links with finalizer and status, credentials and their renewal, peers, and the Lease that decides who works. */
export const MIRROR_LINK_RULES: readonly RbacRule[] = [
  rule('', ['secrets'], [...WATCH, 'patch']),
  rule('multicluster.linkerd.io', ['links'], [...WATCH, 'patch']),
  rule('multicluster.linkerd.io', ['links/status'], ['patch']),
  rule('federation.mesh.dev', ['peers'], WATCH),
  rule('federation.mesh.dev', ['peers/status'], ['patch']),
  rule('coordination.k8s.io', ['leases'], ['get', 'create', 'update']),
];

function mirrorManifests(): readonly unknown[] {
  const name = 'linkerd-service-mirror';
  const account = { name, namespace: NAMESPACE };
  const labels: Labels = { ...EXTENSION_LABELS, component: name };
  const selector: Labels = { component: name };
  const several = isAbove(extension('controllerDefaults.replicas'), 1);
  return [
    serviceAccount(name, NAMESPACE, labels),
    ...clusterAccess(`${name}-access-local-resources`, account, labels, MIRROR_RULES),
    ...namespacedAccess(`${name}-manage-links`, NAMESPACE, account, labels, MIRROR_LINK_RULES),
    when(several, disruptionBudget(name, NAMESPACE, labels, selector)),
    deployment({
      name,
      namespace: NAMESPACE,
      labels,
      selector,
      annotations: { ...CREATED_BY, 'linkerd.io/inject': 'disabled' },
      podLabels: {
        'linkerd.io/control-plane-ns': CONTROL_PLANE_NAMESPACE,
        'linkerd.io/workload-ns': NAMESPACE,
        'linkerd.io/proxy-deployment': name,
      },
      replicas: extension('controllerDefaults.replicas'),
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 1 } },
      serviceAccount: name,
      containers: [mirrorContainer()],
      volumes: [TRUST_ROOTS_VOLUME, IDENTITY_TOKEN_VOLUME],
      antiAffinity: both(extension('enablePodAntiAffinity'), several),
    }),
  ];
}

function mirrorContainer(): unknown {
  const orCommon = (own: Expression<string>, common: Expression<string>): Text => orElse(own, common);
  return container({
    name: 'mirror',
    args: ['mirror'],
    ports: [{ name: 'ctrl-admin', containerPort: 9999 }],
    adminPort: 9999,
    uid: extension('controllerDefaults.UID'),
    gid: extension('controllerDefaults.GID'),
    env: [
      ...extensionEnv({
        level: orCommon(extension('controllerDefaults.logLevel'), extension('controllerLogLevel')),
        format: orCommon(extension('controllerDefaults.logFormat'), extension('controllerLogFormat')),
      }),
      { name: 'MESH_NAMESPACE', value: NAMESPACE },
      { name: 'MESH_CLUSTER_NAME', value: extension('clusterName') },
      { name: 'MESH_PEER_NETWORKS', value: extension('peerNetworks') },
      { name: 'MESH_CLUSTERSET_NETWORK', value: extension('clustersetNetwork') },
      { name: 'MESH_ENABLE_NAMESPACE_CREATION', value: asText(extension('enableNamespaceCreation')) },
    ],
    mounts: [TRUST_ROOTS_MOUNT, IDENTITY_TOKEN_MOUNT],
    resources: {
      cpu: {
        request: extension('controllerDefaults.resources.cpu.request'),
        limit: extension('controllerDefaults.resources.cpu.limit'),
      },
      memory: {
        request: extension('controllerDefaults.resources.memory.request'),
        limit: extension('controllerDefaults.resources.memory.limit'),
      },
    },
  });
}

/** A pod cannot mount another namespace's ConfigMap, so the anchors are copied; in the chart from the control plane, unless given. */
const ANCHORS = `{{- $anchors := .Values.identityTrustAnchorsPEM }}
{{- if not $anchors }}
{{- $roots := lookup "v1" "ConfigMap" .Values.linkerdNamespace "linkerd-identity-trust-roots" }}
{{- $anchors = get (default dict $roots.data) "ca-bundle.crt" }}
{{- end }}
{{- if not $anchors }}
{{- fail (printf "no trust anchors: ConfigMap %s/linkerd-identity-trust-roots cannot be read; install the control plane first, set linkerdNamespace to its namespace, or pass --set-file identityTrustAnchorsPEM=ca.crt" .Values.linkerdNamespace) }}
{{- end }}
`;

const TRUST_ROOTS = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: {
    name: 'linkerd-identity-trust-roots',
    namespace: NAMESPACE,
    annotations: CREATED_BY,
    labels: EXTENSION_LABELS,
  },
  data: {
    'ca-bundle.crt': withNewline(
      new Expression(({ values }) => (values as MulticlusterValues).identityTrustAnchorsPEM, '$anchors'),
    ),
  },
};

export const MULTICLUSTER_FILES: readonly TemplateFile[] = [
  { name: 'link-crd', manifests: [linkCrdManifest()] },
  { name: 'federation-crds', manifests: federationCrdManifests() },
  { name: 'mcs-crds', manifests: mcsCrdManifests().map((crd) => when(extension('installMcsCrds'), crd)) },
  {
    name: 'namespace',
    manifests: [
      when(
        extension('installNamespace'),
        namespace(NAMESPACE, {
          ...EXTENSION_LABELS,
          // Nothing here is injected, so its pods start even while no injector answers.
          'config.linkerd.io/admission-webhooks': 'disabled',
          'pod-security.kubernetes.io/enforce': 'restricted',
        }),
      ),
    ],
  },
  { name: 'trust-roots', preamble: ANCHORS, manifests: [TRUST_ROOTS] },
  { name: 'gateway', manifests: gatewayManifests() },
  {
    name: 'remote-access',
    manifests: remoteAccess().map((object) => when(extension('remoteMirrorServiceAccount'), object)),
  },
  { name: 'service-mirror', manifests: mirrorManifests() },
  { name: 'clusterset-dns', manifests: clustersetDnsManifests() },
];
