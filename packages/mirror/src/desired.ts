/**
 * The desired state, as pure functions: what the peers export, what their gateways are worth now, and what must therefore
 * exist here. Nothing else decides what is written or deleted.
 */
import type { EndpointPort, EndpointSlice, Service, ServicePort } from '@mesh/kube';
import { copiedAnnotations, copiedLabels } from './copy-rules.ts';
import type { LinkPlan } from './link-plan.ts';
import {
  ANNOTATION_FEDERATED_OF,
  ANNOTATION_GATEWAY_IDENTITY,
  ANNOTATION_LINK,
  ANNOTATION_LOCAL_MEMBER,
  ANNOTATION_REMOTE_MEMBERS,
  ANNOTATION_REMOTE_NAME,
  ANNOTATION_REMOTE_VERSION,
  federatedName,
  fullyQualified,
  LABEL_CLUSTER,
  LABEL_MANAGED_BY,
  LABEL_MIRRORED,
  LABEL_SERVICE_NAME,
  memberSliceName,
  mirrorName,
  SERVICE_NAME_MAX,
  SLICE_MANAGER,
} from './names.ts';

/** One address of a peer's gateway. */
export interface GatewayAddress {
  readonly ip: string;
  readonly alive: boolean;
}

/** An exported Service as seen at the peer. */
export interface RemoteService {
  readonly service: Service;
  /** At least one of its endpoints is ready. */
  readonly hasReady: boolean;
  /** False until its endpoints were looked at: then nothing is written yet. */
  readonly isKnown: boolean;
}

export const MIRROR_REASONS = [
  'Mirrored',
  'InvalidService',
  'MissingNamespace',
  'NameTooLong',
  'NameConflict',
  'NoGatewayAddress',
  'NotSupported',
  'Error',
] as const;
export type MirrorReason = (typeof MIRROR_REASONS)[number];

/** What the Link's status says about one Service. */
export interface Outcome {
  readonly reason: MirrorReason;
  readonly message: string;
}

/** What must exist here for one mirror or federated Service. */
export interface Desired {
  /** Absent: the Service must not exist (if it is ours). */
  readonly service: Service | undefined;
  readonly slices: readonly EndpointSlice[];
  readonly outcome: Outcome;
}

export const MIRRORED: Outcome = { reason: 'Mirrored', message: '' };

/** One Service of one peer in gateway mode. */
export function desiredMirror(plan: LinkPlan, remote: RemoteService, addresses: readonly GatewayAddress[]): Desired {
  const { service } = remote;
  const { name, namespace = '' } = service.metadata;
  const refused = refusal(service, mirrorName(name, plan.cluster));
  if (refused !== undefined) return { service: undefined, slices: [], outcome: refused };
  const localName = mirrorName(name, plan.cluster);
  const desired: Service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: localName,
      namespace,
      labels: {
        ...copiedLabels(service.metadata.labels, plan.excludedLabels),
        [LABEL_MIRRORED]: 'true',
        [LABEL_CLUSTER]: plan.cluster,
      },
      annotations: {
        ...copiedAnnotations(service.metadata.annotations, plan.excludedAnnotations),
        [ANNOTATION_REMOTE_VERSION]: service.metadata.resourceVersion ?? '',
        [ANNOTATION_REMOTE_NAME]: fullyQualified(name, namespace, plan.domain),
        [ANNOTATION_LINK]: plan.key,
      },
    },
    spec: { type: 'ClusterIP', ports: portsOf(service) },
  };
  const slices = gatewaySlices(plan, remote, addresses, { serviceName: localName, sliceName: localName });
  return { service: desired, slices, outcome: gatewayOutcome(plan) };
}

/** A peer's membership in a federated Service. */
export interface Member {
  readonly plan: LinkPlan;
  readonly remote: RemoteService;
  readonly addresses: readonly GatewayAddress[];
}

export interface DesiredFederated {
  readonly service: Service | undefined;
  readonly slices: readonly EndpointSlice[];
  /** By `LinkPlan.key`. */
  readonly outcomes: ReadonlyMap<string, Outcome>;
}

