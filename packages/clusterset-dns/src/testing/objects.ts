/** ServiceImports and slices as the mirror writes them, for tests and benchmarks. */
import type { Endpoint, EndpointPort, EndpointSlice, ServiceImport } from '@mesh/kube';

export const NAMESPACE = 'shop';

export function serviceImport(name: string, spec: Partial<ServiceImport['spec']> = {}): ServiceImport {
  return {
    metadata: { name, namespace: NAMESPACE },
    spec: { type: 'ClusterSetIP', ports: [{ name: 'http', protocol: 'TCP', port: 80 }], ips: ['10.96.0.10'], ...spec },
  };
}

export function headlessImport(name: string): ServiceImport {
  return serviceImport(name, { type: 'Headless', ips: [] });
}

export interface SliceOptions {
  readonly name?: string;
  readonly cluster?: string;
  readonly ports?: readonly EndpointPort[];
  readonly labels?: Readonly<Record<string, string>>;
}

export function slice(service: string, endpoints: readonly Endpoint[], options: SliceOptions = {}): EndpointSlice {
  const {
    cluster = 'east',
    name = `${service}-${cluster}`,
    ports = [{ name: 'http', protocol: 'TCP', port: 8080 }],
  } = options;
  return {
    metadata: {
      name,
      namespace: NAMESPACE,
      labels: {
        'multicluster.kubernetes.io/service-name': service,
        'multicluster.kubernetes.io/source-cluster': cluster,
        ...options.labels,
      },
    },
    addressType: (endpoints[0]?.addresses[0] ?? '').includes(':') ? 'IPv6' : 'IPv4',
    endpoints,
    ports,
  };
}

/** `count` ready endpoints from 10.0.0.0 on, without hostnames. */
export function endpoints(count: number): readonly Endpoint[] {
  return Array.from({ length: count }, (_each, index) => ({
    addresses: [`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`],
    conditions: { ready: true },
  }));
}
