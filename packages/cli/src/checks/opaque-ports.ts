/**
 * Opaque ports must be opaque at both ends: the client's sidecar goes by the Service, the server's by its pod. Where they disagree,
 * one looks for a protocol that the other does not expect, and server-speaks-first protocols hang.
 */
import { NAMESPACES, SERVICES } from '@mesh/kube';
import type { Pod, Service, ServicePort } from '@mesh/kube';
import { parsePortSet, PortSet } from '@mesh/model';
import type { Check } from './check.ts';
import { shorten } from './proxies.ts';
import { nameOf } from './state.ts';
import type { CheckState } from './state.ts';

const OPAQUE_PORTS = 'config.linkerd.io/opaque-ports';

export function opaquePortsCheck(state: CheckState, namespace: string | undefined): Check {
  return {
    description: 'opaque ports are properly annotated',
    hint: 'linkerd-opaque-ports-definition',
    warning: true,
    run: async () => {
      const client = await state.client();
      const [services, namespaces, pods, values] = await Promise.all([
        client.list(SERVICES, { namespace }),
        client.list(NAMESPACES),
        state.meshedPods(namespace),
        state.values(),
      ]);
      const inherited = new Map(
        namespaces.items.map((item) => [item.metadata.name, item.metadata.annotations?.[OPAQUE_PORTS]]),
      );
      const opaque = (object: Pod | Service): string =>
        object.metadata.annotations?.[OPAQUE_PORTS] ??
        inherited.get(object.metadata.namespace ?? '') ??
        values.proxy.opaquePorts;
      const problems = services.items.flatMap((service) =>
        pods.filter((pod) => selects(service, pod)).flatMap((pod) => disagreements(service, pod, opaque)),
      );
      if (problems.length > 0) throw new Error(shorten([...new Set(problems)]));
    },
  };
}

function selects(service: Service, pod: Pod): boolean {
  const selector = Object.entries(service.spec?.selector ?? {});
  return (
    selector.length > 0 &&
    service.metadata.namespace === pod.metadata.namespace &&
    selector.every(([key, value]) => pod.metadata.labels?.[key] === value)
  );
}

function disagreements(service: Service, pod: Pod, opaque: (object: Pod | Service) => string): readonly string[] {
  const ofService = portSet(opaque(service), (name) => service.spec?.ports?.find((port) => port.name === name)?.port);
  const ofPod = portSet(opaque(pod), (name) => containerPort(pod, name));
  return (service.spec?.ports ?? []).flatMap((port) => {
    const target = targetOf(port, pod);
    if (target === undefined || (port.protocol ?? 'TCP') !== 'TCP' || ofService.has(port.port) === ofPod.has(target))
      return [];
    return ofService.has(port.port)
      ? [
          `service ${nameOf(service)} has opaque port ${port.port}, but its target ${target} is not opaque at pod ${nameOf(pod)}; add ${target} to its annotation ${OPAQUE_PORTS}`,
        ]
      : [
          `pod ${nameOf(pod)} has opaque port ${target}, but port ${port.port} of service ${nameOf(service)} is not; add ${port.port} to its annotation ${OPAQUE_PORTS}`,
        ];
  });
}

function targetOf(port: ServicePort, pod: Pod): number | undefined {
  const target = port.targetPort ?? port.port;
  return typeof target === 'number' ? target : containerPort(pod, target);
}

function containerPort(pod: Pod, name: string): number | undefined {
  for (const container of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) {
    const found = container.ports?.find((port) => port.name === name);
    if (found !== undefined) return found.containerPort;
  }
  return undefined;
}

/** Numbers, ranges and names of ports; what is none of these is the injector's matter. */
function portSet(text: string, byName: (name: string) => number | undefined): PortSet {
  const ranges = text.split(',').flatMap((part): (readonly [number, number])[] => {
    const parsed = parsePortSet(part);
    if (parsed instanceof PortSet) return [...parsed.ranges];
    const port = byName(part.trim());
    return port === undefined ? [] : [[port, port]];
  });
  return new PortSet(ranges);
}
