/** Two ways in which a peer in memory shows the same exports: as Linkerd's clusters do, and as a view for its peers. */
import { CONFIG_MAPS, ENDPOINT_SLICES, EXPORTED_ENDPOINTS, EXPORTED_SERVICES, PODS, SERVICES } from '@mesh/kube';
import type { ExportedMode, ServicePort } from '@mesh/kube';
import type { FakeApi } from '@mesh/kube/testing';
import { formatWorkloadIdentity } from '@mesh/model';

export const PEER_TRUST_DOMAIN = 'mesh.example';
export const SHARED_VIEW = 'linkerd-multicluster';

export interface TestPod {
  readonly name: string;
  readonly ip: string;
  readonly hostname?: string;
  /** Default true. */
  readonly ready?: boolean;
  readonly zone?: string;
  readonly account?: string;
  /** Default true. */
  readonly meshed?: boolean;
  readonly inboundPort?: number;
  readonly opaquePorts?: string;
}

export interface TestExport {
  readonly name: string;
  /** Default `shop`. */
  readonly namespace?: string;
  readonly mode: Exclude<ExportedMode, 'mcs'>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ports?: readonly ServicePort[];
  readonly headless?: boolean;
  readonly sessionAffinity?: string;
  readonly pods: readonly TestPod[];
}

export interface PeerExporter {
  readonly title: string;
  /** Annotations of Links to such a peer. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Creates or replaces an export. */
  put(api: FakeApi, one: TestExport): void;
  /** In namespace `shop`. */
  remove(api: FakeApi, name: string): void;
}

const NAMESPACE = 'shop';
const DEFAULT_PORTS: readonly ServicePort[] = [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }];

export function podIdentity(account = 'default'): string {
  return formatWorkloadIdentity({
    serviceAccount: account,
    namespace: NAMESPACE,
    controlPlaneNamespace: 'linkerd',
    trustDomain: PEER_TRUST_DOMAIN,
  });
}

function labelsOf({ mode, labels }: TestExport): Readonly<Record<string, string>> {
  const own: Readonly<Record<typeof mode, Readonly<Record<string, string>>>> = {
    gateway: { 'mirror.linkerd.io/exported': 'true' },
    flat: { 'mirror.linkerd.io/exported': 'remote-discovery' },
    federated: { 'mirror.linkerd.io/federated': 'member' },
  };
  return { ...own[mode], ...labels };
}

const targetOf = (port: ServicePort): number => Number(port.targetPort ?? port.port);

/** Services, slices and pods. */
export const throughServices: PeerExporter = {
  title: 'through Services',
  annotations: {},
  put(api, one) {
    const { name, namespace = NAMESPACE, annotations, ports = DEFAULT_PORTS } = one;
    api.seed(CONFIG_MAPS, {
      metadata: { name: 'linkerd-config', namespace: 'linkerd' },
      data: { values: `clusterDomain: cluster.local\nidentityTrustDomain: ${PEER_TRUST_DOMAIN}\n` },
    });
    api.seed(SERVICES, {
      metadata: {
        name,
        namespace,
        labels: labelsOf(one),
        ...(annotations === undefined ? {} : { annotations }),
      },
      spec: {
        clusterIP: one.headless === true ? 'None' : '10.0.0.1',
        selector: { app: name },
        ports,
        ...(one.sessionAffinity === undefined ? {} : { sessionAffinity: one.sessionAffinity }),
      },
    });
    for (const pod of one.pods) {
      api.seed(PODS, {
        metadata: {
          name: pod.name,
          namespace,
          labels: pod.meshed === false ? {} : { 'linkerd.io/control-plane-ns': 'linkerd' },
          annotations: pod.opaquePorts === undefined ? {} : { 'config.linkerd.io/opaque-ports': pod.opaquePorts },
        },
        spec: {
          serviceAccountName: pod.account ?? 'default',
          containers: [
            { name: 'app' },
            {
              name: 'linkerd-proxy',
              env: [{ name: 'LINKERD2_PROXY_INBOUND_LISTEN_ADDR', value: `0.0.0.0:${pod.inboundPort ?? 4143}` }],
            },
          ],
        },
      });
    }
    api.seed(ENDPOINT_SLICES, {
      metadata: {
        name: `${name}-abc`,
        namespace,
        labels: { ...labelsOf(one), 'kubernetes.io/service-name': name },
      },
      addressType: 'IPv4',
      endpoints: one.pods.map((pod) => ({
        addresses: [pod.ip],
        conditions: { ready: pod.ready !== false },
        targetRef: { kind: 'Pod', name: pod.name, namespace },
        ...(pod.hostname === undefined ? {} : { hostname: pod.hostname }),
        ...(pod.zone === undefined ? {} : { zone: pod.zone }),
      })),
      ports: ports.map((port) => ({ name: port.name ?? '', port: targetOf(port), protocol: port.protocol ?? 'TCP' })),
    });
  },
  remove(api, name) {
    api.remove(ENDPOINT_SLICES, `${NAMESPACE}/${name}-abc`);
    api.remove(SERVICES, `${NAMESPACE}/${name}`);
  },
};

/** The objects of a view, in one namespace of it. */
export function throughView(view: string, annotations: Readonly<Record<string, string>>): PeerExporter {
  return {
    title: 'through the view',
    annotations,
    put(api, one) {
      const { name, namespace = NAMESPACE, ports = DEFAULT_PORTS } = one;
      const service = { namespace, name };
      const hasAddresses = one.mode !== 'gateway' || one.headless === true;
      api.seed(EXPORTED_SERVICES, {
        metadata: { name: `${name}.${namespace}`, namespace: view },
        spec: {
          service,
          modes: [one.mode],
          labels: labelsOf(one),
          ...(one.annotations === undefined ? {} : { annotations: one.annotations }),
          headless: one.headless === true,
          ports,
          ...(one.sessionAffinity === undefined ? {} : { sessionAffinity: one.sessionAffinity }),
          ready: one.pods.some(({ ready }) => ready !== false),
        },
      });
      api.seed(EXPORTED_ENDPOINTS, {
        metadata: { name: `${name}.${namespace}.v4-0`, namespace: view },
        spec: {
          service,
          addressType: 'IPv4',
          ports: ports.map((port) => ({
            name: port.name ?? '',
            port: targetOf(port),
            protocol: port.protocol ?? 'TCP',
          })),
          endpoints: (hasAddresses ? one.pods : []).map((pod) => ({
            addresses: [pod.ip],
            ready: pod.ready !== false,
            podName: pod.name,
            ...(pod.hostname === undefined ? {} : { hostname: pod.hostname }),
            ...(pod.zone === undefined ? {} : { zone: pod.zone }),
            ...(pod.meshed === false
              ? {}
              : { identity: podIdentity(pod.account), inboundPort: pod.inboundPort ?? 4143 }),
            ...(pod.opaquePorts === undefined ? {} : { opaquePorts: pod.opaquePorts }),
          })),
        },
      });
    },
    remove(api, name) {
      api.remove(EXPORTED_SERVICES, `${view}/${name}.${NAMESPACE}`);
      api.remove(EXPORTED_ENDPOINTS, `${view}/${name}.${NAMESPACE}.v4-0`);
    },
  };
}

export const WAYS: readonly PeerExporter[] = [
  throughServices,
  throughView(SHARED_VIEW, { 'federation.mesh.dev/export-namespaces': SHARED_VIEW }),
];
