/** The workloads of the control plane: `identity`, `destination` with `policy`, and the proxy injector. */
import type { ControlPlaneValues, Resources } from '../values/control-plane.ts';
import { trustDomain } from '../values/control-plane.ts';
import type { Manifest, RbacRule } from './object.ts';
import { base64, clusterAccess, EVENT_RULES, namespacedAccess, READ, rule, serviceAccount } from './object.ts';
import {
  container,
  deployment,
  disruptionBudget,
  fieldEnv,
  IDENTITY_PATHS,
  IDENTITY_TOKEN_MOUNT,
  IDENTITY_TOKEN_VOLUME,
  service,
  TRUST_ROOTS_MOUNT,
  TRUST_ROOTS_VOLUME,
} from './workload.ts';

type Labels = Readonly<Record<string, string>>;
type Env = readonly Readonly<Record<string, unknown>>[];

function labelsOf(component: string, ns: string): Labels {
  return { 'linkerd.io/control-plane-component': component, 'linkerd.io/control-plane-ns': ns };
}

function image(values: ControlPlaneValues) {
  return { name: values.controllerImage, version: values.controllerImageVersion, pullPolicy: values.imagePullPolicy };
}

/** What every role reads: who it is, whom it trusts, and where `identity` answers. */
function commonEnv(values: ControlPlaneValues, ns: string): Env {
  return [
    fieldEnv('_pod_name', 'metadata.name'),
    fieldEnv('_pod_ns', 'metadata.namespace'),
    fieldEnv('_pod_sa', 'spec.serviceAccountName'),
    { name: 'MESH_LOG_LEVEL', value: values.controllerLogLevel },
    { name: 'MESH_LOG_FORMAT', value: values.controllerLogFormat },
    { name: 'MESH_CONTROL_PLANE_NAMESPACE', value: ns },
    { name: 'MESH_CLUSTER_DOMAIN', value: values.clusterDomain },
    { name: 'MESH_TRUST_DOMAIN', value: trustDomain(values) },
    { name: 'MESH_TRUST_ANCHORS_FILE', value: IDENTITY_PATHS.trustRoots },
    { name: 'MESH_IDENTITY_TOKEN_FILE', value: IDENTITY_PATHS.token },
  ];
}

/** Where a role other than `identity` gets its certificate. */
export function identityClientEnv(
  values: Pick<ControlPlaneValues, 'clusterDomain' | 'identityTrustDomain'>,
  ns: string,
): Env {
  return [
    { name: 'MESH_IDENTITY_ADDRESS', value: `linkerd-identity-headless.${ns}.svc.${values.clusterDomain}.:8080` },
    {
      name: 'MESH_IDENTITY_NAME',
      value: `linkerd-identity.${ns}.serviceaccount.identity.${ns}.${trustDomain(values)}`,
    },
  ];
}

interface RoleWorkload {
  readonly component: string;
  readonly serviceAccount: string;
  readonly containers: readonly Readonly<Record<string, unknown>>[];
  readonly volumes: readonly Readonly<Record<string, unknown>>[];
}

function roleDeployment(values: ControlPlaneValues, ns: string, role: RoleWorkload): readonly Manifest[] {
  const name = `linkerd-${role.component}`;
  const labels = {
    ...labelsOf(role.component, ns),
    'app.kubernetes.io/name': role.component,
    'app.kubernetes.io/part-of': 'Linkerd',
  };
  const selector = labelsOf(role.component, ns);
  return [
    ...(values.enablePodDisruptionBudget ? [disruptionBudget(name, ns, labels, selector)] : []),
    deployment({
      name,
      namespace: ns,
      labels: { ...labels, 'app.kubernetes.io/version': values.linkerdVersion },
      selector,
      podLabels: { 'linkerd.io/workload-ns': ns, 'linkerd.io/proxy-deployment': name },
      annotations: { 'linkerd.io/created-by': values.cliVersion, 'linkerd.io/inject': 'disabled' },
      replicas: values.controllerReplicas,
      serviceAccount: role.serviceAccount,
      containers: role.containers,
      volumes: role.volumes,
      nodeSelector: values.nodeSelector,
      tolerations: values.tolerations,
      antiAffinity: values.enablePodAntiAffinity,
    }),
  ];
}

