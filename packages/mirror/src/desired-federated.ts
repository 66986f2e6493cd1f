/** What must exist here for one federated Service: the union of a local Service and its namesakes at the peers. Pure. */
import type { EndpointSlice, Service, ServicePort } from '@mesh/kube';
import { copiedAnnotations, copiedLabels } from './copy-rules.ts';
import { MIRRORED, noGateway, refusal, specOf } from './desired.ts';
import type { Outcome } from './desired.ts';
import { divergences } from './divergence.ts';
import { gatewaySlices, remoteName } from './gateway-slices.ts';
import type { GatewayAddress } from './gateway-slices.ts';
import type { LinkPlan } from './link-plan.ts';
import { localMemberSlices } from './local-member.ts';
import { pathOf } from './member-path.ts';
import {
  ANNOTATION_CONFLICTS,
  ANNOTATION_FEDERATED_OF,
  ANNOTATION_LOCAL_MEMBER,
  ANNOTATION_REMOTE_MEMBERS,
  ANNOTATION_REMOTE_NAME,
  federatedName,
  fullFederatedName,
  fullNameEntry,
  LABEL_CLUSTER,
  LABEL_HEADLESS,
  LABEL_MIRRORED,
  LABEL_SERVICE_NAME,
  memberSliceName,
  shortened,
} from './names.ts';
import { podSlices } from './pod-slices.ts';
import { isHeadless } from './remote-cluster.ts';
import type { RemoteService } from './remote-cluster.ts';
import { portsOf, samePort } from './service-ports.ts';

/** A peer's membership in a federated Service. */
export interface Member {
  readonly plan: LinkPlan;
  readonly remote: RemoteService;
  readonly addresses: readonly GatewayAddress[];
}

/** The Service of this cluster that is a member. */
export interface LocalMember {
  readonly service: Service;
  /** Kubernetes' slices of it. */
  readonly slices: readonly EndpointSlice[];
}

export interface FederatedInput {
  readonly namespace: string;
  readonly name: string;
  readonly local: LocalMember | undefined;
  readonly members: readonly Member[];
  /** Our slices of the federated Service as they are now. */
  readonly live: readonly EndpointSlice[];
}

export interface DesiredFederated {
  readonly service: Service | undefined;
  readonly slices: readonly EndpointSlice[];
  /** By `LinkPlan.key`. */
  readonly outcomes: ReadonlyMap<string, Outcome>;
}

/** Who gives the federated Service its ports, labels and kind: the local member, else the member of the oldest Link. */
interface Decider {
  readonly service: Service;
  /** As messages call it. */
  readonly title: string;
  readonly plan: LinkPlan | undefined;
}

export function desiredFederated(input: FederatedInput): DesiredFederated {
  const outcomes = new Map<string, Outcome>();
  const admitted: Member[] = [];
  for (const member of input.members.toSorted(byAge)) {
    const refused = refusal(member.remote.service);
    outcomes.set(member.plan.key, refused ?? MIRRORED);
    if (refused === undefined) admitted.push(member);
  }
  const local = input.local !== undefined && refusal(input.local.service) === undefined ? input.local : undefined;
  const decider = deciderOf(local, admitted);
  if (decider === undefined) return { service: undefined, slices: [], outcomes };
  const ports = portsOf(decider.service);
  const headless = isHeadless(decider.service);
  const flat: string[] = [];
  const conflicts: string[] = [];
  const slices: EndpointSlice[] = [];
  for (const member of admitted) {
    const { plan, remote } = member;
    const differs = remote.service === decider.service ? undefined : differences(decider, plan, remote.service);
    const outcome = memberOutcome(member, headless);
    outcomes.set(plan.key, differs === undefined ? outcome : { ...outcome, conflict: differs.conflict });
    if (differs !== undefined) conflicts.push(`${plan.cluster}: ${differs.words.join(', ')}`);
    if (outcome.reason !== 'Mirrored') continue;
    if (pathOf(plan, remote.service) === 'flat') flat.push(`${input.name}@${plan.cluster}`);
    slices.push(...memberSlices(input, member, ports, headless));
  }
  if (local !== undefined && headless) slices.push(...localMemberSlices(input, local.slices, ports));
  return { service: federatedService(input, decider, local, { flat, conflicts }), slices, outcomes };
}

