/** What must exist here for one Service that a peer exports to a mirror of its own. Pure: caches in, objects out. */
import type { EndpointSlice, KubeObject, Service } from '@mesh/kube';
import { copiedAnnotations, copiedLabels } from './copy-rules.ts';
import { desiredHeadless, podsByName } from './desired-headless.ts';
import type { EndpointMirror } from './desired-headless.ts';
import { gatewaySlices, remoteName } from './gateway-slices.ts';
import type { GatewayAddress } from './gateway-slices.ts';
import type { LinkPlan } from './link-plan.ts';
import {
  ANNOTATION_LINK,
  ANNOTATION_REMOTE_NAME,
  ANNOTATION_REMOTE_VERSION,
  fullMirrorName,
  fullNameEntry,
  LABEL_CLUSTER,
  LABEL_HEADLESS,
  LABEL_MIRRORED,
  LABEL_REMOTE_DISCOVERY,
  LABEL_REMOTE_SERVICE,
  LABEL_SERVICE_NAME,
  mirrorName,
} from './names.ts';
import { podSlices } from './pod-slices.ts';
import { isHeadless } from './remote-cluster.ts';
import type { RemoteService } from './remote-cluster.ts';
import { portsOf } from './service-ports.ts';

export const MIRROR_REASONS = [
  'Mirrored',
  'InvalidService',
  'MissingNamespace',
  'NameConflict',
  'NoGatewayAddress',
  'Error',
] as const;
export type MirrorReason = (typeof MIRROR_REASONS)[number];

/** In what a member of a federated Service differs from the one that decides. */
export interface Conflict {
  /** CamelCase, of the first difference. */
  readonly reason: string;
  /** All differences. */
  readonly message: string;
}

/** What the Link's status says about one Service. */
export interface Outcome {
  readonly reason: MirrorReason;
  readonly message: string;
  readonly conflict?: Conflict;
  /** What has the name that the mirror needs. */
  readonly foreign?: KubeObject;
}

/** A Service with its slices. */
export interface DesiredPart {
  readonly service: Service;
  readonly slices: readonly EndpointSlice[];
}

/** What must exist here for one mirror or federated Service. */
export interface Desired {
  /** Absent: the Service must not exist (if it is ours). */
  readonly service: Service | undefined;
  readonly slices: readonly EndpointSlice[];
  readonly outcome: Outcome;
  /** Services that the mirror itself points to: one per pod behind a headless Service. */
  readonly parts?: readonly DesiredPart[];
}

export const MIRRORED: Outcome = { reason: 'Mirrored', message: '' };

/** What exists here already and decides how a mirror looks. */
export interface MirrorContext {
  /** The mirror. */
  readonly live: Service | undefined;
  /** Its slices. */
  readonly slices: readonly EndpointSlice[];
  /** The mirror of one pod, by the pod's name: how it is called, and its address once it has one. */
  readonly endpointMirror: (hostname: string) => EndpointMirror;
}

/** A mirror whose endpoints are the peer's gateway. */
export function desiredMirror(
  plan: LinkPlan,
  remote: RemoteService,
  addresses: readonly GatewayAddress[],
  context: MirrorContext,
): Desired {
  const refused = refusal(remote.service);
  if (refused !== undefined) return { service: undefined, slices: [], outcome: refused };
  const outcome = plan.gateway === undefined ? noGateway(plan, remote.service) : MIRRORED;
  if (isHeadless(remote.service)) {
    const pods = podsByName(remote);
    // Pods that are all gone at the moment had names, and will have them again.
    const isEmpty = remote.endpoints.every(({ endpoints }) => endpoints.length === 0);
    const hadNames = isEmpty && context.live !== undefined && isHeadless(context.live);
    if (pods.size > 0 || hadNames) {
      const service = mirrorOf(plan, remote.service, {});
      return { ...desiredHeadless(plan, remote, addresses, { ...context, service, pods }), outcome };
    }
  }
  const service = mirrorOf(plan, remote.service, {});
  const { name } = service.metadata;
  const slices = gatewaySlices(plan, remote, addresses, { serviceName: name, sliceName: name });
  return { service: { ...service, spec: { type: 'ClusterIP', ports: portsOf(remote.service) } }, slices, outcome };
}

/** A mirror whose endpoints are the peer's pods: for networks in which they can be reached. */
export function desiredFlat(plan: LinkPlan, remote: RemoteService, context: Pick<MirrorContext, 'slices'>): Desired {
  const { service } = remote;
  const refused = refusal(service);
  if (refused !== undefined) return { service: undefined, slices: [], outcome: refused };
  const mirror = mirrorOf(plan, service, {
    [LABEL_REMOTE_DISCOVERY]: plan.cluster,
    [LABEL_REMOTE_SERVICE]: service.metadata.name,
  });
  const { name, namespace = '' } = mirror.metadata;
  const slices = podSlices({
    endpoints: remote.endpoints,
    portNames: new Set(portsOf(service).map((port) => port.name ?? '')),
    live: context.slices,
    name,
    namespace,
    labels: {
      [LABEL_SERVICE_NAME]: name,
      [LABEL_MIRRORED]: 'true',
      [LABEL_CLUSTER]: plan.cluster,
      ...(isHeadless(service) ? { [LABEL_HEADLESS]: '' } : {}),
    },
    annotations: { [ANNOTATION_REMOTE_NAME]: remoteName(plan, service.metadata) },
  });
  return { service: { ...mirror, spec: specOf(service) }, slices, outcome: MIRRORED };
}

/** The specification that a Service for pods takes over. */
export function specOf(service: Service): NonNullable<Service['spec']> {
  return {
    type: 'ClusterIP',
    ...(isHeadless(service) ? { clusterIP: 'None' } : {}),
    ports: portsOf(service),
    ...(service.spec?.sessionAffinity === 'ClientIP' ? { sessionAffinity: 'ClientIP' } : {}),
  };
}

function mirrorOf(plan: LinkPlan, service: Service, labels: Readonly<Record<string, string>>): Service {
  const { name, namespace = '' } = service.metadata;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: mirrorName(name, plan.cluster),
      namespace,
      labels: {
        ...copiedLabels(service.metadata.labels, plan.excludedLabels),
        [LABEL_MIRRORED]: 'true',
        [LABEL_CLUSTER]: plan.cluster,
        ...labels,
      },
      annotations: {
        ...copiedAnnotations(service.metadata.annotations, plan.excludedAnnotations),
        [ANNOTATION_REMOTE_VERSION]: service.metadata.resourceVersion ?? '',
        [ANNOTATION_REMOTE_NAME]: remoteName(plan, service.metadata),
        [ANNOTATION_LINK]: plan.key,
        ...fullNameEntry(fullMirrorName(name, plan.cluster)),
      },
    },
  };
}

/** Why a Service cannot be mirrored at all. */
export function refusal(service: Service): Outcome | undefined {
  if (service.spec?.type === 'ExternalName') {
    return {
      reason: 'InvalidService',
      message: 'the Service is of type ExternalName: export the Service that it points to',
    };
  }
  if ((service.spec?.ports ?? []).length === 0) {
    return { reason: 'InvalidService', message: 'the Service has no ports: add at least one' };
  }
  return undefined;
}

export function noGateway(plan: LinkPlan, service: Service): Outcome {
  return {
    reason: 'NoGatewayAddress',
    message: `the Link has no gateway: set spec.gatewayAddress, gatewayPort and gatewayIdentity of ${plan.key}, or generate the Link again once the gateway Service there has an address; where pods of the clusters reach each other, Service ${service.metadata.name} can do without (label mirror.linkerd.io/exported: remote-discovery)`,
  };
}
