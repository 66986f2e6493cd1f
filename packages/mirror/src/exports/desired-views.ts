/**
 * What must lie in which view for one Service: nothing when it is not exported, one copy for everybody, and one of their own for peers
 * that may see more than everybody. Pure.
 */
import type { ExportedService, ExportPolicy, Service, ServiceExport, ServicePort } from '@mesh/kube';
import { matchesSelector } from '@mesh/kube';
import { allowedPorts } from '@mesh/model';
import type { ExportRule } from '@mesh/model';
import { endpointGroups, hasReady } from './endpoint-groups.ts';
import type { EndpointGroup, EndpointSources } from './endpoint-groups.ts';
import { exportModes, isHeadless, needsAddresses, publishedAnnotations, publishedLabels } from './modes.ts';
import { EXPORT_MANAGER, LABEL_MANAGED_BY, peerNamespace, viewName } from './names.ts';

export interface ExportInput {
  readonly service: Service | undefined;
  readonly serviceExport: ServiceExport | undefined;
  /** Those of the Service's namespace. */
  readonly policies: readonly ExportPolicy[];
  /** Names of the peers that have a namespace for their view. */
  readonly peers: readonly string[];
  /** Namespace of the view for everybody. */
  readonly sharedView: string;
  readonly endpoints: EndpointSources;
}

/** One Service in one view. */
export interface DesiredView {
  readonly namespace: string;
  readonly service: ExportedService;
  /** Empty where peers need no addresses. */
  readonly groups: readonly EndpointGroup[];
}

export function desiredViews(input: ExportInput): readonly DesiredView[] {
  const { service, serviceExport, policies, peers, sharedView } = input;
  const modes = exportModes(service, serviceExport);
  if (service === undefined || modes.length === 0) return [];
  const rules = rulesFor(service, policies);
  const forAll = visiblePorts(service, rules, undefined);
  const views: DesiredView[] = forAll === undefined ? [] : [viewOf(input, service, sharedView, forAll)];
  for (const peer of peers) {
    const ports = visiblePorts(service, rules, peer);
    // Rules only ever add: the same number of ports is the same ports.
    if (ports === undefined || ports.length === forAll?.length) continue;
    views.push(viewOf(input, service, peerNamespace(peer), ports));
  }
  return views;
}

/** What the policies of a namespace say about one of its Services. */
export function rulesFor(service: Service, policies: readonly ExportPolicy[]): readonly ExportRule[] {
  return policies
    .filter(
      ({ metadata, spec }) =>
        metadata.deletionTimestamp === undefined &&
        matchesSelector(spec.serviceSelector ?? {}, service.metadata.labels),
    )
    .map(({ spec: { clusters, ports } }) => ({ clusters, ...(ports === undefined ? {} : { ports }) }));
}

/** `undefined`: the peer may not see the Service. A Service without ports (headless ones need none) is seen by whoever a rule names. */
function visiblePorts(
  service: Service,
  rules: readonly ExportRule[],
  peer: string | undefined,
): readonly ServicePort[] | undefined {
  const ports = service.spec?.ports ?? [];
  if (ports.length > 0) {
    const allowed = allowedPorts(ports, rules, peer);
    return allowed.length === 0 ? undefined : allowed;
  }
  const isNamed = allowedPorts([{ port: 0 }], rules, peer).length > 0;
  return isNamed ? [] : undefined;
}

function viewOf(input: ExportInput, service: Service, namespace: string, ports: readonly ServicePort[]): DesiredView {
  const { serviceExport, endpoints } = input;
  const modes = exportModes(service, serviceExport);
  const { metadata, spec = {} } = service;
  const ref = { namespace: metadata.namespace ?? '', name: metadata.name };
  const names = new Set(ports.map(({ name = '' }) => name));
  const { exportedLabels, exportedAnnotations } = serviceExport?.spec ?? {};
  return {
    namespace,
    groups: needsAddresses(service, modes) ? endpointGroups(endpoints, (port) => names.has(port)) : [],
    service: {
      apiVersion: 'federation.mesh.dev/v1alpha1',
      kind: 'ExportedService',
      metadata: { name: viewName(ref), namespace, labels: { [LABEL_MANAGED_BY]: EXPORT_MANAGER } },
      spec: {
        service: ref,
        modes,
        ...given('labels', nonEmpty(publishedLabels(metadata.labels))),
        ...given('annotations', nonEmpty(publishedAnnotations(metadata.annotations))),
        ...(isHeadless(service) ? { headless: true } : {}),
        ports: ports.map(published),
        ...given('sessionAffinity', spec.sessionAffinity),
        ...given('sessionAffinityConfig', spec.sessionAffinityConfig),
        ...given('internalTrafficPolicy', spec.internalTrafficPolicy),
        ...given('trafficDistribution', spec.trafficDistribution),
        ...given('ipFamilies', spec.ipFamilies),
        ready: hasReady(endpoints.slices),
        ...(modes.includes('mcs')
          ? {
              export: {
                creationTimestamp: serviceExport?.metadata.creationTimestamp ?? '',
                ...given('labels', exportedLabels),
                ...given('annotations', exportedAnnotations),
              },
            }
          : {}),
      },
    },
  };
}

function published({ name, protocol, appProtocol, port, targetPort }: ServicePort): ServicePort {
  return {
    ...(name === undefined || name === '' ? {} : { name }),
    protocol: protocol ?? 'TCP',
    port,
    targetPort: targetPort ?? port,
    ...(appProtocol === undefined ? {} : { appProtocol }),
  };
}

function nonEmpty<T extends object>(entries: T): T | undefined {
  return Object.keys(entries).length === 0 ? undefined : entries;
}

/** Absent rather than `undefined`: the API stores no such thing. */
function given<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: V };
}
