/** The name server of zone `clusterset.local`: its Deployment, the Service that resolvers forward to, and its rights. */
import { CONTROL_PLANE_NAMESPACE, EXTENSION_LABELS } from './extension.ts';
import type { Labels, RbacRule } from './object.ts';
import { clusterAccess, rule, serviceAccount, WATCH } from './object.ts';
import { CREATED_BY } from './provenance.ts';
import { both, extension, isAbove, isSet, NAMESPACE, when } from './template.ts';
import { container, deployment, disruptionBudget, fieldEnv } from './workload.ts';

export const CLUSTERSET_DNS_NAME = 'linkerd-clusterset-dns';
/** As the Multi-Cluster Services API calls it. */
export const CLUSTERSET_ZONE = 'clusterset.local';
const LABELS: Labels = { ...EXTENSION_LABELS, component: CLUSTERSET_DNS_NAME };
const SELECTOR: Labels = { component: CLUSTERSET_DNS_NAME };
const PORT = 5353;
const ADMIN_PORT = 9993;

/** Imported Services, and the addresses of headless ones. */
export const CLUSTERSET_DNS_RULES: readonly RbacRule[] = [
  rule('multicluster.x-k8s.io', ['serviceimports'], WATCH),
  rule('discovery.k8s.io', ['endpointslices'], WATCH),
];

export function clustersetDnsManifests(): readonly unknown[] {
  const name = CLUSTERSET_DNS_NAME;
  const several = isAbove(extension('clustersetDns.replicas'), 1);
  const objects = [
    serviceAccount(name, NAMESPACE, LABELS),
    ...clusterAccess(name, { name, namespace: NAMESPACE }, LABELS, CLUSTERSET_DNS_RULES),
    dnsService(),
    when(several, disruptionBudget(name, NAMESPACE, LABELS, SELECTOR)),
    deployment({
      name,
      namespace: NAMESPACE,
      labels: LABELS,
      selector: SELECTOR,
      annotations: { ...CREATED_BY, 'linkerd.io/inject': 'disabled' },
      podLabels: {
        'linkerd.io/control-plane-ns': CONTROL_PLANE_NAMESPACE,
        'linkerd.io/workload-ns': NAMESPACE,
        'linkerd.io/proxy-deployment': name,
      },
      replicas: extension('clustersetDns.replicas'),
      // The next one answers before the old one leaves; on few nodes anti-affinity leaves no room for more than are there.
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: when(several, 1, 0), maxSurge: 1 } },
      serviceAccount: name,
      containers: [dnsContainer()],
      volumes: [],
      antiAffinity: both(extension('enablePodAntiAffinity'), several),
    }),
  ];
  return objects.map((object) => when(extension('clustersetDns.enabled'), object));
}

function dnsContainer(): unknown {
  return container({
    name: 'dns',
    args: ['dns'],
    ports: [
      { name: 'dns', containerPort: PORT, protocol: 'UDP' },
      { name: 'dns-tcp', containerPort: PORT },
      { name: 'dns-admin', containerPort: ADMIN_PORT },
    ],
    adminPort: ADMIN_PORT,
    uid: extension('clustersetDns.UID'),
    gid: extension('clustersetDns.GID'),
    env: [
      fieldEnv('_pod_ips', 'status.podIPs'),
      { name: 'MESH_LOG_LEVEL', value: extension('controllerLogLevel') },
      { name: 'MESH_LOG_FORMAT', value: extension('controllerLogFormat') },
    ],
    mounts: [],
    resources: {
      cpu: {
        request: extension('clustersetDns.resources.cpu.request'),
        limit: extension('clustersetDns.resources.cpu.limit'),
      },
      memory: {
        request: extension('clustersetDns.resources.memory.request'),
        limit: extension('clustersetDns.resources.memory.limit'),
      },
    },
  });
}

/** Resolvers are told its address, so it must be able to stay the same when everything is installed anew. */
function dnsService(): unknown {
  const clusterIp = extension('clustersetDns.clusterIP');
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: CLUSTERSET_DNS_NAME, namespace: NAMESPACE, annotations: CREATED_BY, labels: LABELS },
    spec: {
      type: 'ClusterIP',
      clusterIP: when(isSet(clusterIp), clusterIp),
      ipFamilyPolicy: 'PreferDualStack',
      selector: SELECTOR,
      ports: [
        { name: 'dns', port: 53, targetPort: PORT, protocol: 'UDP' },
        { name: 'dns-tcp', port: 53, targetPort: PORT, protocol: 'TCP' },
      ],
    },
  };
}
