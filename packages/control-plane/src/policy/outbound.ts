/** How traffic to an address or a name is routed and balanced. Pure over what it reads. */
import { keyOf } from '@mesh/kube';
import type { Service } from '@mesh/kube';
import { cidrContains, parseIp } from '@mesh/model';
import type { Cidr, PortSet } from '@mesh/model';
import { durationFromMs, formatIpAddress, outbound, tcpAddress } from '@mesh/proxy-api';

import { LOCAL_DISCOVERY, OPAQUE_PORTS } from '../annotations.ts';
import { plainAddress } from '../destination/endpoint.ts';
import { parseTarget } from '../destination/target.ts';
import type { ClusterTables } from '../live/cluster-tables.ts';
import type { Reads } from '../live/table.ts';
import { status } from '../serving/call.ts';
import { answer, noAnswer } from '../serving/watch.ts';
import type { Answer } from '../serving/watch.ts';
import { portsFrom } from '../workload.ts';
import { defaultMetadata, serviceMetadata } from './messages.ts';
import { H2C, PLAIN_SERVICE_POLICY, readServicePolicy } from './service-policy.ts';
import type { ServicePolicy } from './service-policy.ts';

export interface OutboundConfig {
  readonly clusterDomain: string;
  readonly clusterNetworks: readonly Cidr[];
  readonly defaultOpaquePorts: PortSet;
}

/** Linkerd's constants. */
const DETECT_TIMEOUT_MS = 10_000;
const QUEUE: outbound.Queue = { capacity: 100, failfastTimeout: durationFromMs(3_000) };

export function outboundPolicy(
  target: outbound.TrafficSpec['target'],
  tables: ClusterTables,
  config: OutboundConfig,
  reads: Reads,
): Answer<outbound.OutboundPolicy> {
  if (target === undefined) return noAnswer(status.INVALID_ARGUMENT, 'target is missing');
  return target.$case === 'authority'
    ? policyForAuthority(target.value, tables, config, reads)
    : policyForAddress(formatIpAddress(target.value.ip), target.value.port, tables, config, reads);
}

function policyForAddress(
  ip: string | undefined,
  port: number,
  tables: ClusterTables,
  config: OutboundConfig,
  reads: Reads,
): Answer<outbound.OutboundPolicy> {
  const bytes = ip === undefined ? undefined : parseIp(ip);
  if (ip === undefined || bytes === undefined) return noAnswer(status.INVALID_ARGUMENT, 'target address has no IP');
  if (port < 1 || port > 65_535) return noAnswer(status.INVALID_ARGUMENT, `target port ${port} is not in 1..65535`);
  const [service] = tables.services.byIndex('clusterIp', ip, reads);
  if (service !== undefined) return servicePolicy(service, port, tables, config, reads);
  if (config.clusterNetworks.some((network) => cidrContains(network, bytes))) {
    // Pods and headless Services: the proxy goes to the address itself.
    return noAnswer(status.NOT_FOUND, `${ip}:${port} is no Service of this cluster`);
  }
  return answer(outbound.OutboundPolicy, egressPolicy(ip, port));
}

function policyForAuthority(
  authority: string,
  tables: ClusterTables,
  config: OutboundConfig,
  reads: Reads,
): Answer<outbound.OutboundPolicy> {
  const target = parseTarget(authority, config.clusterDomain);
  if (target.kind !== 'service' || target.hostname !== undefined) {
    return noAnswer(status.NOT_FOUND, `"${authority.slice(0, 300)}" is no Service of this cluster`);
  }
  const service = tables.services.get(keyOf({ namespace: target.namespace, name: target.service }), reads);
  if (service === undefined)
    return noAnswer(status.NOT_FOUND, `Service ${target.namespace}/${target.service} does not exist`);
  return servicePolicy(service, target.port, tables, config, reads);
}

function servicePolicy(
  service: Service,
  port: number,
  tables: ClusterTables,
  config: OutboundConfig,
  reads: Reads,
): Answer<outbound.OutboundPolicy> {
  const { namespace = '', name } = service.metadata;
  const defined = service.spec?.ports?.find((one) => one.port === port);
  const metadata = serviceMetadata(namespace, name, port);
  if (defined === undefined) {
    return answer(outbound.OutboundPolicy, {
      metadata,
      protocol: { kind: { $case: 'opaque', value: undefinedPort() } },
    });
  }
  const policy = readServicePolicy(service.metadata.annotations ?? {});
  const backends = backendsOf(service, port, policy.load, tables, config, reads);
  const opaqueAnnotation = service.metadata.annotations?.[OPAQUE_PORTS];
  const opaquePorts = opaqueAnnotation === undefined ? config.defaultOpaquePorts : portsFrom(opaqueAnnotation);
  return answer(outbound.OutboundPolicy, {
    metadata,
    protocol: { kind: protocolKind(defined.appProtocol, opaquePorts.has(port), backends, policy) },
  });
}

type ProtocolKind = NonNullable<outbound.ProxyProtocol['kind']>;

