/** What a workload's port speaks and who may talk to it. Pure over what it reads. */
import { keyOf } from '@mesh/kube';
import type { Pod, Probe } from '@mesh/kube';
import { DEFAULT_POLICIES } from '@mesh/model';
import type { Cidr, DefaultPolicy, PortSet } from '@mesh/model';
import { durationFromMs, inbound } from '@mesh/proxy-api';
import type { httpRoute } from '@mesh/proxy-api';
import { httpTypes } from '@mesh/proxy-api';

import { DEFAULT_INBOUND_POLICY, REQUIRE_IDENTITY_PORTS } from '../annotations.ts';
import type { ClusterTables } from '../live/cluster-tables.ts';
import type { Reads } from '../live/table.ts';
import { status } from '../serving/call.ts';
import { answer, noAnswer } from '../serving/watch.ts';
import type { Answer } from '../serving/watch.ts';
import { containerPort, opaquePortsOf, portsFrom } from '../workload.ts';
import { ALL_NETWORKS } from './default-policies.ts';
import { defaultMetadata, networkMessage } from './messages.ts';

export interface InboundConfig {
  readonly clusterNetworks: readonly Cidr[];
  readonly defaultPolicy: DefaultPolicy;
  readonly defaultOpaquePorts: PortSet;
  /** Where the kubelet's probes may come from. */
  readonly probeNetworks: readonly Cidr[];
}

/** How long a proxy waits for the first bytes of a connection before it takes it for opaque. */
const DETECT_TIMEOUT_MS = 10_000;

export interface Workload {
  readonly namespace: string;
  readonly pod: string;
}

/** Reads `{"ns":…,"pod":…}` or the older `ns:pod`. */
export function parseWorkload(text: string): Workload | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const { ns, pod } = value as { readonly ns?: unknown; readonly pod?: unknown };
    return typeof ns === 'string' && typeof pod === 'string' && ns !== '' && pod !== ''
      ? { namespace: ns, pod }
      : undefined;
  } catch {
    const [namespace = '', pod = '', ...rest] = text.split(':');
    return namespace === '' || pod === '' || rest.length > 0 ? undefined : { namespace, pod };
  }
}

export function inboundServer(
  workload: Workload,
  port: number,
  tables: ClusterTables,
  config: InboundConfig,
  reads: Reads,
): Answer<inbound.Server> {
  if (port < 1 || port > 65_535) return noAnswer(status.INVALID_ARGUMENT, `port ${port} is not in 1..65535`);
  const key = keyOf({ namespace: workload.namespace, name: workload.pod });
  const pod = tables.pods.get(key, reads);
  if (pod === undefined) return noAnswer(status.NOT_FOUND, `pod ${key} does not exist`);
  return answer(inbound.Server, defaultServer(pod, port, config));
}

/** The server of a port that no policy resource speaks about. */
function defaultServer(pod: Pod, port: number, config: InboundConfig): inbound.Server {
  const policy = policyOf(pod, port, config);
  const opaque = opaquePortsOf(pod, config.defaultOpaquePorts).has(port);
  return {
    protocol: opaque
      ? { kind: { $case: 'opaque', value: {} } }
      : {
          kind: {
            $case: 'detect',
            value: {
              timeout: durationFromMs(DETECT_TIMEOUT_MS),
              httpRoutes: defaultRoutes(pod, port, config),
              httpLocalRateLimit: undefined,
            },
          },
        },
    serverIps: [],
    authorizations: defaultAuthorizations(policy, config),
    labels: { group: '', kind: 'default', name: policy },
  };
}