/**
 * The union of a local Service and its namesakes at the peers. The local member, or else the member of the oldest Link, gives
 * ports, labels and annotations.
 */
export function desiredFederated(
  name: string,
  namespace: string,
  local: Service | undefined,
  members: readonly Member[],
): DesiredFederated {
  const outcomes = new Map<string, Outcome>();
  const admitted: Member[] = [];
  for (const member of members) {
    const refused = refusal(member.remote.service, federatedName(name));
    outcomes.set(member.plan.key, refused ?? gatewayOutcome(member.plan));
    if (refused === undefined) admitted.push(member);
  }
  admitted.sort(byAge);
  const localMember = local !== undefined && refusal(local, federatedName(name)) === undefined ? local : undefined;
  const model = localMember ?? admitted[0]?.remote.service;
  if (model === undefined) return { service: undefined, slices: [], outcomes };
  const excluded = localMember === undefined ? admitted[0]?.plan : undefined;
  const ports = portsOf(model);
  // Members behind no gateway are for discovery in their own cluster's API, in Linkerd's notation.
  const flat = admitted
    .filter((member) => member.plan.gateway === undefined)
    .map((member) => `${name}@${member.plan.cluster}`);
  const service: Service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: federatedName(name),
      namespace,
      labels: { ...copiedLabels(model.metadata.labels, excluded?.excludedLabels ?? []), [LABEL_MIRRORED]: 'true' },
      annotations: {
        ...copiedAnnotations(model.metadata.annotations, excluded?.excludedAnnotations ?? []),
        [ANNOTATION_FEDERATED_OF]: name,
        ...(localMember === undefined ? {} : { [ANNOTATION_LOCAL_MEMBER]: name }),
        ...(flat.length === 0 ? {} : { [ANNOTATION_REMOTE_MEMBERS]: flat.join(',') }),
      },
    },
    spec: { type: 'ClusterIP', ports },
  };
  const slices = admitted.flatMap((member) => {
    noteMissingPorts(member, ports, outcomes);
    return gatewaySlices(member.plan, member.remote, member.addresses, {
      serviceName: federatedName(name),
      sliceName: memberSliceName(name, member.plan.cluster),
      onlyPorts: ports,
    });
  });
  return { service, slices, outcomes };
}

function byAge(a: Member, b: Member): number {
  return a.plan.createdAt.localeCompare(b.plan.createdAt) || a.plan.key.localeCompare(b.plan.key);
}

function noteMissingPorts(member: Member, ports: readonly ServicePort[], outcomes: Map<string, Outcome>): void {
  const missing = ports
    .filter((port) => !hasPort(member.remote.service, port))
    .map((port) => port.name ?? String(port.port));
  const outcome = outcomes.get(member.plan.key);
  if (missing.length === 0 || outcome?.reason !== 'Mirrored') return;
  outcomes.set(member.plan.key, {
    reason: 'Mirrored',
    message: `port ${missing.join(', ')} of the federated Service does not exist in cluster ${member.plan.cluster}, which takes no traffic on it`,
  });
}

function hasPort(service: Service, wanted: ServicePort): boolean {
  return (service.spec?.ports ?? []).some((port) => samePort(port, wanted));
}

/** Why a Service cannot be mirrored at all. */
function refusal(service: Service, localName: string): Outcome | undefined {
  if (service.spec?.clusterIP === 'None') {
    return {
      reason: 'InvalidService',
      message: 'the Service is headless, and headless Services are not mirrored: export one with a cluster IP',
    };
  }
  if (service.spec?.type === 'ExternalName') {
    return {
      reason: 'InvalidService',
      message: 'the Service is of type ExternalName: export the Service that it points to',
    };
  }
  if ((service.spec?.ports ?? []).length === 0) {
    return { reason: 'InvalidService', message: 'the Service has no ports: add at least one' };
  }
  if (localName.length > SERVICE_NAME_MAX) {
    return {
      reason: 'NameTooLong',
      message: `the local name ${localName} has ${localName.length} characters, and ${SERVICE_NAME_MAX} is the limit: shorten the Service's or the cluster's name`,
    };
  }
  return undefined;
}

