/**
 * Puts a desired object onto the live one. The result is `undefined` when nothing that we decide about differs: then nothing is
 * written. What others decide (cluster IPs, node ports, labels of tools) stays.
 */
import type { EndpointSlice, OwnerReference, Service, ServicePort } from '@mesh/kube';
import { isMeshAnnotation, isToolLabel } from './copy-rules.ts';
import { ANNOTATION_REMOTE_VERSION } from './names.ts';

type Entries = Readonly<Record<string, string>>;

export function mergeService(desired: Service, live: Service): Service | undefined {
  const labels = {
    ...keep(live.metadata.labels, (key) => isToolLabel(key) && !isOurs(key)),
    ...desired.metadata.labels,
  };
  const annotations = {
    ...keep(live.metadata.annotations, (key) => !isMeshAnnotation(key) && !isOurs(key)),
    ...desired.metadata.annotations,
  };
  const ports = mergePorts(desired.spec?.ports ?? [], live.spec?.ports ?? []);
  const same =
    sameEntries(labels, live.metadata.labels) &&
    // The peer's version is a note for people; alone it is no reason to write.
    sameEntries(
      without(annotations, ANNOTATION_REMOTE_VERSION),
      without(live.metadata.annotations, ANNOTATION_REMOTE_VERSION),
    ) &&
    isSame(ports, (live.spec?.ports ?? []).map(normalPort)) &&
    affinityOf(desired) === affinityOf(live) &&
    isEmpty(live.spec?.selector);
  if (same) return undefined;
  const { selector: _dropped, ...spec } = live.spec ?? {};
  return {
    ...live,
    metadata: { ...live.metadata, labels, annotations },
    spec: { ...withAffinity(spec, desired, live), ports },
  };
}

/** The configuration of an affinity goes with it. */
function withAffinity(spec: NonNullable<Service['spec']>, desired: Service, live: Service): Service['spec'] {
  if (affinityOf(desired) === affinityOf(live)) return spec;
  const { sessionAffinityConfig: _dropped, ...rest } = spec;
  return { ...rest, sessionAffinity: affinityOf(desired) };
}

export function mergeSlice(
  desired: EndpointSlice,
  live: EndpointSlice,
  owner: OwnerReference | undefined,
): EndpointSlice | undefined {
  const labels = {
    ...keep(live.metadata.labels, (key) => !(key in (desired.metadata.labels ?? {})) && !isOurs(key)),
    ...desired.metadata.labels,
  };
  const annotations = { ...keep(live.metadata.annotations, (key) => !isOurs(key)), ...desired.metadata.annotations };
  const ownerReferences = owner === undefined ? (live.metadata.ownerReferences ?? []) : [owner];
  const same =
    sameEntries(labels, live.metadata.labels) &&
    sameEntries(annotations, live.metadata.annotations) &&
    isSame(desired.endpoints, live.endpoints ?? []) &&
    isSame(desired.ports ?? [], live.ports ?? []) &&
    isSame(
      ownerReferences.map((reference) => reference.uid),
      (live.metadata.ownerReferences ?? []).map((reference) => reference.uid),
    );
  if (same) return undefined;
  return {
    ...live,
    metadata: { ...live.metadata, labels, annotations, ownerReferences },
    endpoints: desired.endpoints,
    ports: desired.ports ?? [],
  };
}

/** The API fills in its default. */
function affinityOf(service: Service): string {
  return service.spec?.sessionAffinity ?? 'None';
}

/** Keys that only mirrors carry: those that we no longer want must go. */
function isOurs(key: string): boolean {
  return ['mirror.linkerd.io/', 'multicluster.linkerd.io/', 'federation.mesh.dev/'].some((prefix) =>
    key.startsWith(prefix),
  );
}

/** Node ports belong to this cluster's allocator: they stay with their port. */
function mergePorts(desired: readonly ServicePort[], live: readonly ServicePort[]): readonly ServicePort[] {
  return desired.map((port) => {
    const nodePort = live.find(
      (known) => (known.name ?? '') === (port.name ?? '') && known.port === port.port,
    )?.nodePort;
    return normalPort(nodePort === undefined ? port : { ...port, nodePort });
  });
}

function normalPort(port: ServicePort): ServicePort {
  return {
    ...(port.name === undefined || port.name === '' ? {} : { name: port.name }),
    protocol: port.protocol ?? 'TCP',
    port: port.port,
    targetPort: port.targetPort ?? port.port,
    ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
    ...(port.nodePort === undefined ? {} : { nodePort: port.nodePort }),
  };
}

function keep(entries: Entries | undefined, wanted: (key: string) => boolean): Entries {
  return Object.fromEntries(Object.entries(entries ?? {}).filter(([key]) => wanted(key)));
}

function without(entries: Entries | undefined, key: string): Entries {
  return keep(entries, (other) => other !== key);
}

function isEmpty(entries: Entries | undefined): boolean {
  return entries === undefined || Object.keys(entries).length === 0;
}

function sameEntries(a: Entries, b: Entries | undefined): boolean {
  const other = b ?? {};
  const keys = Object.keys(a);
  return keys.length === Object.keys(other).length && keys.every((key) => a[key] === other[key]);
}

/** Structural equality, whatever the order of keys; absent and `undefined` are the same. */
export function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return (
      Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, index) => isSame(item, b[index]))
    );
  }
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => isSame((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]));
}
