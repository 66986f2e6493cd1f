/** Short spellings of Kubernetes objects for tests. */
import type { Container, EndpointSlice, Node, Pod, Service, ServicePort } from '@mesh/kube';

type Meta = { readonly labels?: Record<string, string>; readonly annotations?: Record<string, string> };

export const MESHED = { 'linkerd.io/control-plane-ns': 'linkerd' };

export const PROXY_CONTAINER: Container = {
  name: 'linkerd-proxy',
  env: [{ name: 'LINKERD2_PROXY_INBOUND_LISTEN_ADDR', value: '0.0.0.0:4143' }],
};

export function service(
  name: string,
  options: Meta & {
    readonly clusterIP?: string;
    readonly ports?: readonly ServicePort[];
    readonly spec?: Partial<Service['spec']>;
  } = {},
): Service {
  const {
    clusterIP = '10.43.0.10',
    ports = [{ name: 'http', port: 80, targetPort: 8080 }],
    spec,
    labels,
    annotations,
  } = options;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: meta(name, { labels, annotations }),
    spec: { clusterIP, ports, ...spec },
  };
}

export function slice(
  serviceName: string,
  endpoints: EndpointSlice['endpoints'],
  options: Meta & { readonly name?: string; readonly ports?: EndpointSlice['ports'] } = {},
): EndpointSlice {
  const { name = `${serviceName}-1`, ports = [{ name: 'http', port: 8080 }], labels, annotations } = options;
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: meta(name, { labels: { 'kubernetes.io/service-name': serviceName, ...labels }, annotations }),
    addressType: 'IPv4',
    endpoints,
    ports,
  };
}

export function pod(
  name: string,
  ip: string,
  options: Meta & {
    readonly spec?: Partial<Pod['spec']>;
    readonly phase?: 'Running' | 'Succeeded';
    readonly owner?: string;
  } = {},
): Pod {
  const { labels = MESHED, annotations, spec, phase = 'Running' } = options;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: meta(name, { labels, annotations }),
    spec: {
      containers: [PROXY_CONTAINER, { name: 'app', ports: [{ name: 'http', containerPort: 8080 }] }],
      serviceAccountName: 'catalog',
      nodeName: 'n1',
      ...spec,
    },
    status: { phase, podIP: ip, podIPs: [{ ip }] },
  };
}

export function node(name: string, zone: string): Node {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels: { 'topology.kubernetes.io/zone': zone } } };
}

/** An endpoint of a slice that is pod `name`. */
export function endpointOf(
  name: string,
  ip: string,
  extra: Partial<EndpointSlice['endpoints'][number]> = {},
): EndpointSlice['endpoints'][number] {
  return {
    addresses: [ip],
    conditions: { ready: true },
    targetRef: { kind: 'Pod', name, namespace: 'shop' },
    nodeName: 'n1',
    ...extra,
  };
}

function meta(
  name: string,
  options: { labels: Record<string, string> | undefined; annotations: Record<string, string> | undefined },
): Pod['metadata'] {
  return {
    name,
    namespace: 'shop',
    ...(options.labels === undefined ? {} : { labels: options.labels }),
    ...(options.annotations === undefined ? {} : { annotations: options.annotations }),
  };
}