function deciderOf(local: LocalMember | undefined, admitted: readonly Member[]): Decider | undefined {
  if (local !== undefined) return { service: local.service, title: 'the local Service', plan: undefined };
  const [oldest] = admitted;
  if (oldest === undefined) return undefined;
  return { service: oldest.remote.service, title: `cluster ${oldest.plan.cluster}`, plan: oldest.plan };
}

function byAge(a: Member, b: Member): number {
  return a.plan.createdAt.localeCompare(b.plan.createdAt) || a.plan.key.localeCompare(b.plan.key);
}

function differences(decider: Decider, plan: LinkPlan, member: Service): ReturnType<typeof divergences> {
  return divergences({
    decider: decider.title,
    model: decider.service,
    member,
    excludedLabels: [...(decider.plan?.excludedLabels ?? []), ...plan.excludedLabels],
  });
}

function memberOutcome({ plan, remote }: Member, headless: boolean): Outcome {
  const path = pathOf(plan, remote.service);
  if (path === undefined) return noGateway(plan, remote.service);
  if (path === 'flat' || !headless) return MIRRORED;
  return {
    reason: 'InvalidService',
    message: `the federated Service is headless, and cluster ${plan.cluster} is reached through its gateway, which has no addresses of single pods: where pods of the clusters reach each other, annotate Link or Service with federation.mesh.dev/path: flat`,
  };
}

function memberSlices(
  input: FederatedInput,
  { plan, remote, addresses }: Member,
  ports: readonly ServicePort[],
  headless: boolean,
): readonly EndpointSlice[] {
  const serviceName = federatedName(input.name);
  const sliceName = memberSliceName(input.name, plan.cluster);
  if (pathOf(plan, remote.service) === 'gateway') {
    return gatewaySlices(plan, remote, addresses, { serviceName, sliceName, onlyPorts: ports });
  }
  const shared = portsOf(remote.service).filter((port) => ports.some((wanted) => samePort(wanted, port)));
  return podSlices({
    endpoints: remote.endpoints,
    portNames: new Set(shared.map((port) => port.name ?? '')),
    live: input.live,
    name: sliceName,
    namespace: input.namespace,
    labels: {
      [LABEL_SERVICE_NAME]: serviceName,
      [LABEL_MIRRORED]: 'true',
      [LABEL_CLUSTER]: plan.cluster,
      ...(headless ? { [LABEL_HEADLESS]: '' } : {}),
    },
    annotations: { [ANNOTATION_REMOTE_NAME]: remoteName(plan, remote.service.metadata) },
    // Pods of one name exist in each cluster: here they must differ.
    hostname: (name) => shortened(`${name}-${plan.cluster}`),
  });
}

function federatedService(
  { name, namespace }: FederatedInput,
  { service: model, plan }: Decider,
  local: LocalMember | undefined,
  { flat, conflicts }: { readonly flat: readonly string[]; readonly conflicts: readonly string[] },
): Service {
  // A headless one is answered by DNS, from slices alone.
  const isDiscovered = local !== undefined && !isHeadless(model);
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: federatedName(name),
      namespace,
      labels: { ...copiedLabels(model.metadata.labels, plan?.excludedLabels ?? []), [LABEL_MIRRORED]: 'true' },
      annotations: {
        ...copiedAnnotations(model.metadata.annotations, plan?.excludedAnnotations ?? []),
        [ANNOTATION_FEDERATED_OF]: name,
        ...(isDiscovered ? { [ANNOTATION_LOCAL_MEMBER]: name } : {}),
        // Members that are reached pod to pod, in Linkerd's notation.
        ...(flat.length === 0 ? {} : { [ANNOTATION_REMOTE_MEMBERS]: flat.join(',') }),
        ...(conflicts.length === 0 ? {} : { [ANNOTATION_CONFLICTS]: conflicts.join('; ') }),
        ...fullNameEntry(fullFederatedName(name)),
      },
    },
    spec: specOf(model),
  };
}