function protocolKind(
  appProtocol: string | undefined,
  opaque: boolean,
  backends: readonly outbound.Backend[],
  policy: ServicePolicy,
): ProtocolKind {
  const http = { routes: [httpRoute(backends, policy)], failureAccrual: policy.failureAccrual };
  const tcp = { routes: [opaqueRoute(backends)] };
  if (appProtocol === 'http') return { $case: 'http1', value: http };
  if (appProtocol === H2C) {
    // Only a gRPC route can carry conditions on gRPC codes.
    const grpc = policy.grpcRetry !== undefined && policy.httpRetry === undefined;
    if (!grpc) return { $case: 'http2', value: http };
    return { $case: 'grpc', value: { ...http, routes: [grpcRoute(backends, policy)] } };
  }
  // Every other word, `linkerd.io/opaque` and `linkerd.io/tcp` among them, means: do not look inside.
  if (appProtocol !== undefined && appProtocol !== '') return { $case: 'opaque', value: tcp };
  if (opaque) return { $case: 'opaque', value: tcp };
  return {
    $case: 'detect',
    value: { timeout: durationFromMs(DETECT_TIMEOUT_MS), opaque: tcp, http1: http, http2: http },
  };
}

/**
 * The backends, the preferred one first. A federated Service prefers its member in this cluster: traffic stays at home and
 * spills over to the whole federation when home has nothing ready.
 */
function backendsOf(
  service: Service,
  port: number,
  load: ServicePolicy['load'],
  tables: ClusterTables,
  config: OutboundConfig,
  reads: Reads,
): readonly outbound.Backend[] {
  const { namespace = '', name, annotations = {} } = service.metadata;
  const own = balancer(namespace, name, port, load, config.clusterDomain);
  const member = annotations[LOCAL_DISCOVERY] ?? '';
  if (member === '' || member === name) return [own];
  const local = tables.services.get(keyOf({ namespace, name: member }), reads);
  const hasPort = local?.spec?.ports?.some((one) => one.port === port) === true;
  return hasPort ? [balancer(namespace, member, port, load, config.clusterDomain), own] : [own];
}

function balancer(
  namespace: string,
  name: string,
  port: number,
  load: ServicePolicy['load'],
  clusterDomain: string,
): outbound.Backend {
  return {
    metadata: serviceMetadata(namespace, name, port),
    queue: QUEUE,
    kind: {
      $case: 'balancer',
      value: {
        discovery: { kind: { $case: 'dst', value: { path: `${name}.${namespace}.svc.${clusterDomain}:${port}` } } },
        load,
      },
    },
  };
}

function httpRoute(backends: readonly outbound.Backend[], policy: ServicePolicy): outbound.HttpRoute {
  return {
    metadata: defaultMetadata('http'),
    hosts: [],
    rules: [
      {
        matches: [{ path: { kind: { $case: 'prefix', value: '/' } }, headers: [], queryParams: [], method: undefined }],
        ...ruleOf(backends, policy),
        retry: policy.httpRetry,
      },
    ],
  };
}

function grpcRoute(backends: readonly outbound.Backend[], policy: ServicePolicy): outbound.GrpcRoute {
  return {
    metadata: defaultMetadata('grpc'),
    hosts: [],
    rules: [
      {
        matches: [{ rpc: { service: '', method: '' }, headers: [] }],
        ...ruleOf(backends, policy),
        retry: policy.grpcRetry,
      },
    ],
  };
}

/** What both kinds of routes have. */
function ruleOf(
  backends: readonly outbound.Backend[],
  policy: ServicePolicy,
): Omit<outbound.GrpcRoute_Rule & outbound.HttpRoute_Rule, 'matches' | 'retry'> {
  return {
    filters: [],
    backends: {
      kind: {
        $case: 'firstAvailable',
        value: { backends: backends.map((backend) => ({ backend, filters: [], requestTimeout: undefined })) },
      },
    },
    requestTimeout: undefined,
    timeouts: policy.timeouts,
    allowL5dRequestHeaders: false,
  };
}

function opaqueRoute(backends: readonly outbound.Backend[], name = 'opaq'): outbound.OpaqueRoute {
  return {
    metadata: defaultMetadata(name),
    rules: [
      {
        backends: {
          kind: { $case: 'firstAvailable', value: { backends: backends.map((backend) => ({ backend, filters: [] })) } },
        },
        filters: [],
      },
    ],
  };
}

function undefinedPort(): outbound.ProxyProtocol_Opaque {
  return {
    routes: [
      {
        metadata: defaultMetadata('undefined-port'),
        rules: [
          {
            backends: { kind: { $case: 'empty', value: {} } },
            filters: [{ kind: { $case: 'forbidden', value: {} } }],
          },
        ],
      },
    ],
  };
}

/** Addresses outside of the cluster: allowed, looked at, sent where they were going. */
function egressPolicy(ip: string, port: number): outbound.OutboundPolicy {
  const endpoint = plainAddress(ip, port);
  const backend: outbound.Backend = {
    metadata: defaultMetadata('egress-fallback'),
    queue: QUEUE,
    kind: endpoint === undefined ? undefined : { $case: 'forward', value: { ...endpoint, addr: tcpAddress(ip, port) } },
  };
  const http = {
    routes: [{ ...httpRoute([backend], PLAIN_SERVICE_POLICY), metadata: defaultMetadata('egress-fallback') }],
    failureAccrual: undefined,
  };
  return {
    metadata: defaultMetadata('egress-fallback'),
    protocol: {
      kind: {
        $case: 'detect',
        value: {
          timeout: durationFromMs(DETECT_TIMEOUT_MS),
          opaque: { routes: [opaqueRoute([backend], 'egress-fallback')] },
          http1: http,
          http2: http,
        },
      },
    },
  };
}
