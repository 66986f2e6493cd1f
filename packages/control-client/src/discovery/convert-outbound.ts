/** `outbound.OutboundPolicy` messages to outbound policies, with the checks that proxies make of them. */
import type { outbound } from '@mesh/proxy-api';
import { toEndpoint } from './convert-endpoint.ts';
import { toEwma, toFailureAccrual, toRetry, toTimeouts } from './convert-resilience.ts';
import { defaultRef, toGrpcMatch, toHost, toHttpMatch, toMs, toRef } from './convert-shared.ts';
import { InvalidMessage, required } from './invalid.ts';
import type {
  Backend,
  Distribution,
  FailureAccrualPolicy,
  HttpRoute,
  HttpRule,
  OutboundPolicy,
  OutboundProtocol,
  RouteFilter,
  TcpRoute,
} from '@mesh/model';

/** @throws InvalidMessage */
export function toOutboundPolicy(policy: outbound.OutboundPolicy): OutboundPolicy {
  return {
    parent: toRef(policy.metadata, 'metadata'),
    protocol: toProtocol(required(policy.protocol?.kind, 'protocol.kind')),
  };
}

type Kind = NonNullable<outbound.ProxyProtocol['kind']>;

function toProtocol(kind: Kind): OutboundProtocol {
  switch (kind.$case) {
    case 'detect': {
      const { timeout, opaque, http1, http2 } = kind.value;
      return {
        kind: 'detect',
        timeoutMs: toMs(timeout, 'protocol.detect.timeout'),
        opaque: toTcpRoute(required(opaque, 'protocol.detect.opaque').routes, 'protocol.detect.opaque'),
        http1: toHttpRoutes(required(http1, 'protocol.detect.http1'), 'protocol.detect.http1'),
        http2: toHttpRoutes(required(http2, 'protocol.detect.http2'), 'protocol.detect.http2'),
      };
    }
    case 'opaque':
    case 'tls':
      return { kind: kind.$case, opaque: toTcpRoute(kind.value.routes, `protocol.${kind.$case}`) };
    case 'http1':
      return { kind: 'http1', http1: toHttpRoutes(kind.value, 'protocol.http1') };
    case 'http2':
      return { kind: 'http2', http2: toHttpRoutes(kind.value, 'protocol.http2') };
    case 'grpc': {
      const accrual = toFailureAccrual(kind.value.failureAccrual, 'protocol.grpc.failure_accrual');
      return {
        kind: 'grpc',
        http2: kind.value.routes.map((route, at) => toGrpcRoute(route, accrual, `protocol.grpc.routes[${at}]`)),
      };
    }
  }
}

/** At most one opaque route; TLS routes are told apart by server name, and until then the first one holds for all. */
function toTcpRoute(routes: readonly (outbound.OpaqueRoute | outbound.TlsRoute)[], field: string): TcpRoute {
  const route = routes[0];
  if (route === undefined) return { ref: defaultRef('none'), filters: [], backends: { kind: 'empty' } };
  if (routes.length > 1 && !('snis' in route)) throw InvalidMessage.at(`${field}.routes`, 'has more than one route');
  const rule = route.rules[0];
  if (rule === undefined || route.rules.length > 1)
    throw InvalidMessage.at(`${field}.routes[0].rules`, `has ${route.rules.length} rules, not 1`);
  return {
    ref: toRef(route.metadata, `${field}.routes[0].metadata`),
    filters: rule.filters.map((filter) => toTcpFilter(filter, `${field}.routes[0].filters`)),
    backends: toDistribution(rule.backends, undefined, `${field}.routes[0].backends`),
  };
}

function toTcpFilter(filter: outbound.OpaqueRoute_Filter | outbound.TlsRoute_Filter, field: string): RouteFilter {
  const kind = required(filter.kind, `${field}.kind`);
  return kind.$case === 'forbidden'
    ? { kind: 'forbidden' }
    : { kind: 'failure', status: 502, message: kind.value.message };
}

function toHttpRoutes(
  message: outbound.ProxyProtocol_Http1 | outbound.ProxyProtocol_Http2,
  field: string,
): readonly HttpRoute[] {
  const accrual = toFailureAccrual(message.failureAccrual, `${field}.failure_accrual`);
  return message.routes.map((route, at) => {
    const here = `${field}.routes[${at}]`;
    return {
      ref: toRef(route.metadata, `${here}.metadata`),
      hosts: route.hosts.map((host) => toHost(host, `${here}.hosts`)),
      rules: route.rules.map((rule, index) =>
        toRule(
          rule,
          rule.matches.map((match) => toHttpMatch(match, `${here}.rules[${index}].matches`)),
          accrual,
          `${here}.rules[${index}]`,
        ),
      ),
    };
  });
}

