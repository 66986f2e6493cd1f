/**
 * The EndpointSlices of an import, one source cluster in each (ADR 0019). Pure.
 *
 *   own cluster     copies of the Service's slices
 *   peer, flat      its pods, as its view says
 *   peer, gateway   `mesh`: its gateway, for proxies;  `bridge`: the own gateway's pods, for kube-proxy
 */
import type { Endpoint, EndpointPort, EndpointSlice, OwnerReference, Service } from '@mesh/kube';
import { keyOf } from '@mesh/kube';
import { gatewayEndpoints, gatewaySlices, isOfFamily, remoteName } from '../gateway-slices.ts';
import type { GatewayAddress } from '../gateway-slices.ts';
import type { LinkPlan } from '../link-plan.ts';
import {
  ANNOTATION_REMOTE_NAME,
  hashOf,
  LABEL_CLUSTER,
  LABEL_HEADLESS,
  LABEL_MANAGED_BY,
  LABEL_MCS_SERVICE,
  LABEL_MIRRORED,
  LABEL_SERVICE_NAME,
  SLICE_MANAGER,
} from '../names.ts';
import { podSlices } from '../pod-slices.ts';
import type { RemoteService } from '../remote-cluster.ts';
import type { ImportPort } from './constituent.ts';
import { derivedPortName } from './desired-import.ts';
import type { ImportRef } from './desired-import.ts';
import {
  ANNOTATION_BRIDGE_CLUSTER,
  ANNOTATION_BRIDGE_PORTS,
  ANNOTATION_BRIDGE_TARGET,
  derivedName,
  LABEL_MESH_SERVICE,
  LABEL_PATH,
  LABEL_SOURCE_CLUSTER,
  slicePrefix,
} from './names.ts';

type Entries = Readonly<Record<string, string>>;

/** What all slices of an import have in common. */
export interface SliceContext {
  readonly ref: ImportRef;
  readonly owner: OwnerReference;
  readonly isHeadless: boolean;
  /** The ports of the import. */
  readonly ports: readonly ImportPort[];
  readonly ipFamilies: readonly string[];
}

/** A pod of the own gateway. */
export interface GatewayPod {
  readonly address: string;
  readonly isReady: boolean;
  readonly nodeName?: string;
}

/** Copies of the slices of this cluster's Service. @param exposed The ports that this cluster has of the import's. */
export function ownSlices(
  context: SliceContext,
  cluster: string,
  exposed: readonly ImportPort[],
  slices: readonly EndpointSlice[],
): readonly EndpointSlice[] {
  return slices.flatMap((slice): readonly EndpointSlice[] => {
    const all = slice.ports ?? [];
    const ports = all.filter(({ name = '' }) => exposed.some((port) => port.name === name));
    if (slice.addressType === 'FQDN' || !context.ipFamilies.includes(slice.addressType)) return [];
    // Endpoints without ports, as those of a headless Service may be, have only names.
    if (ports.length === 0 && (all.length > 0 || !context.isHeadless)) return [];
    return [
      {
        ...head(
          context,
          `${slicePrefix(context.ref, cluster)}-${hashOf(slice.metadata.name)}`,
          cluster,
          served(context),
        ),
        addressType: slice.addressType,
        endpoints: (slice.endpoints ?? []).map(ownEndpoint),
        ports: ports.map((port) => renamed(context, port)),
      },
    ];
  });
}

export interface PeerSource {
  readonly plan: LinkPlan;
  readonly remote: RemoteService;
  /** The ports that the peer has of the import's. */
  readonly exposed: readonly ImportPort[];
  /** Our slices of the import as they are now. */
  readonly live: readonly EndpointSlice[];
}

/** A peer's pods. Behind a gateway only for names: nobody but DNS reads slices of headless imports. */
export function flatSlices(
  context: SliceContext,
  { plan, remote, exposed, live }: PeerSource,
): readonly EndpointSlice[] {
  const { ref } = context;
  const prefix = slicePrefix(ref, plan.cluster);
  const slices = podSlices({
    endpoints: remote.endpoints.filter(({ addressType }) => context.ipFamilies.includes(addressType)),
    portNames: new Set(exposed.map(({ name }) => name)),
    live,
    name: prefix,
    namespace: ref.namespace,
    labels: {},
    annotations: { [ANNOTATION_REMOTE_NAME]: remoteName(plan, ref) },
  });
  return slices.map((slice) => {
    const labels = { ...served(context), [LABEL_CLUSTER]: plan.cluster };
    const annotations = slice.metadata.annotations ?? {};
    return {
      ...slice,
      ...head(context, slice.metadata.name, plan.cluster, labels, annotations),
      ports: (slice.ports ?? []).map((port) => renamed(context, port)),
    };
  });
}

/** What proxies use. Only TCP passes a gateway. */
export function meshSlices(
  context: SliceContext,
  { plan, remote, exposed }: PeerSource,
  addresses: readonly GatewayAddress[],
): readonly EndpointSlice[] {
  const service: Service = {
    metadata: context.ref,
    spec: { ports: exposed.filter(isCarried).map((port) => ({ ...port, protocol: 'TCP' })) },
  };
  const name = `${slicePrefix(context.ref, plan.cluster)}-mesh`;
  return gatewaySlices(plan, { service, hasReady: remote.hasReady }, addresses, {
    serviceName: derivedName(context.ref),
    sliceName: name,
  }).map((slice) => {
    const labels = {
      [LABEL_PATH]: 'mesh',
      [LABEL_MESH_SERVICE]: derivedName(context.ref),
      [LABEL_CLUSTER]: plan.cluster,
      [LABEL_MIRRORED]: 'true',
    };
    return {
      ...slice,
      ...head(context, slice.metadata.name, plan.cluster, labels, slice.metadata.annotations ?? {}),
      ports: (slice.ports ?? []).map((port) => renamed(context, port)),
    };
  });
}