export function identityManifests(values: ControlPlaneValues, ns: string): readonly Manifest[] {
  const labels = labelsOf('identity', ns);
  const annotations = { 'linkerd.io/created-by': values.cliVersion };
  const account = { name: 'linkerd-identity', namespace: ns };
  const ports = [{ name: 'grpc', port: 8080, targetPort: 8080 }];
  const { issuer } = values.identity;
  return [
    serviceAccount(account.name, ns, labels),
    ...clusterAccess(`linkerd-${ns}-identity`, account, labels, [
      rule('authentication.k8s.io', ['tokenreviews'], ['create']),
      ...EVENT_RULES,
    ]),
    service({ name: 'linkerd-identity', namespace: ns, labels, annotations, selector: labels, ports }),
    service({
      name: 'linkerd-identity-headless',
      namespace: ns,
      labels,
      annotations,
      selector: labels,
      ports,
      headless: true,
    }),
    ...roleDeployment(values, ns, {
      component: 'identity',
      serviceAccount: account.name,
      containers: [
        container({
          name: 'identity',
          args: ['identity'],
          image: image(values),
          ports: [
            { name: 'ident-grpc', containerPort: 8080 },
            { name: 'ident-admin', containerPort: 9990 },
          ],
          adminPort: 9990,
          uid: values.controllerUID,
          env: [
            ...commonEnv(values, ns),
            { name: 'MESH_ISSUER_DIR', value: IDENTITY_PATHS.issuer },
            { name: 'MESH_IDENTITY_ISSUANCE_LIFETIME', value: issuer.issuanceLifetime },
            { name: 'MESH_IDENTITY_CLOCK_SKEW', value: issuer.clockSkewAllowance },
          ],
          mounts: [
            { name: 'identity-issuer', mountPath: IDENTITY_PATHS.issuer, readOnly: true },
            TRUST_ROOTS_MOUNT,
            IDENTITY_TOKEN_MOUNT,
          ],
          resources: values.identityResources,
        }),
      ],
      volumes: [
        { name: 'identity-issuer', secret: { secretName: 'linkerd-identity-issuer' } },
        TRUST_ROOTS_VOLUME,
        IDENTITY_TOKEN_VOLUME,
      ],
    }),
  ];
}

/** What discovery and policy read of their cluster: nothing is written but Events. */
const DISCOVERY_RULES: readonly RbacRule[] = [
  rule('', ['pods', 'endpoints', 'services', 'nodes', 'namespaces', 'serviceaccounts'], READ),
  rule('discovery.k8s.io', ['endpointslices'], READ),
  rule('apps', ['replicasets'], READ),
  rule('batch', ['jobs'], READ),
  rule('linkerd.io', ['serviceprofiles'], READ),
  rule('workload.linkerd.io', ['externalworkloads'], READ),
  rule(
    'policy.linkerd.io',
    [
      'authorizationpolicies',
      'egressnetworks',
      'httplocalratelimitpolicies',
      'httproutes',
      'meshtlsauthentications',
      'networkauthentications',
      'serverauthorizations',
      'servers',
    ],
    READ,
  ),
  rule('gateway.networking.k8s.io', ['httproutes', 'grpcroutes', 'tlsroutes', 'tcproutes'], READ),
  ...EVENT_RULES,
];

export function destinationManifests(values: ControlPlaneValues, ns: string): readonly Manifest[] {
  const labels = labelsOf('destination', ns);
  const annotations = { 'linkerd.io/created-by': values.cliVersion };
  const account = { name: 'linkerd-destination', namespace: ns };
  const ports = [{ name: 'grpc', port: 8086, targetPort: 8086 }];
  const env = [...commonEnv(values, ns), ...identityClientEnv(values, ns)];
  const mounts = [TRUST_ROOTS_MOUNT, IDENTITY_TOKEN_MOUNT];
  const role = (name: string, grpc: number, admin: number, prefix: string): Readonly<Record<string, unknown>> =>
    container({
      name,
      args: [name],
      image: image(values),
      ports: [
        { name: `${prefix}-grpc`, containerPort: grpc },
        { name: `${prefix}-admin`, containerPort: admin },
      ],
      adminPort: admin,
      uid: values.controllerUID,
      env: [...env, ...roleEnv(values)],
      mounts,
      resources: values.destinationResources,
    });
  return [
    serviceAccount(account.name, ns, labels),
    ...clusterAccess(`linkerd-${ns}-destination`, account, labels, DISCOVERY_RULES),
    ...namespacedAccess('remote-discovery', ns, account, labels, [rule('', ['secrets'], READ)]),
    service({ name: 'linkerd-dst', namespace: ns, labels, annotations, selector: labels, ports }),
    service({
      name: 'linkerd-dst-headless',
      namespace: ns,
      labels,
      annotations,
      selector: labels,
      ports,
      headless: true,
    }),
    service({
      name: 'linkerd-policy',
      namespace: ns,
      labels,
      annotations,
      selector: labels,
      ports: [{ name: 'grpc', port: 8090, targetPort: 8090 }],
      headless: true,
    }),
    ...roleDeployment(values, ns, {
      component: 'destination',
      serviceAccount: account.name,
      containers: [role('destination', 8086, 9996, 'dest'), role('policy', 8090, 9990, 'policy')],
      volumes: [TRUST_ROOTS_VOLUME, IDENTITY_TOKEN_VOLUME],
    }),
  ];
}

