/**
 * Resources of `federation.mesh.dev/v1alpha1`: what a cluster shows to its peers, and to which of them. All of it lives in the
 * exporting cluster; a peer's credentials reach the view and nothing else (ADR 0018).
 */
import type { IntOrString, ServicePort } from './core-types.ts';
import type { Condition, KubeObject, LabelSelector } from './object.ts';

/** A certificate authority that signs workload certificates. */
export interface ClusterIssuer {
  /** Its subject key identifier (RFC 5280 §4.2.1.2), hexadecimal, lower case: the authority key identifier of what it signs. */
  readonly keyId: string;
  /** RFC 3339. */
  readonly notAfter?: string;
}

/** What one cluster says of itself to another. */
export interface ClusterFacts {
  readonly clusterName?: string;
  readonly version?: string;
  readonly trustDomain?: string;
  readonly clusterDomain?: string;
  readonly controlPlaneNamespace?: string;
  readonly issuers?: readonly ClusterIssuer[];
  /** RFC 3339: when the writer last confirmed all of it. */
  readonly renewTime?: string;
}

/** A cluster that may link to this one, by the name that this cluster has for it. */
export interface Peer extends KubeObject {
  readonly spec: {
    /** Trust domain of its identities; absent: any that the trust anchors vouch for. */
    readonly trustDomain?: string;
  };
  readonly status?: {
    /** Written by the peer's mirror, with its credentials. */
    readonly peer?: ClusterFacts;
    /** Written by this cluster's mirror: who exports, and how much of it this peer may see. */
    readonly exporter?: ClusterFacts & { readonly exports?: number };
    readonly conditions?: readonly Condition[];
  };
}

/**
 * Which peers may see and reach exported Services of its namespace. Without any policy that selects it, an exported Service is for
 * all peers and all ports; with some, for what these allow together.
 */
export interface ExportPolicy extends KubeObject {
  readonly spec: {
    /** Absent: every Service of the namespace. */
    readonly serviceSelector?: LabelSelector;
    /** Names of Peers; `*` is all of them, an empty list none. */
    readonly clusters: readonly string[];
    /** Numbers or names of Service ports; absent or empty: all. */
    readonly ports?: readonly IntOrString[];
  };
}

/** How an exported Service may appear at peers. */
export type ExportedMode = 'gateway' | 'flat' | 'federated' | 'mcs';

/**
 * One exported Service in a view, called `SERVICE.NAMESPACE`. What everybody may see of it lies in the extension's namespace; a peer that
 * may see more has a copy of its own, which stands in place of the other.
 */
export interface ExportedService extends KubeObject {
  readonly spec: {
    readonly service: { readonly namespace: string; readonly name: string };
    readonly modes: readonly ExportedMode[];
    /** All of the Service's labels but those of tools, by which importers select, and of its annotations those that concern the mesh. */
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly headless?: boolean;
    /** Only ports that the peer may use. */
    readonly ports: readonly ServicePort[];
    readonly sessionAffinity?: string;
    readonly sessionAffinityConfig?: Readonly<Record<string, unknown>>;
    readonly internalTrafficPolicy?: string;
    readonly trafficDistribution?: string;
    readonly ipFamilies?: readonly string[];
    /** At least one endpoint is ready. */
    readonly ready: boolean;
    /** Present with mode `mcs`: what the ServiceExport says. */
    readonly export?: {
      /** RFC 3339; the oldest export wins conflicts. */
      readonly creationTimestamp: string;
      readonly labels?: Readonly<Record<string, string>>;
      readonly annotations?: Readonly<Record<string, string>>;
    };
  };
}

/** One address behind an exported Service. */
export interface ExportedEndpoint {
  readonly addresses: readonly string[];
  readonly hostname?: string;
  readonly ready: boolean;
  readonly zone?: string;
  readonly nodeName?: string;
  /** Mesh identity of the pod; absent when it is not meshed. */
  readonly identity?: string;
  /** Port of its proxy for opaque transport; absent when it is not meshed. */
  readonly inboundPort?: number;
  /** The pod's opaque ports as numbers and ranges; absent when it does not say. */
  readonly opaquePorts?: string;
  readonly podName?: string;
}

/**
 * Part of the endpoints of an exported Service, those with the same ports, labelled `federation.mesh.dev/exported-service: SERVICE.NAMESPACE`. Written only where
 * peers need addresses: flat, federated, headless and `mcs` exports.
 */
export interface ExportedEndpoints extends KubeObject {
  readonly spec: {
    readonly service: { readonly namespace: string; readonly name: string };
    readonly addressType: 'IPv4' | 'IPv6';
    /** Target ports, by the name of the Service's port. */
    readonly ports: readonly {
      readonly name: string;
      readonly port: number;
      readonly protocol: string;
      readonly appProtocol?: string;
    }[];
    readonly endpoints: readonly ExportedEndpoint[];
  };
}
