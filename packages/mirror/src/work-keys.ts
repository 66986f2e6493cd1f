/**
 * The names of the controller's work, and which of it a change concerns.
 *
 *   link|NS/NAME           finalizer and cleanup of a Link
 *   status|NS/NAME         its status
 *   mirror|NS/NAME|NS/SVC  the mirror of one Service of that Link
 *   federated||NS/SVC      the federated Service of that name
 */
import { keyOf } from '@mesh/kube';
import type { EndpointSlice, Service } from '@mesh/kube';
import type { LinkRegistry } from './link-registry.ts';
import type { LocalCluster } from './local-cluster.ts';
import {
  ANNOTATION_FEDERATED_OF,
  ANNOTATION_LINK,
  federatedName,
  LABEL_CLUSTER,
  LABEL_FEDERATED,
  LABEL_SERVICE_NAME,
} from './names.ts';
import { federatedService, isFederated, isOurSlice, mirroredService } from './ownership.ts';
import { MIRROR_MODES } from './remote-cluster.ts';
import type { ExportMode } from './remote-cluster.ts';

export interface ParsedWorkKey {
  readonly kind: 'link' | 'status' | 'mirror' | 'federated';
  /** Key of the Link; empty for federated Services. */
  readonly link: string;
  /** `namespace/name` of the Service at the peer; empty for Links. */
  readonly service: string;
}

export const linkKey = (link: string): string => `link|${link}`;
export const statusKey = (link: string): string => `status|${link}`;
export const mirrorKey = (link: string, service: string): string => `mirror|${link}|${service}`;
export const federatedKey = (service: string): string => `federated||${service}`;

export function exportKey(link: string, mode: ExportMode, service: string): string {
  return mode === 'federated' ? federatedKey(service) : mirrorKey(link, service);
}

export function parseWorkKey(key: string): ParsedWorkKey {
  const [kind = '', link = '', service = ''] = key.split('|');
  return { kind: kind as ParsedWorkKey['kind'], link, service };
}

export class WorkKeys {
  readonly #local: LocalCluster;
  readonly #links: LinkRegistry;

  constructor(local: LocalCluster, links: LinkRegistry) {
    this.#local = local;
    this.#links = links;
  }

  /** All keys that a Link could concern: what its peer exports, and what exists here for it. */
  ofLink(link: string): ReadonlySet<string> {
    const keys = new Set<string>();
    const worker = this.#links.get(link);
    for (const mode of MIRROR_MODES) {
      for (const key of worker?.remoteKeys(mode) ?? []) keys.add(exportKey(link, mode, key));
    }
    // Also those that an earlier name of the Link's cluster left behind.
    for (const service of this.#local.mirrorsForLink(link)) {
      const name = mirroredService(service);
      if (name !== undefined) keys.add(mirrorKey(link, keyOf({ namespace: service.metadata.namespace, name })));
    }
    const cluster = worker?.plan?.cluster;
    if (cluster === undefined) return keys;
    for (const service of this.#local.mirrorsOf(cluster)) {
      const name = mirroredService(service);
      if (name !== undefined) keys.add(mirrorKey(link, keyOf({ namespace: service.metadata.namespace, name })));
    }
    for (const slice of this.#local.slicesOf(cluster)) for (const key of this.ofSlice(slice, link)) keys.add(key);
    return keys;
  }

  /** Work that one of our slices belongs to. */
  ofSlice(slice: EndpointSlice, link = this.#linkOf(slice)): readonly string[] {
    if (!isOurSlice(slice)) return [];
    const { namespace, annotations } = slice.metadata;
    // Pods of this cluster in a federated Service.
    const united = annotations?.[ANNOTATION_FEDERATED_OF];
    if (united !== undefined) return [federatedKey(keyOf({ namespace, name: united }))];
    const name = mirroredService(slice);
    if (name === undefined) return [];
    const key = keyOf({ namespace: slice.metadata.namespace, name });
    const isMember = slice.metadata.labels?.[LABEL_SERVICE_NAME] === federatedName(name);
    return [isMember ? federatedKey(key) : mirrorKey(link, key)];
  }

  /** Work that a Service of this cluster stands for: its mirror, its federated Service. */
  ofService(service: Service): readonly string[] {
    const { namespace, name, labels, annotations } = service.metadata;
    const keys: string[] = [];
    if (isFederated(service)) keys.push(federatedKey(keyOf({ namespace, name: federatedService(service) })));
    if (labels?.[LABEL_FEDERATED] === 'member') keys.push(federatedKey(keyOf({ namespace, name })));
    const cluster = labels?.[LABEL_CLUSTER];
    const remote = mirroredService(service);
    if (cluster !== undefined && remote !== undefined) {
      const link = this.#links.byCluster(cluster)?.key ?? annotations?.[ANNOTATION_LINK];
      if (link !== undefined) keys.push(mirrorKey(link, keyOf({ namespace, name: remote })));
    }
    return keys;
  }

  #linkOf(slice: EndpointSlice): string {
    const cluster = slice.metadata.labels?.[LABEL_CLUSTER];
    return cluster === undefined ? '' : (this.#links.byCluster(cluster)?.key ?? '');
  }
}