function roleEnv(values: ControlPlaneValues): Env {
  return [
    { name: 'MESH_CLUSTER_NETWORKS', value: values.clusterNetworks },
    { name: 'MESH_DEFAULT_INBOUND_POLICY', value: values.proxy.defaultInboundPolicy },
    { name: 'MESH_DEFAULT_OPAQUE_PORTS', value: values.proxy.opaquePorts },
    { name: 'MESH_ENABLE_H2_UPGRADE', value: String(values.enableH2Upgrade) },
  ];
}

export function injectorManifests(values: ControlPlaneValues, ns: string): readonly Manifest[] {
  const labels = labelsOf('proxy-injector', ns);
  const annotations = { 'linkerd.io/created-by': values.cliVersion };
  const account = { name: 'linkerd-proxy-injector', namespace: ns };
  const tls = values.proxyInjector;
  const resources: Resources = values.proxyInjectorResources;
  return [
    serviceAccount(account.name, ns, labels),
    ...clusterAccess(`linkerd-${ns}-proxy-injector`, account, labels, [
      rule('', ['namespaces', 'replicationcontrollers', 'pods'], READ),
      rule('apps', ['deployments', 'replicasets', 'daemonsets', 'statefulsets'], READ),
      rule('batch', ['cronjobs', 'jobs'], READ),
      ...EVENT_RULES,
    ]),
    ...namespacedAccess('linkerd-proxy-injector-config', ns, account, labels, [
      rule('', ['configmaps'], READ, ['linkerd-config', 'linkerd-identity-trust-roots']),
    ]),
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'linkerd-proxy-injector-k8s-tls', namespace: ns, annotations, labels },
      type: 'kubernetes.io/tls',
      data: { 'tls.crt': base64(tls.crtPEM), 'tls.key': base64(tls.keyPEM) },
    },
    service({
      name: 'linkerd-proxy-injector',
      namespace: ns,
      labels,
      annotations: { ...annotations, 'config.linkerd.io/opaque-ports': '443' },
      selector: labels,
      ports: [{ name: 'proxy-injector', port: 443, targetPort: 8443 }],
    }),
    ...roleDeployment(values, ns, {
      component: 'proxy-injector',
      serviceAccount: account.name,
      containers: [
        container({
          name: 'proxy-injector',
          args: ['injector'],
          image: image(values),
          ports: [
            { name: 'proxy-injector', containerPort: 8443 },
            { name: 'injector-admin', containerPort: 9995 },
          ],
          adminPort: 9995,
          uid: values.controllerUID,
          env: [...commonEnv(values, ns), { name: 'MESH_WEBHOOK_TLS_DIR', value: '/var/run/linkerd/tls' }],
          mounts: [{ name: 'tls', mountPath: '/var/run/linkerd/tls', readOnly: true }, TRUST_ROOTS_MOUNT],
          resources,
        }),
      ],
      volumes: [{ name: 'tls', secret: { secretName: 'linkerd-proxy-injector-k8s-tls' } }, TRUST_ROOTS_VOLUME],
    }),
    webhook(values, ns, labels),
  ];
}

function webhook(values: ControlPlaneValues, ns: string, labels: Labels): Manifest {
  const { proxyInjector } = values;
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: 'linkerd-proxy-injector-webhook-config', labels },
    webhooks: [
      {
        name: 'linkerd-proxy-injector.linkerd.io',
        namespaceSelector: proxyInjector.namespaceSelector,
        objectSelector: proxyInjector.objectSelector,
        clientConfig: {
          service: { name: 'linkerd-proxy-injector', namespace: ns, path: '/' },
          caBundle: base64(proxyInjector.caBundle),
        },
        failurePolicy: values.webhookFailurePolicy,
        admissionReviewVersions: ['v1'],
        rules: [
          {
            operations: ['CREATE'],
            apiGroups: [''],
            apiVersions: ['v1'],
            resources: ['pods', 'services'],
            scope: 'Namespaced',
          },
        ],
        sideEffects: 'None',
        timeoutSeconds: proxyInjector.timeoutSeconds,
      },
    ],
  };
}
