/** Names and labels of the view that peers read (ADR 0018). */
import { createHash } from 'node:crypto';
import type { ObjectRef } from '@mesh/kube';

export const LABEL_EXPORTED = 'mirror.linkerd.io/exported';
export const LABEL_MANAGED_BY = 'app.kubernetes.io/managed-by';
/** Of ExportedEndpoints: `SERVICE.NAMESPACE`. */
export const LABEL_EXPORTED_SERVICE = 'federation.mesh.dev/exported-service';
/** Of the Services that stand for ServiceImports: nothing of ours is exported again. */
export const LABEL_SERVICE_IMPORT = 'federation.mesh.dev/service-import';

/** Objects without this value under {@link LABEL_MANAGED_BY} are not ours, whatever their name. */
export const EXPORT_MANAGER = 'service-mirror.mesh.dev';

const PEER_NAMESPACE_PREFIX = 'mesh-peer-';
/** Namespaces are DNS labels. */
const NAMESPACE_MAX = 63;
const LABEL_VALUE_MAX = 63;
const HASH_LENGTH = 10;

/** Where the view of one peer lies. */
export function peerNamespace(peer: string): string {
  return PEER_NAMESPACE_PREFIX + peer;
}

export function isPeerNamespace(namespace: string): boolean {
  return namespace.startsWith(PEER_NAMESPACE_PREFIX);
}

/** Why there can be no namespace for a peer of this name. */
export function peerNameProblem(peer: string): string | undefined {
  const max = NAMESPACE_MAX - PEER_NAMESPACE_PREFIX.length;
  if (/^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/.test(peer) && peer.length <= max) return undefined;
  return `the name ${peer} cannot be part of a namespace's: use at most ${max} of a-z, 0-9 and -`;
}

/** Name of the ExportedService; unique, since neither part contains a dot. */
export function viewName({ namespace = '', name }: ObjectRef): string {
  return `${name}.${namespace}`;
}

/** Name of one of the ExportedEndpoints. @param group Of addresses with the same ports; see `groupId`. */
export function chunkName(service: ObjectRef, group: string, index: number): string {
  return `${viewName(service)}.${group}-${index}`;
}

/** Value of {@link LABEL_EXPORTED_SERVICE}. */
export function exportedServiceLabel(service: ObjectRef): string {
  const whole = viewName(service);
  if (whole.length <= LABEL_VALUE_MAX) return whole;
  return `${whole.slice(0, LABEL_VALUE_MAX - HASH_LENGTH - 1)}-${shortHash(whole, HASH_LENGTH)}`;
}

/** The first `length` hexadecimal digits of the SHA-256 of `text`. */
export function shortHash(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length);
}
