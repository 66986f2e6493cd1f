/** Labels, annotations and names that mirrors carry: Linkerd's where it has them, ours under `federation.mesh.dev`. */

export const LABEL_MIRRORED = 'mirror.linkerd.io/mirrored-service';
export const LABEL_CLUSTER = 'mirror.linkerd.io/cluster-name';
export const LABEL_FEDERATED = 'mirror.linkerd.io/federated';
export const LABEL_SERVICE_NAME = 'kubernetes.io/service-name';
export const LABEL_MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';

export const ANNOTATION_REMOTE_VERSION = 'mirror.linkerd.io/remote-resource-version';
export const ANNOTATION_REMOTE_NAME = 'mirror.linkerd.io/remote-svc-fq-name';
export const ANNOTATION_GATEWAY_IDENTITY = 'mirror.linkerd.io/remote-gateway-identity';
export const ANNOTATION_LOCAL_MEMBER = 'multicluster.linkerd.io/local-discovery';
export const ANNOTATION_REMOTE_MEMBERS = 'multicluster.linkerd.io/remote-discovery';
/** Ours: the Link (namespace/name) that a mirror exists for, so that orphans can be told from other people's mirrors. */
export const ANNOTATION_LINK = 'federation.mesh.dev/link';
/** Ours: which Service a federated Service unites. */
export const ANNOTATION_FEDERATED_OF = 'federation.mesh.dev/federated-service';

/** Who manages our EndpointSlices. */
export const SLICE_MANAGER = 'service-mirror.mesh.dev';
/** Holds a deleted Link until its mirrors are gone. */
export const LINK_FINALIZER = 'federation.mesh.dev/mirror-cleanup';
export const CONTROLLER_NAME = 'linkerd.io/service-mirror';

/** DNS labels, and so Service names, end here (RFC 1035). */
export const SERVICE_NAME_MAX = 63;

export function mirrorName(service: string, cluster: string): string {
  return `${service}-${cluster}`;
}

export function federatedName(service: string): string {
  return `${service}-federated`;
}

/** Name of the slice that attaches one cluster's gateway to a federated Service. */
export function memberSliceName(service: string, cluster: string): string {
  return `${federatedName(service)}-${cluster}`;
}

/** `<svc>.<ns>.svc.<domain>`. */
export function fullyQualified(service: string, namespace: string, domain: string): string {
  return `${service}.${namespace}.svc.${domain}`;
}

/** The Service name of {@link fullyQualified}. */
export function serviceOf(fqName: string): string {
  return fqName.split('.')[0] ?? '';
}
