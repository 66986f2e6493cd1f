/**
 * The pods of this cluster in a headless federated Service: DNS answers from slices of that Service alone, so Kubernetes' own slices of the
 * local member are copied. Others get their local member through discovery. Pure.
 */
import type { EndpointSlice, ServicePort } from '@mesh/kube';
import {
  ANNOTATION_FEDERATED_OF,
  federatedName,
  LABEL_HEADLESS,
  LABEL_MANAGED_BY,
  LABEL_MIRRORED,
  LABEL_SERVICE_NAME,
  SLICE_MANAGER,
} from './names.ts';

export function localMemberSlices(
  { name, namespace }: { readonly name: string; readonly namespace: string },
  slices: readonly EndpointSlice[],
  ports: readonly ServicePort[],
): readonly EndpointSlice[] {
  const wanted = new Set(ports.map((port) => port.name ?? ''));
  return slices
    .filter(({ addressType }) => addressType !== 'FQDN')
    .map((slice) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: `${federatedName(name)}.local-${slice.metadata.name}`,
        namespace,
        labels: {
          [LABEL_SERVICE_NAME]: federatedName(name),
          [LABEL_MANAGED_BY]: SLICE_MANAGER,
          [LABEL_MIRRORED]: 'true',
          [LABEL_HEADLESS]: '',
        },
        annotations: { [ANNOTATION_FEDERATED_OF]: name },
      },
      addressType: slice.addressType,
      endpoints: slice.endpoints ?? [],
      ports: (slice.ports ?? []).filter((port) => wanted.has(port.name ?? '')),
    }));
}