export interface BridgeInput {
  readonly cluster: string;
  /** The ports that the peer has of the import's, each with its port of the own gateway. */
  readonly ports: readonly { readonly port: ImportPort; readonly bridgePort: number }[];
  /** Empty while nobody at the peer could answer. */
  readonly pods: readonly GatewayPod[];
}

/** What kube-proxy uses: the own gateway takes plain bytes and carries them to the peer's. */
export function bridgeSlices(context: SliceContext, { cluster, ports, pods }: BridgeInput): readonly EndpointSlice[] {
  if (ports.length === 0) return [];
  const target = keyOf({ namespace: context.ref.namespace, name: derivedName(context.ref) });
  const labels = { ...served(context), [LABEL_PATH]: 'bridge', [LABEL_CLUSTER]: cluster };
  const annotations = {
    [ANNOTATION_BRIDGE_TARGET]: target,
    [ANNOTATION_BRIDGE_CLUSTER]: cluster,
    [ANNOTATION_BRIDGE_PORTS]: ports.map(({ port, bridgePort }) => `${bridgePort}:${port.port}`).join(','),
  };
  const families = [
    { addressType: 'IPv4' as const, suffix: '' },
    { addressType: 'IPv6' as const, suffix: '-v6' },
  ].filter(({ addressType }) => context.ipFamilies.includes(addressType));
  return families.map(({ addressType, suffix }) => ({
    ...head(context, `${slicePrefix(context.ref, cluster)}-bridge${suffix}`, cluster, labels, annotations),
    addressType,
    endpoints: bridgeEndpoints(pods.filter(({ address }) => address.includes(':') === (addressType === 'IPv6'))),
    ports: ports.map(({ port, bridgePort }) => ({
      name: derivedPortName(port, context.ports),
      protocol: 'TCP' as const,
      port: bridgePort,
      ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
    })),
  }));
}

export interface KeptInput {
  /** All of one cluster that cannot be heard now. */
  readonly live: readonly EndpointSlice[];
  /** Its gateway's addresses, which are probed whether or not its API answers; absent: not known. */
  readonly addresses: readonly GatewayAddress[] | undefined;
  readonly pods: readonly GatewayPod[];
}

/** What is known of a silent peer stays, but its gateway's state and our own gateway's pods go on changing. */
export function keptSlices({ live, addresses, pods }: KeptInput): readonly EndpointSlice[] {
  const hadReady = live.some((slice) => pathOfSlice(slice) === 'mesh' && (slice.endpoints ?? []).length > 0);
  const isReachable = hadReady && (addresses === undefined || addresses.some(({ alive }) => alive));
  return live.map((slice) => {
    const path = pathOfSlice(slice);
    if (path === 'mesh' && addresses !== undefined && hadReady) {
      return { ...slice, endpoints: gatewayEndpoints(addresses).filter((one) => isOfFamily(one, slice.addressType)) };
    }
    if (path === 'bridge') {
      return {
        ...slice,
        endpoints: isReachable ? bridgeEndpoints(pods).filter((one) => isOfFamily(one, slice.addressType)) : [],
      };
    }
    return slice;
  });
}

export function pathOfSlice(slice: EndpointSlice): string | undefined {
  return slice.metadata.labels?.[LABEL_PATH];
}

/** A gateway carries connections: datagrams have none. */
export function isCarried(port: ImportPort): boolean {
  return port.protocol === 'TCP';
}

/** How readers find the slice: kube-proxy and proxies by the derived Service; of a headless import, DNS by the import's own labels. */
function served({ ref, isHeadless }: SliceContext): Entries {
  return isHeadless ? { [LABEL_HEADLESS]: '' } : { [LABEL_SERVICE_NAME]: derivedName(ref) };
}

function head(
  { ref, owner }: SliceContext,
  name: string,
  cluster: string,
  labels: Entries,
  annotations: Entries = {},
): Pick<EndpointSlice, 'apiVersion' | 'kind' | 'metadata'> {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name,
      namespace: ref.namespace,
      labels: {
        [LABEL_MANAGED_BY]: SLICE_MANAGER,
        [LABEL_MCS_SERVICE]: ref.name,
        [LABEL_SOURCE_CLUSTER]: cluster,
        ...labels,
      },
      annotations,
      ownerReferences: [owner],
    },
  };
}

/** Slices name ports as the derived Service does. */
function renamed(context: SliceContext, port: EndpointPort): EndpointPort {
  const own = context.ports.find(({ name }) => name === (port.name ?? ''));
  return own === undefined || context.isHeadless ? port : { ...port, name: derivedPortName(own, context.ports) };
}

function bridgeEndpoints(pods: readonly GatewayPod[]): readonly Endpoint[] {
  return pods
    .toSorted((a, b) => (a.address < b.address ? -1 : 1))
    .map(({ address, isReady, nodeName }) => ({
      ...plainEndpoint(address, isReady),
      ...(nodeName === undefined ? {} : { nodeName }),
    }));
}

function plainEndpoint(address: string, isReady: boolean): Endpoint {
  return { addresses: [address], conditions: { ready: isReady, serving: isReady, terminating: false } };
}

function ownEndpoint({ addresses, conditions, hostname, nodeName, zone, targetRef, hints }: Endpoint): Endpoint {
  const ready = conditions?.ready !== false;
  return {
    addresses,
    conditions: { ready, serving: conditions?.serving ?? ready, terminating: conditions?.terminating ?? false },
    ...(hostname === undefined ? {} : { hostname }),
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(zone === undefined ? {} : { zone }),
    ...(targetRef === undefined ? {} : { targetRef }),
    ...(hints === undefined ? {} : { hints }),
  };
}
