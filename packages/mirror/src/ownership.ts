/** Which objects of this cluster are the mirror's: what these functions deny is never changed or deleted. */
import type { EndpointSlice, Service } from '@mesh/kube';
import {
  ANNOTATION_FEDERATED_OF,
  ANNOTATION_LOCAL_MEMBER,
  ANNOTATION_REMOTE_MEMBERS,
  ANNOTATION_REMOTE_NAME,
  LABEL_CLUSTER,
  LABEL_HEADLESS_MIRROR,
  LABEL_MANAGED_BY,
  LABEL_MCS_SERVICE,
  LABEL_MIRRORED,
  SLICE_MANAGER,
} from './names.ts';

/** A mirror of that cluster, ours or one that Linkerd made for the same Link: the labels are the same contract. */
export function isMirrorOf(service: Service, cluster: string): boolean {
  const { labels } = service.metadata;
  return labels?.[LABEL_MIRRORED] === 'true' && labels[LABEL_CLUSTER] === cluster;
}

export function isFederated(service: Service): boolean {
  const { labels, annotations } = service.metadata;
  return (
    labels?.[LABEL_MIRRORED] === 'true' &&
    labels[LABEL_CLUSTER] === undefined &&
    [ANNOTATION_FEDERATED_OF, ANNOTATION_LOCAL_MEMBER, ANNOTATION_REMOTE_MEMBERS].some(
      (key) => annotations?.[key] !== undefined,
    )
  );
}

export function isOurSlice(slice: EndpointSlice): boolean {
  const { labels } = slice.metadata;
  return labels?.[LABEL_MANAGED_BY] === SLICE_MANAGER && labels[LABEL_MCS_SERVICE] === undefined;
}

/** The peer's Service that a mirror stands for, from the data it carries; `undefined` when it carries none. */
export function mirroredService(object: Service | EndpointSlice): string | undefined {
  const { annotations, labels } = object.metadata;
  const name = annotations?.[ANNOTATION_REMOTE_NAME]?.split('.') ?? [];
  // The mirror of one pod: <hostname>.<svc>.<ns>.svc.<domain>.
  return labels?.[LABEL_HEADLESS_MIRROR] === undefined ? name[0] : name[1];
}

/** The Service that a federated Service unites. Linkerd's own carry it only in their name. */
export function federatedService(service: Service): string {
  return (
    service.metadata.annotations?.[ANNOTATION_FEDERATED_OF] ??
    service.metadata.annotations?.[ANNOTATION_LOCAL_MEMBER] ??
    service.metadata.name.replace(/-federated$/, '')
  );
}
