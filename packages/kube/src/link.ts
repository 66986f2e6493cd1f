/** The `Link` resource (multicluster.linkerd.io) as Linkerd's CLI writes it, and our additive conditions. Ports are strings, as there. */
import type { Condition, KubeObject, LabelSelector } from './object.ts';

export interface ProbeSpec {
  /** Empty: no probing. */
  readonly path?: string;
  readonly port?: string;
  /** Go duration; a bare integer means seconds. */
  readonly period?: string;
  readonly timeout?: string;
  readonly failureThreshold?: string;
}

export interface LinkSpec {
  readonly targetClusterName?: string;
  readonly targetClusterDomain?: string;
  readonly targetClusterLinkerdNamespace?: string;
  readonly clusterCredentialsSecret?: string;
  /** IP addresses and DNS names, comma-separated; empty for a link without gateway. */
  readonly gatewayAddress?: string;
  readonly gatewayPort?: string;
  readonly gatewayIdentity?: string;
  readonly probeSpec?: ProbeSpec;
  /** Absent or empty selects nothing. */
  readonly selector?: LabelSelector;
  readonly remoteDiscoverySelector?: LabelSelector;
  readonly federatedServiceSelector?: LabelSelector;
  readonly excludedAnnotations?: readonly string[];
  readonly excludedLabels?: readonly string[];
}

export interface MirrorRef {
  readonly group?: string;
  readonly kind?: string;
  readonly name: string;
  readonly namespace: string;
}

export interface MirrorCondition extends Omit<Condition, 'observedGeneration'> {
  readonly localRef?: MirrorRef;
}

export interface MirroredServiceStatus {
  readonly controllerName: string;
  readonly remoteRef: MirrorRef;
  readonly conditions: readonly MirrorCondition[];
}

export interface LinkStatus {
  readonly mirrorServices?: readonly MirroredServiceStatus[];
  readonly federatedServices?: readonly MirroredServiceStatus[];
  /** Ours, additive: what is true of the whole Link. */
  readonly conditions?: readonly Condition[];
}

export interface Link extends KubeObject {
  readonly spec: LinkSpec;
  readonly status?: LinkStatus;
}
