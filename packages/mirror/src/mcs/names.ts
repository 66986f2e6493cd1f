/** Names, labels and annotations of what stands for a ServiceImport in this cluster (KEP-1645, ADR 0019). */
import { createHash } from 'node:crypto';
import type { ObjectRef } from '@mesh/kube';
import { keyOf } from '@mesh/kube';

/** Of slices: the cluster whose endpoints they hold. */
export const LABEL_SOURCE_CLUSTER = 'multicluster.kubernetes.io/source-cluster';
/** Of the ServiceImports that we made; others are not touched. */
export const LABEL_MANAGER = 'federation.mesh.dev/managed-by';
/** Of slices behind gateways: `mesh` is for proxies, `bridge` for kube-proxy. */
export const LABEL_PATH = 'federation.mesh.dev/path';
/** Of `mesh` slices, in place of the label by which kube-proxy would find them. */
export const LABEL_MESH_SERVICE = 'federation.mesh.dev/service-name';
/** Of `bridge` slices: where the gateway takes what arrives, from whom, and which port leads to which of the Service's. */
export const ANNOTATION_BRIDGE_TARGET = 'federation.mesh.dev/bridge-target';
export const ANNOTATION_BRIDGE_CLUSTER = 'federation.mesh.dev/bridge-cluster';
export const ANNOTATION_BRIDGE_PORTS = 'federation.mesh.dev/bridge-ports';

const HASH_LENGTH = 10;

/** Name of the Service whose cluster IP is the import's address. Two imports never share it by accident: 40 bits within one namespace. */
export function derivedName(importRef: ObjectRef): string {
  return `mesh-import-${createHash('sha256').update(keyOf(importRef)).digest('hex').slice(0, HASH_LENGTH)}`;
}

/** What the names of all slices of one source cluster begin with. */
export function slicePrefix(importRef: ObjectRef, cluster: string): string {
  return `${derivedName(importRef)}-${cluster}`;
}