function toGrpcRoute(route: outbound.GrpcRoute, accrual: FailureAccrualPolicy | undefined, field: string): HttpRoute {
  return {
    ref: toRef(route.metadata, `${field}.metadata`),
    hosts: route.hosts.map((host) => toHost(host, `${field}.hosts`)),
    rules: route.rules.map((rule, index) =>
      toRule(
        rule,
        rule.matches.map((match) => toGrpcMatch(match, `${field}.rules[${index}].matches`)),
        accrual,
        `${field}.rules[${index}]`,
      ),
    ),
  };
}

function toRule(
  rule: outbound.HttpRoute_Rule | outbound.GrpcRoute_Rule,
  matches: HttpRule['matches'],
  accrual: FailureAccrualPolicy | undefined,
  field: string,
): HttpRule {
  return {
    matches,
    filters: rule.filters.flatMap((filter) => toHttpFilter(filter, `${field}.filters`)),
    backends: toDistribution(rule.backends, accrual, `${field}.backends`),
    timeouts: toTimeouts(rule.timeouts, rule.requestTimeout, field),
    retry: toRetry(rule.retry, `${field}.retry`),
    allowRequestHeaders: rule.allowL5dRequestHeaders,
  };
}

/** Header modifiers and redirects arrive with route policies; here only what refuses a request is kept. */
function toHttpFilter(filter: outbound.HttpRoute_Filter | outbound.GrpcRoute_Filter, field: string): RouteFilter[] {
  const kind = required(filter.kind, `${field}.kind`);
  if (kind.$case !== 'failureInjector') return [];
  const status = 'status' in kind.value ? kind.value.status : 200;
  return [{ kind: 'failure', status, message: kind.value.message }];
}

type AnyDistribution =
  | outbound.HttpRoute_Distribution
  | outbound.GrpcRoute_Distribution
  | outbound.OpaqueRoute_Distribution
  | outbound.TlsRoute_Distribution;

function toDistribution(
  distribution: AnyDistribution | undefined,
  accrual: FailureAccrualPolicy | undefined,
  field: string,
): Distribution {
  const kind = required(distribution?.kind, `${field}.kind`);
  if (kind.$case === 'empty') return { kind: 'empty' };
  if (kind.value.backends.length === 0) throw InvalidMessage.at(`${field}.backends`, 'is empty');
  if (kind.$case === 'firstAvailable')
    return {
      kind: 'first_available',
      backends: kind.value.backends.map((backend, at) =>
        toBackend(backend.backend, accrual, `${field}.backends[${at}]`),
      ),
    };
  return {
    kind: 'random_available',
    backends: kind.value.backends.map(({ backend, weight }, at) => ({
      backend: toBackend(backend?.backend, accrual, `${field}.backends[${at}]`),
      weight,
    })),
  };
}

function toBackend(
  message: outbound.Backend | undefined,
  failureAccrual: FailureAccrualPolicy | undefined,
  field: string,
): Backend {
  const backend = required(message, field);
  const ref = toRef(backend.metadata, `${field}.metadata`);
  const queue = {
    capacity: required(backend.queue, `${field}.queue`).capacity,
    failfastTimeoutMs: toMs(backend.queue?.failfastTimeout, `${field}.queue.failfast_timeout`),
  };
  const target = toTarget(backend, field);
  return { key: JSON.stringify([ref, queue, target, failureAccrual]), ref, queue, failureAccrual, target };
}

function toTarget(backend: outbound.Backend, field: string): Backend['target'] {
  const { kind } = backend;
  if (kind === undefined) return { kind: 'invalid' };
  if (kind.$case === 'forward')
    return { kind: 'forward', endpoint: required(toEndpoint(kind.value), `${field}.forward.addr`) };
  const path = required(kind.value.discovery?.kind, `${field}.balancer.discovery`).value.path;
  const load = required(kind.value.load, `${field}.balancer.load`);
  return { kind: 'balancer', path, ewma: toEwma(load, `${field}.balancer`) };
}
