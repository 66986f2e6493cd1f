/** Which endpoints a Service has, grouped into slices: pure. */
import {
  type EndpointAddress,
  type Endpoints,
  isPodFinished,
  isPodReady,
  type Pod,
  type Service,
  type SliceEndpoint,
  type SlicePort,
} from './kinds.ts';
import { stableJson } from './pods.ts';

/** The endpoint slice controller's default. */
const ENDPOINTS_MAX = 100;

export interface SliceGroup {
  readonly addressType: string;
  readonly ports: SlicePort[];
  readonly endpoints: SliceEndpoint[];
}

/** Pods may give a named target port different numbers: each set of ports has its own slices. */
export function groupEndpoints(
  service: Service,
  pods: readonly Pod[],
  zoneOf: (nodeName: string) => string | undefined,
): SliceGroup[] {
  const groups = new Map<string, SliceGroup>();
  for (const pod of pods) {
    const address = pod.status?.podIP;
    if (address === undefined || isPodFinished(pod)) continue;
    const ports = portsFor(service, pod);
    const key = stableJson(ports);
    const group = groups.get(key) ?? { addressType: 'IPv4', ports, endpoints: [] };
    group.endpoints.push(endpointOf(service, pod, address, zoneOf(pod.spec.nodeName ?? '')));
    groups.set(key, group);
  }
  if (groups.size === 0) return [{ addressType: 'IPv4', ports: [], endpoints: [] }];
  return [...groups.values()].flatMap(split);
}

function split(group: SliceGroup): SliceGroup[] {
  const parts: SliceGroup[] = [];
  for (let at = 0; at < group.endpoints.length; at += ENDPOINTS_MAX) {
    parts.push({ ...group, endpoints: group.endpoints.slice(at, at + ENDPOINTS_MAX) });
  }
  return parts;
}

function endpointOf(service: Service, pod: Pod, address: string, zone: string | undefined): SliceEndpoint {
  const serving = isPodReady(pod);
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating);
  const { hostname, subdomain, nodeName } = pod.spec;
  const { namespace, name, uid } = pod.metadata;
  return {
    addresses: [address],
    conditions: { ready, serving, terminating },
    ...(hostname !== undefined && subdomain === service.metadata.name ? { hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    targetRef: {
      kind: 'Pod',
      ...(namespace === undefined ? {} : { namespace }),
      name,
      ...(uid === undefined ? {} : { uid }),
    },
    ...(zone === undefined ? {} : { zone }),
  };
}

function portsFor(service: Service, pod: Pod): SlicePort[] {
  return (service.spec.ports ?? []).flatMap((port) => {
    const protocol = port.protocol ?? 'TCP';
    const target = port.targetPort ?? port.port;
    const number = typeof target === 'number' ? target : containerPort(pod, target, protocol);
    if (number === undefined) return [];
    const appProtocol = port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol };
    return [{ name: port.name ?? '', port: number, protocol, ...appProtocol }];
  });
}

function containerPort(pod: Pod, name: string, protocol: string): number | undefined {
  const sidecars = (pod.spec.initContainers ?? []).filter((each) => each.restartPolicy === 'Always');
  for (const container of [...pod.spec.containers, ...sidecars]) {
    for (const port of container.ports ?? []) {
      if (port.name === name && (port.protocol ?? 'TCP') === protocol) return port.containerPort;
    }
  }
  return /^\d+$/.test(name) ? Number(name) : undefined;
}

/** Slices for hand-made Endpoints. */
export function mirrorGroups(endpoints: Endpoints): SliceGroup[] {
  return (endpoints.subsets ?? []).flatMap((subset) => {
    const ports = (subset.ports ?? []).map((port) => ({
      ...port,
      name: port.name ?? '',
      protocol: port.protocol ?? 'TCP',
    }));
    const make = (address: EndpointAddress, ready: boolean): SliceEndpoint => ({
      addresses: [address.ip],
      conditions: { ready },
      ...(address.hostname === undefined ? {} : { hostname: address.hostname }),
      ...(address.nodeName === undefined ? {} : { nodeName: address.nodeName }),
      ...(address.targetRef === undefined ? {} : { targetRef: address.targetRef }),
    });
    const all = [
      ...(subset.addresses ?? []).map((address) => make(address, true)),
      ...(subset.notReadyAddresses ?? []).map((address) => make(address, false)),
    ];
    return (['IPv4', 'IPv6'] as const).flatMap((addressType) => {
      const endpointsOf = all.filter((each) => each.addresses[0]?.includes(':') === (addressType === 'IPv6'));
      return endpointsOf.length === 0 ? [] : split({ addressType, ports, endpoints: endpointsOf });
    });
  });
}

/** The older Endpoints form of the same facts. */
export function toSubsets(groups: readonly SliceGroup[]): NonNullable<Endpoints['subsets']> {
  return groups.flatMap(({ ports, endpoints }) => {
    if (endpoints.length === 0) return [];
    const address = (endpoint: SliceEndpoint): EndpointAddress => ({
      ip: endpoint.addresses[0] ?? '',
      ...(endpoint.hostname === undefined ? {} : { hostname: endpoint.hostname }),
      ...(endpoint.nodeName === undefined ? {} : { nodeName: endpoint.nodeName }),
      ...(endpoint.targetRef === undefined ? {} : { targetRef: endpoint.targetRef }),
    });
    const ready = endpoints.filter((each) => each.conditions?.ready === true).map(address);
    const unready = endpoints
      .filter((each) => each.conditions?.ready !== true && each.conditions?.terminating !== true)
      .map(address);
    if (ready.length === 0 && unready.length === 0) return [];
    const named = ports.map((port) => (port.name === '' ? withoutName(port) : port));
    return [
      {
        ...(ready.length > 0 ? { addresses: ready } : {}),
        ...(unready.length > 0 ? { notReadyAddresses: unready } : {}),
        ports: named,
      },
    ];
  });
}

function withoutName(port: SlicePort): SlicePort {
  const { name: _name, ...rest } = port;
  return rest;
}