function gatewayOutcome(plan: LinkPlan): Outcome {
  if (plan.gateway !== undefined) return MIRRORED;
  return {
    reason: 'NoGatewayAddress',
    message: `the Link has no gateway: set spec.gatewayAddress, gatewayPort and gatewayIdentity of ${plan.key}, or generate the Link again once the gateway Service there has an address`,
  };
}

function portsOf(service: Service): readonly ServicePort[] {
  return (service.spec?.ports ?? []).map((port) => ({
    ...(port.name === undefined || port.name === '' ? {} : { name: port.name }),
    protocol: port.protocol ?? 'TCP',
    port: port.port,
    targetPort: port.targetPort ?? port.port,
    ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
  }));
}

interface SliceNames {
  readonly serviceName: string;
  readonly sliceName: string;
  /** Only ports that are among these. */
  readonly onlyPorts?: readonly ServicePort[];
}

/** The gateway's addresses as endpoints: one slice per address family, without endpoints while the peer has none ready. */
function gatewaySlices(
  plan: LinkPlan,
  remote: RemoteService,
  addresses: readonly GatewayAddress[],
  names: SliceNames,
): readonly EndpointSlice[] {
  const { gateway } = plan;
  if (gateway === undefined) return [];
  const families = [
    { addressType: 'IPv4' as const, suffix: '', ips: addresses.filter(({ ip }) => !ip.includes(':')) },
    { addressType: 'IPv6' as const, suffix: '-v6', ips: addresses.filter(({ ip }) => ip.includes(':')) },
  ];
  // The IPv4 slice exists even when it is empty, so that readers see that the mirror has an owner.
  return families
    .filter(({ addressType, ips }) => ips.length > 0 || (addressType === 'IPv4' && addresses.length === 0))
    .map(({ addressType, suffix, ips }) =>
      gatewaySlice(plan, remote, {
        ...names,
        sliceName: names.sliceName + suffix,
        addressType,
        ips,
        port: gateway.port,
        identity: gateway.identity,
      }),
    );
}

function gatewaySlice(
  plan: LinkPlan,
  remote: RemoteService,
  slice: SliceNames & {
    readonly addressType: 'IPv4' | 'IPv6';
    readonly ips: readonly GatewayAddress[];
    readonly port: number;
    readonly identity: string;
  },
): EndpointSlice {
  const { name, namespace = '' } = remote.service.metadata;
  const ports = portsOf(remote.service).filter(
    (port) => slice.onlyPorts === undefined || slice.onlyPorts.some((wanted) => samePort(wanted, port)),
  );
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: slice.sliceName,
      namespace,
      labels: {
        [LABEL_SERVICE_NAME]: slice.serviceName,
        [LABEL_MANAGED_BY]: SLICE_MANAGER,
        [LABEL_MIRRORED]: 'true',
        [LABEL_CLUSTER]: plan.cluster,
      },
      annotations: {
        [ANNOTATION_REMOTE_NAME]: fullyQualified(name, namespace, plan.domain),
        [ANNOTATION_GATEWAY_IDENTITY]: slice.identity,
      },
    },
    addressType: slice.addressType,
    endpoints: (remote.hasReady ? slice.ips : []).map(({ ip, alive }) => ({
      addresses: [ip],
      conditions: { ready: alive, serving: alive, terminating: false },
    })),
    ports: ports.map((port): EndpointPort => ({
      name: port.name ?? '',
      protocol: port.protocol ?? 'TCP',
      port: slice.port,
      ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
    })),
  };
}

function samePort(a: ServicePort, b: ServicePort): boolean {
  return a.port === b.port && (a.name ?? '') === (b.name ?? '') && (a.protocol ?? 'TCP') === (b.protocol ?? 'TCP');
}
