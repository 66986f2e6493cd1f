/** Labels and annotations that discovery, policy and injection read; the spellings are Linkerd's. */

export { OPAQUE_PORTS } from '@mesh/model';
export const DEFAULT_INBOUND_POLICY = 'config.linkerd.io/default-inbound-policy';
export const REQUIRE_IDENTITY_PORTS = 'config.linkerd.io/proxy-require-identity-inbound-ports';

export const REMOTE_GATEWAY_IDENTITY = 'mirror.linkerd.io/remote-gateway-identity';
export const REMOTE_FQ_NAME = 'mirror.linkerd.io/remote-svc-fq-name';
export const MIRROR_CLUSTER_NAME = 'mirror.linkerd.io/cluster-name';

/** Annotation of a federated Service: the local member's name. */
export const LOCAL_DISCOVERY = 'multicluster.linkerd.io/local-discovery';
/** Label of a flat mirror: the cluster. */
export const REMOTE_DISCOVERY = 'multicluster.linkerd.io/remote-discovery';
/** Label of a flat mirror: the Service's name in its own cluster. */
export const REMOTE_SERVICE = 'multicluster.linkerd.io/remote-service';

/** Annotations of slices with pods of another cluster (ADR 0019): the identity that they share, their proxies' port, their opaque ports. */
export const FEDERATION_IDENTITY = 'federation.mesh.dev/identity';
export const FEDERATION_INBOUND_PORT = 'federation.mesh.dev/inbound-port';
export const FEDERATION_OPAQUE_PORTS = 'federation.mesh.dev/opaque-ports';
/** Label of slices that are not for everybody: `mesh` for proxies, `bridge` for clients that have none. */
export const FEDERATION_PATH = 'federation.mesh.dev/path';
/** Label of slices that only proxies may use, in place of Kubernetes' own: their Service. */
export const FEDERATION_SERVICE_NAME = 'federation.mesh.dev/service-name';
/** Label of a Service that stands for a ServiceImport: the import's name. */
export const FEDERATION_SERVICE_IMPORT = 'federation.mesh.dev/service-import';
/** Label of slices of the Multi-Cluster Services API: the cluster that they are from. */
export const SOURCE_CLUSTER = 'multicluster.kubernetes.io/source-cluster';