/** The policy of a port: the pod's annotation, else the cluster's default, made stricter where the port requires identity. */
function policyOf(pod: Pod, port: number, config: InboundConfig): DefaultPolicy {
  const { annotations = {} } = pod.metadata;
  const named = DEFAULT_POLICIES.find((one) => one === annotations[DEFAULT_INBOUND_POLICY]);
  const policy = named ?? config.defaultPolicy;
  if (!portsFrom(annotations[REQUIRE_IDENTITY_PORTS] ?? '', pod).has(port)) return policy;
  switch (policy) {
    case 'cluster-unauthenticated':
      return 'cluster-authenticated';
    case 'all-unauthenticated':
    case 'audit':
      return 'all-authenticated';
    case 'all-authenticated':
    case 'cluster-authenticated':
    case 'deny':
      return policy;
  }
}

function defaultAuthorizations(policy: DefaultPolicy, config: InboundConfig): inbound.Authz[] {
  if (policy === 'deny') return [];
  const networks = policy.startsWith('cluster-') ? config.clusterNetworks : ALL_NETWORKS;
  return [authorization(policy, networks, policy.endsWith('-authenticated'))];
}

function authorization(name: string, networks: readonly Cidr[], meshed: boolean): inbound.Authz {
  return {
    networks: networks.map((network) => ({ net: networkMessage(network), except: [] })),
    authentication: {
      permit: meshed
        ? {
            $case: 'meshTLS',
            // No parts: any identity.
            value: { clients: { $case: 'identities', value: { identities: [], suffixes: [{ parts: [] }] } } },
          }
        : { $case: 'unauthenticated', value: {} },
    },
    labels: { group: '', kind: 'default', name },
    metadata: defaultMetadata(name),
  };
}

/** A route for everything, and one that lets the kubelet's probes in whatever the policy. */
function defaultRoutes(pod: Pod, port: number, config: InboundConfig): inbound.HttpRoute[] {
  const matches = probeMatches(pod, port);
  const everything: inbound.HttpRoute = {
    metadata: defaultMetadata('default'),
    hosts: [],
    authorizations: [],
    rules: [
      {
        matches: [{ path: { kind: { $case: 'prefix', value: '/' } }, headers: [], queryParams: [], method: undefined }],
        filters: [],
      },
    ],
  };
  if (matches.length === 0) return [everything];
  const probes: inbound.HttpRoute = {
    metadata: defaultMetadata('probe'),
    hosts: [],
    authorizations: [authorization('probe', config.probeNetworks, false)],
    rules: [{ matches: [...matches], filters: [] }],
  };
  return [everything, probes];
}

const { GET, POST } = httpTypes.HttpMethod_Registered;
/** The one method of gRPC's health checking protocol that probes call. Which service they ask about stands in the message. */
const HEALTH_CHECK = '/grpc.health.v1.Health/Check';

/** Requests of the probes of this port: paths of HTTP, and the health check where a container has a gRPC probe. */
function probeMatches(pod: Pod, port: number): readonly httpRoute.HttpRouteMatch[] {
  const probes = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].flatMap((container) =>
    [container.livenessProbe, container.readinessProbe, container.startupProbe].filter((probe) => probe !== undefined),
  );
  const paths = new Set(probes.flatMap((probe) => probePath(probe, port, pod)));
  const matches = [...paths].toSorted().map((path) => exactly(path, GET));
  return probes.some(({ grpc }) => grpc?.port === port) ? [...matches, exactly(HEALTH_CHECK, POST)] : matches;
}

function exactly(path: string, method: httpTypes.HttpMethod_Registered): httpRoute.HttpRouteMatch {
  return {
    path: { kind: { $case: 'exact', value: path } },
    headers: [],
    queryParams: [],
    method: { type: { $case: 'registered', value: method } },
  };
}

function probePath(probe: Probe, port: number, pod: Pod): readonly string[] {
  const get = probe.httpGet;
  if (get === undefined) return [];
  const number = typeof get.port === 'number' ? get.port : (containerPort(pod, get.port) ?? Number(get.port));
  if (number !== port) return [];
  const path = (get.path ?? '/').split('?')[0] ?? '/';
  return [path.startsWith('/') ? path : `/${path}`];
}
