/** What is kept of a peer's Services and slices: a cluster has many, and mirrors are made of little. */
import type { Endpoint, EndpointSlice, Service } from '@mesh/kube';
import { LABEL_SERVICE_NAME } from './names.ts';

export function trimService(service: Service): Service {
  const { name, namespace, uid, resourceVersion, labels, annotations } = service.metadata;
  const { type, clusterIP, ports, selector, sessionAffinity } = service.spec ?? {};
  return {
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
    },
    spec: {
      ...(type === undefined ? {} : { type }),
      // Only headlessness matters.
      ...(clusterIP === 'None' ? { clusterIP } : {}),
      ...(ports === undefined ? {} : { ports }),
      ...(sessionAffinity === undefined ? {} : { sessionAffinity }),
      // Only whether there is one matters.
      ...(selector === undefined || Object.keys(selector).length === 0 ? {} : { selector: SOME_SELECTOR }),
    },
  };
}

const SOME_SELECTOR = {} as const;
const ONE_READY = [{ addresses: [] }] as const;

/** @param keepAddresses False: one shared endpoint stands for all that are ready. */
export function trimSlice(slice: EndpointSlice, keepAddresses: boolean): EndpointSlice {
  const { name, namespace, uid, resourceVersion, labels } = slice.metadata;
  const service = labels?.[LABEL_SERVICE_NAME];
  const metadata = {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...(service === undefined ? {} : { labels: { [LABEL_SERVICE_NAME]: service } }),
  };
  const { addressType, endpoints, ports } = slice;
  if (keepAddresses)
    return { metadata, addressType, endpoints: (endpoints ?? []).map(trimEndpoint), ports: ports ?? [] };
  return { metadata, addressType, endpoints: isReadySlice(slice) ? ONE_READY : [] };
}

function trimEndpoint({ addresses, conditions, hostname, zone, targetRef }: Endpoint): Endpoint {
  return {
    addresses,
    ...(conditions?.ready === false ? { conditions: NOT_READY } : {}),
    ...(hostname === undefined ? {} : { hostname }),
    ...(zone === undefined ? {} : { zone }),
    ...(targetRef?.kind === 'Pod' && targetRef.name !== undefined
      ? { targetRef: { kind: 'Pod', name: targetRef.name } }
      : {}),
  };
}

const NOT_READY = { ready: false } as const;

/** Absent readiness means ready (the API's own rule). */
export function isReadySlice(slice: EndpointSlice): boolean {
  return (slice.endpoints ?? []).some((endpoint) => endpoint.conditions?.ready !== false);
}

/** True when pods in it have names of their own, as those of a StatefulSet. */
export function hasNames(slice: EndpointSlice): boolean {
  return (slice.endpoints ?? []).some(({ hostname }) => hostname !== undefined);
}
