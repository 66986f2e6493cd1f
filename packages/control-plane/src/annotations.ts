/** Labels and annotations that discovery, policy and injection read; the spellings are Linkerd's. */

export const CONTROL_PLANE_NS_LABEL = 'linkerd.io/control-plane-ns';
export const OPAQUE_PORTS = 'config.linkerd.io/opaque-ports';
export const SKIP_INBOUND_PORTS = 'config.linkerd.io/skip-inbound-ports';
export const DEFAULT_INBOUND_POLICY = 'config.linkerd.io/default-inbound-policy';
export const REQUIRE_IDENTITY_PORTS = 'config.linkerd.io/proxy-require-identity-inbound-ports';

export const REMOTE_GATEWAY_IDENTITY = 'mirror.linkerd.io/remote-gateway-identity';
export const REMOTE_FQ_NAME = 'mirror.linkerd.io/remote-svc-fq-name';
export const MIRROR_CLUSTER_NAME = 'mirror.linkerd.io/cluster-name';

/** Annotation of a federated Service: the local member's name. */
export const LOCAL_DISCOVERY = 'multicluster.linkerd.io/local-discovery';
/** Annotation of a federated Service: `svc@cluster,…`. Label of a flat mirror: the cluster. */
export const REMOTE_DISCOVERY = 'multicluster.linkerd.io/remote-discovery';
/** Label of a flat mirror: the Service's name in its own cluster. */
export const REMOTE_SERVICE = 'multicluster.linkerd.io/remote-service';

export const ZONE_LABEL = 'topology.kubernetes.io/zone';
