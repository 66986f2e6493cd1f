/** Metrics of the connections to the control plane, of identity, and of the build. */
import type { ChannelObserver, IdentityObserver } from '@mesh/control-client';
import type { CounterCell, HistogramCell, MetricRegistry } from '@mesh/runtime';
import type { Labels } from '../ports.ts';
import { bindBalancer, LATENCY_BUCKETS_MS } from './proxy-metrics.ts';

export type ControlClientName = 'destination' | 'policy' | 'identity';

/** @param address As configured, host:port. @param serverName `undefined`: plain text on loopback. */
export function channelMetrics(
  registry: MetricRegistry,
  client: ControlClientName,
  address: string,
  serverName: string | undefined,
): ChannelObserver {
  const labels: Labels = {
    addr: address,
    ...(serverName === undefined
      ? { tls: 'no_identity', no_tls_reason: 'loopback' }
      : { tls: 'true', server_id: serverName }),
  };
  const requests = registry
    .counter({ name: 'control_request_total', help: 'Requests to the control plane.' })
    .bind(labels);
  const responses = registry.counter({ name: 'control_response_total', help: 'Responses of the control plane.' });
  const latencies = registry.histogram({
    name: 'control_response_latency_ms',
    help: 'Time from a request to the control plane to the end of its response, milliseconds.',
    buckets: LATENCY_BUCKETS_MS,
  });
  const balancer = bindBalancer(registry, `control_${client}_balancer_`, { addr: address });
  const resolutions = registry.counter({
    name: 'control_dns_resolutions_total',
    help: 'Resolutions of control-plane names.',
  });
  const resolved = (result: string): CounterCell => resolutions.bind({ client, record_type: 'A/AAAA', result });
  const succeeded = resolved('ok');
  const failed = resolved('error');
  const bound = new Map<string, { readonly total: CounterCell; readonly latencyMs: HistogramCell }>();
  let up = false;
  return {
    request() {
      requests.add(1);
      balancer.queueRequests.add(1);
    },
    response(httpStatus, grpcStatus, latencyMs) {
      const key = `${httpStatus} ${grpcStatus}`;
      let cells = bound.get(key);
      if (cells === undefined) {
        const base = { ...labels, status_code: httpStatus === 0 ? '' : String(httpStatus) };
        cells = {
          total: responses.bind({
            ...base,
            classification: isGrpcFailure(grpcStatus) ? 'failure' : 'success',
            grpc_status: String(grpcStatus),
            error: httpStatus === 0 ? 'no response' : '',
          }),
          latencyMs: latencies.bind(base),
        };
        bound.set(key, cells);
      }
      cells.total.add(1);
      cells.latencyMs.observe(latencyMs);
    },
    resolution: (ok) => (ok ? succeeded : failed).add(1),
    connected(now) {
      if (now === up) return;
      up = now;
      balancer.endpointsReady.set(now ? 1 : 0);
      (now ? balancer.gateOpen : balancer.gateShut).add(1);
      (now ? balancer.updatesAdd : balancer.updatesRemove).add(1);
    },
    waiting: (count) => balancer.queueLength.set(count),
  };
}

/** The statuses that Linkerd classifies as failures. */
const GRPC_FAILURES: ReadonlySet<number> = new Set([2, 4, 7, 13, 14, 15]);

function isGrpcFailure(status: number): boolean {
  return GRPC_FAILURES.has(status);
}

export function identityMetrics(registry: MetricRegistry): IdentityObserver {
  const expiration = registry
    .gauge({
      name: 'control_identity_cert_expiration_timestamp_seconds',
      help: 'When the certificate ends, seconds since the epoch.',
    })
    .bind();
  const refreshedAt = registry
    .gauge({
      name: 'control_identity_cert_refresh_timestamp_seconds',
      help: 'When the certificate was last renewed, seconds since the epoch.',
    })
    .bind();
  const refreshes = registry.counter({
    name: 'control_identity_cert_refreshes_total',
    help: 'Attempts to renew the certificate.',
  });
  const ok = refreshes.bind({ result: 'ok' });
  const error = refreshes.bind({ result: 'error' });
  return {
    refreshed: (succeeded) => (succeeded ? ok : error).add(1),
    installed(notAfterMs, atMs) {
      expiration.set(notAfterMs / 1000);
      refreshedAt.set(atMs / 1000);
    },
  };
}

export function registerBuildInfo(registry: MetricRegistry, version: string): void {
  registry
    .gauge({ name: 'proxy_build_info', help: 'The build of this proxy.' })
    .bind({ date: '', git_sha: '', profile: 'release', vendor: 'mesh', version })
    .set(1);
}
