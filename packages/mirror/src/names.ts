/** Labels, annotations and names that mirrors carry: Linkerd's where it has them, ours under `federation.mesh.dev`. */
import { createHash } from 'node:crypto';

export const LABEL_MIRRORED = 'mirror.linkerd.io/mirrored-service';
export const LABEL_CLUSTER = 'mirror.linkerd.io/cluster-name';
export const LABEL_FEDERATED = 'mirror.linkerd.io/federated';
export const LABEL_SERVICE_NAME = 'kubernetes.io/service-name';
export const LABEL_MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
/** On slices of headless Services: consumers that only serve DNS select by it. */
export const LABEL_HEADLESS = 'service.kubernetes.io/headless';
/** On a flat mirror: the cluster and the Service there. */
export const LABEL_REMOTE_DISCOVERY = 'multicluster.linkerd.io/remote-discovery';
export const LABEL_REMOTE_SERVICE = 'multicluster.linkerd.io/remote-service';
/** On the mirror of one pod behind a headless Service: the headless mirror's name. */
export const LABEL_HEADLESS_MIRROR = 'mirror.linkerd.io/headless-mirror-svc-name';
/** On slices of the Multi-Cluster Services API: they belong to another controller. */
export const LABEL_MCS_SERVICE = 'multicluster.kubernetes.io/service-name';

export const ANNOTATION_REMOTE_VERSION = 'mirror.linkerd.io/remote-resource-version';
export const ANNOTATION_REMOTE_NAME = 'mirror.linkerd.io/remote-svc-fq-name';
export const ANNOTATION_GATEWAY_IDENTITY = 'mirror.linkerd.io/remote-gateway-identity';
export const ANNOTATION_LOCAL_MEMBER = 'multicluster.linkerd.io/local-discovery';
export const ANNOTATION_REMOTE_MEMBERS = 'multicluster.linkerd.io/remote-discovery';
/** Ours: the Link (namespace/name) that a mirror exists for, so that orphans can be told from other people's mirrors. */
export const ANNOTATION_LINK = 'federation.mesh.dev/link';
/** Ours: which Service a federated Service unites. */
export const ANNOTATION_FEDERATED_OF = 'federation.mesh.dev/federated-service';

/** Ours: a name before it was shortened. */
const ANNOTATION_FULL_NAME = 'federation.mesh.dev/full-name';
/** Ours: in what the members of a federated Service differ from the one that decides. */
export const ANNOTATION_CONFLICTS = 'federation.mesh.dev/conflicts';
/** Ours, on a Link or an exported Service: `flat` or `gateway`. */
export const ANNOTATION_PATH = 'federation.mesh.dev/path';
/** Ours, on a Link: our Peer's name there, and the namespaces of the views that we read. */
export const ANNOTATION_PEER = 'federation.mesh.dev/peer';
export const ANNOTATION_VIEWS = 'federation.mesh.dev/export-namespaces';
/** Ours, on a Link: in which zones the gateway's addresses are. */
export const ANNOTATION_GATEWAY_ZONES = 'federation.mesh.dev/gateway-zones';
/** Ours, on flat slices: how the mesh reaches the pods in them. */
export const ANNOTATION_IDENTITY = 'federation.mesh.dev/identity';
export const ANNOTATION_INBOUND_PORT = 'federation.mesh.dev/inbound-port';
export const ANNOTATION_OPAQUE_PORTS = 'federation.mesh.dev/opaque-ports';

/** Who manages our EndpointSlices. */
export const SLICE_MANAGER = 'service-mirror.mesh.dev';
/** Holds a deleted Link until its mirrors are gone. */
export const LINK_FINALIZER = 'federation.mesh.dev/mirror-cleanup';
export const CONTROLLER_NAME = 'linkerd.io/service-mirror';

/** DNS labels, and so Service names, end here (RFC 1035). */
const NAME_MAX = 63;
/** What stays of a name that is longer: with a dash and eight hexadecimal digits it is as long as can be. */
const SHORTENED = 54;

/** The name itself, or its beginning and a hash of the whole. The way back is {@link fullNameEntry}, never the text. */
export function shortened(name: string): string {
  if (name.length <= NAME_MAX) return name;
  return `${name.slice(0, SHORTENED)}-${hashOf(name)}`;
}

/** Eight hexadecimal digits. */
export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}

/** The annotation that keeps a name which had to be shortened. */
export function fullNameEntry(name: string): Readonly<Record<string, string>> {
  return name.length <= NAME_MAX ? {} : { [ANNOTATION_FULL_NAME]: name };
}

export function fullMirrorName(service: string, cluster: string): string {
  return `${service}-${cluster}`;
}

export function mirrorName(service: string, cluster: string): string {
  return shortened(fullMirrorName(service, cluster));
}

export function fullFederatedName(service: string): string {
  return `${service}-federated`;
}

export function federatedName(service: string): string {
  return shortened(fullFederatedName(service));
}

/** Name of the slices that attach one cluster to a federated Service. */
export function memberSliceName(service: string, cluster: string): string {
  return `${federatedName(service)}-${cluster}`;
}

/** `<svc>.<ns>.svc.<domain>`. */
export function fullyQualified(service: string, namespace: string, domain: string): string {
  return `${service}.${namespace}.svc.${domain}`;
}
