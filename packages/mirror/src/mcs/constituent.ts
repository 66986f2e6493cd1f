/** One cluster's part in an import: what its ServiceExport and Service say, checked and normalised. Pure. */
import type { Service, ServiceExport, ServiceImportPort, ServicePort } from '@mesh/kube';
import { isDnsName } from '@mesh/model';
import { LABEL_MIRRORED } from '../names.ts';
import { LABEL_SERVICE_IMPORT } from '../exports/names.ts';

type Entries = Readonly<Record<string, string>>;

/** A port with its defaults filled in; the name of an unnamed one is empty. */
export interface ImportPort {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
  readonly appProtocol?: string;
}

export interface Constituent {
  readonly cluster: string;
  /** RFC 3339: when its ServiceExport was made. The oldest decides. */
  readonly createdAt: string;
  readonly isHeadless: boolean;
  readonly ports: readonly ImportPort[];
  readonly ipFamilies: readonly string[];
  readonly sessionAffinity: string;
  readonly sessionAffinityConfig: Readonly<Record<string, unknown>> | undefined;
  readonly internalTrafficPolicy: string | undefined;
  readonly trafficDistribution: string | undefined;
  readonly labels: Entries;
  readonly annotations: Entries;
}

/** What is exported, apart from the Service: at a peer its view says so, here the ServiceExport. */
export interface ExportFacts {
  readonly creationTimestamp: string;
  readonly labels?: Entries;
  readonly annotations?: Entries;
}

export interface Refusal {
  readonly reason: 'NoService' | 'InvalidServiceType';
  readonly message: string;
}

const PROTOCOLS: ReadonlySet<string> = new Set(['TCP', 'UDP', 'SCTP']);
const PORT_MAX = 65_535;
/** What a Service has that says nothing: the API fills it in, older peers may not. */
const DEFAULT_FAMILIES = ['IPv4'] as const;

export function constituentOf(cluster: string, service: Service, facts: ExportFacts): Constituent {
  const { spec = {} } = service;
  const isHeadless = spec.clusterIP === 'None';
  const families = (spec.ipFamilies ?? []).filter((family) => family === 'IPv4' || family === 'IPv6');
  return {
    cluster,
    createdAt: facts.creationTimestamp,
    isHeadless,
    ports: normalPorts(spec.ports ?? []),
    ipFamilies: families.length === 0 ? DEFAULT_FAMILIES : families,
    sessionAffinity: spec.sessionAffinity ?? 'None',
    sessionAffinityConfig: spec.sessionAffinity === 'ClientIP' ? spec.sessionAffinityConfig : undefined,
    internalTrafficPolicy: spec.internalTrafficPolicy,
    trafficDistribution: spec.trafficDistribution,
    labels: withoutOurs(facts.labels),
    annotations: withoutOurs(facts.annotations),
  };
}

/** What this cluster's ServiceExport says. */
export function exportFacts({ metadata, spec = {} }: ServiceExport): ExportFacts {
  return {
    creationTimestamp: metadata.creationTimestamp ?? '',
    ...(spec.exportedLabels === undefined ? {} : { labels: spec.exportedLabels }),
    ...(spec.exportedAnnotations === undefined ? {} : { annotations: spec.exportedAnnotations }),
  };
}

/** Why a Service of this cluster cannot be exported. */
export function refusalOf(service: Service | undefined, key: string): Refusal | undefined {
  if (service === undefined || service.metadata.deletionTimestamp !== undefined) {
    return { reason: 'NoService', message: `there is no Service ${key}: create it, and it is exported at once` };
  }
  if (service.spec?.type === 'ExternalName') {
    return {
      reason: 'InvalidServiceType',
      message: `Service ${key} is of type ExternalName, which has no endpoints: export the Service that it points to`,
    };
  }
  const { labels = {} } = service.metadata;
  if (labels[LABEL_MIRRORED] === 'true' || labels[LABEL_SERVICE_IMPORT] !== undefined) {
    return {
      reason: 'InvalidServiceType',
      message: `Service ${key} stands for Services of other clusters: create the ServiceExport in the cluster that has the pods`,
    };
  }
  return undefined;
}

/** True when clients cannot tell the two ports apart. */
export function isSamePort(a: ImportPort, b: ImportPort): boolean {
  return a.name === b.name && a.protocol === b.protocol && a.port === b.port;
}

/** As the ServiceImport has it. */
export function importPort({ name, protocol, port, appProtocol }: ImportPort): ServiceImportPort {
  return {
    ...(name === '' ? {} : { name }),
    protocol,
    port,
    ...(appProtocol === undefined ? {} : { appProtocol }),
  };
}

/** Ports of a Service or an import, defaults filled in. What no API server would have accepted is left out: a peer said so. */
export function normalPorts(ports: readonly (ServicePort | ServiceImportPort)[]): readonly ImportPort[] {
  return ports.flatMap(({ name = '', protocol = 'TCP', port, appProtocol }) => {
    const isValid =
      Number.isInteger(port) &&
      port >= 1 &&
      port <= PORT_MAX &&
      PROTOCOLS.has(protocol) &&
      (name === '' || (isDnsName(name) && !name.includes('.')));
    return isValid ? [{ name, protocol, port, ...(appProtocol === undefined ? {} : { appProtocol }) }] : [];
  });
}

/** Keys by which the mesh knows its own objects are not an exporter's to set. */
function withoutOurs(entries: Entries | undefined): Entries {
  return Object.fromEntries(Object.entries(entries ?? {}).filter(([key]) => !key.startsWith('federation.mesh.dev/')));
}
