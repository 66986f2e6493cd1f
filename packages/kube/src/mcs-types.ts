/** The Multi-Cluster Services API (`multicluster.x-k8s.io`, KEP-1645). */
import type { Condition, KubeObject } from './object.ts';

export interface ServiceExport extends KubeObject {
  readonly spec?: {
    readonly exportedLabels?: Readonly<Record<string, string>>;
    readonly exportedAnnotations?: Readonly<Record<string, string>>;
  };
  readonly status?: { readonly conditions?: readonly Condition[] };
}

export interface ServiceImportPort {
  readonly name?: string;
  readonly protocol?: string;
  readonly appProtocol?: string;
  readonly port: number;
}

export interface ServiceImport extends KubeObject {
  readonly spec: {
    readonly type: 'ClusterSetIP' | 'Headless';
    readonly ports: readonly ServiceImportPort[];
    /** The virtual addresses; at most one per family, empty for `Headless`. */
    readonly ips?: readonly string[];
    readonly ipFamilies?: readonly string[];
    readonly sessionAffinity?: string;
    readonly sessionAffinityConfig?: Readonly<Record<string, unknown>>;
    readonly internalTrafficPolicy?: string;
    readonly trafficDistribution?: string;
  };
  readonly status?: {
    readonly clusters?: readonly { readonly cluster: string }[];
    readonly conditions?: readonly Condition[];
  };
}
