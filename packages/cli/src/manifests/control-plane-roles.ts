/** The workloads of the control plane: `identity`, and `destination` with `policy`. */
import { componentLabels } from './control-plane-labels.ts';
import type { ManifestTemplate, RbacRule } from './object.ts';
import { clusterAccess, EVENT_RULES, rule, serviceAccount, WATCH } from './object.ts';
import { commonEnv, CREATED_BY, identityClientEnv } from './provenance.ts';
import { asText, core, NAMESPACE, text, tree, when } from './template.ts';
import type { ResourceValues } from './workload.ts';
import {
  container,
  deployment,
  disruptionBudget,
  IDENTITY_PATHS,
  IDENTITY_TOKEN_MOUNT,
  IDENTITY_TOKEN_VOLUME,
  service,
  TRUST_ROOTS_MOUNT,
  TRUST_ROOTS_VOLUME,
} from './workload.ts';

/** Environment, user and image that all controllers share. */
export const CONTROLLER = {
  uid: core('controllerUID'),
  gid: core('controllerGID'),
  env: commonEnv(NAMESPACE, { level: core('controllerLogLevel'), format: core('controllerLogFormat') }),
} as const;

export function resourcesOf(
  name: 'identityResources' | 'destinationResources' | 'proxyInjectorResources',
): ResourceValues {
  return {
    cpu: { request: core(`${name}.cpu.request`), limit: core(`${name}.cpu.limit`) },
    memory: { request: core(`${name}.memory.request`), limit: core(`${name}.memory.limit`) },
  };
}

interface RoleWorkload {
  readonly component: string;
  readonly containers: readonly unknown[];
  readonly volumes: readonly unknown[];
}

export function roleDeployment(role: RoleWorkload): readonly unknown[] {
  const name = `linkerd-${role.component}`;
  const selector = componentLabels(role.component);
  const labels = { ...selector, 'app.kubernetes.io/name': role.component, 'app.kubernetes.io/part-of': 'Linkerd' };
  return [
    when(
      core('enablePodDisruptionBudget'),
      disruptionBudget(name, NAMESPACE, labels, selector, core('controller.podDisruptionBudget.maxUnavailable')),
    ),
    deployment({
      name,
      namespace: NAMESPACE,
      labels: { ...labels, 'app.kubernetes.io/version': core('linkerdVersion') },
      selector,
      podLabels: { 'linkerd.io/workload-ns': NAMESPACE, 'linkerd.io/proxy-deployment': name },
      annotations: { ...CREATED_BY, 'linkerd.io/inject': 'disabled' },
      replicas: core('controllerReplicas'),
      strategy: tree(core('deploymentStrategy')),
      serviceAccount: name,
      containers: role.containers,
      volumes: role.volumes,
      antiAffinity: core('enablePodAntiAffinity'),
      runtimeClassName: core('runtimeClassName'),
    }),
  ];
}

/** A Service and its headless twin, which clients use to balance over its pods themselves. */
function grpcServices(name: string, component: string, port: number): readonly ManifestTemplate[] {
  const labels = componentLabels(component);
  const common = {
    namespace: NAMESPACE,
    labels,
    annotations: CREATED_BY,
    selector: labels,
    ports: [{ name: 'grpc', port, targetPort: port }],
  };
  return [service({ ...common, name }), service({ ...common, name: `${name}-headless`, headless: true })];
}

/** Tokens are reviewed, and what was issued is told in Events. */
export const IDENTITY_RULES: readonly RbacRule[] = [
  rule('authentication.k8s.io', ['tokenreviews'], ['create']),
  ...EVENT_RULES,
];

export function identityManifests(): readonly unknown[] {
  const labels = componentLabels('identity');
  const account = { name: 'linkerd-identity', namespace: NAMESPACE };
  return [
    serviceAccount(account.name, NAMESPACE, labels),
    ...clusterAccess(text`linkerd-${NAMESPACE}-identity`, account, labels, IDENTITY_RULES),
    ...grpcServices('linkerd-identity', 'identity', 8080),
    ...roleDeployment({
      component: 'identity',
      containers: [
        container({
          name: 'identity',
          args: ['identity'],
          ports: [
            { name: 'ident-grpc', containerPort: 8080 },
            { name: 'ident-admin', containerPort: 9990 },
          ],
          adminPort: 9990,
          ...CONTROLLER,
          env: [
            ...CONTROLLER.env,
            { name: 'MESH_ISSUER_DIR', value: IDENTITY_PATHS.issuer },
            { name: 'MESH_IDENTITY_ISSUANCE_LIFETIME', value: core('identity.issuer.issuanceLifetime') },
            { name: 'MESH_IDENTITY_CLOCK_SKEW', value: core('identity.issuer.clockSkewAllowance') },
          ],
          mounts: [
            { name: 'identity-issuer', mountPath: IDENTITY_PATHS.issuer, readOnly: true },
            TRUST_ROOTS_MOUNT,
            IDENTITY_TOKEN_MOUNT,
          ],
          resources: resourcesOf('identityResources'),
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

/** What discovery and policy watch; what is wrong with a Service's annotations is told in Events. */
export const DISCOVERY_RULES: readonly RbacRule[] = [
  rule('', ['nodes', 'pods', 'services'], WATCH),
  rule('discovery.k8s.io', ['endpointslices'], WATCH),
  ...EVENT_RULES,
];

export function destinationManifests(): readonly unknown[] {
  const labels = componentLabels('destination');
  const account = { name: 'linkerd-destination', namespace: NAMESPACE };
  const env = [
    ...CONTROLLER.env,
    ...identityClientEnv(NAMESPACE),
    { name: 'MESH_CLUSTER_NETWORKS', value: core('clusterNetworks') },
    { name: 'MESH_DEFAULT_INBOUND_POLICY', value: core('proxy.defaultInboundPolicy') },
    { name: 'MESH_DEFAULT_OPAQUE_PORTS', value: asText(core('proxy.opaquePorts')) },
    { name: 'MESH_ENABLE_H2_UPGRADE', value: asText(core('enableH2Upgrade')) },
  ];
  const role = (name: string, grpc: number, admin: number, prefix: string) =>
    container({
      name,
      args: [name],
      ports: [
        { name: `${prefix}-grpc`, containerPort: grpc },
        { name: `${prefix}-admin`, containerPort: admin },
      ],
      adminPort: admin,
      ...CONTROLLER,
      env,
      mounts: [TRUST_ROOTS_MOUNT, IDENTITY_TOKEN_MOUNT],
      resources: resourcesOf('destinationResources'),
    });
  return [
    serviceAccount(account.name, NAMESPACE, labels),
    ...clusterAccess(text`linkerd-${NAMESPACE}-destination`, account, labels, DISCOVERY_RULES),
    ...grpcServices('linkerd-dst', 'destination', 8086),
    service({
      name: 'linkerd-policy',
      namespace: NAMESPACE,
      labels,
      annotations: CREATED_BY,
      selector: labels,
      ports: [{ name: 'grpc', port: 8090, targetPort: 8090 }],
      headless: true,
    }),
    ...roleDeployment({
      component: 'destination',
      containers: [role('destination', 8086, 9996, 'dest'), role('policy', 8090, 9990, 'policy')],
      volumes: [TRUST_ROOTS_VOLUME, IDENTITY_TOKEN_VOLUME],
    }),
  ];
}
