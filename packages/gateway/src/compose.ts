/** A gateway with all that it needs, as the configuration says: what a process of its own has, and each worker. */
import {
  createCertifiedIdentity,
  createDiscovery,
  defaultInboundPolicy,
  formatTarget,
  GrpcChannel,
  NO_STREAM_LIMITS,
  serviceSecurity,
  systemResolver,
  watchedTrustFile,
} from '@mesh/control-client';
import type { Discovery, WorkloadIdentity } from '@mesh/control-client';
import type { KubeClient } from '@mesh/kube';
import type { Driver, TlsContext } from '@mesh/net';
import { channelMetrics, createProxyMetrics, identityMetrics, runtimeTrim } from '@mesh/proxy';
import { systemClock } from '@mesh/runtime';
import type { Logger, MetricRegistry } from '@mesh/runtime';
import { Gateway } from './app.ts';
import type { GatewayConfig, ServiceConfig } from './config.ts';
import type { GatewayIdentity } from './gateway-identity.ts';
import type { PortsOptions } from './ports.ts';

const POLICY_DETECT_TIMEOUT_MS = 10_000;

/** Of one process. */
export interface Shared {
  readonly driver: Driver;
  readonly logger: Logger;
  readonly registry: MetricRegistry;
}

export function createIdentity(config: GatewayConfig, { driver, logger, registry }: Shared): WorkloadIdentity {
  const { target, name } = config.identity;
  return createCertifiedIdentity(
    {
      name: config.identityName,
      service: target,
      serviceName: name,
      tokenPath: config.tokenFile,
      trust: watchedTrustFile(config.trustAnchorsFile, { clock: systemClock, log: logger }),
    },
    {
      driver,
      clock: systemClock,
      log: logger.child({ client: 'identity' }),
      observer: identityMetrics(registry),
      channelObserver: channelMetrics(registry, 'identity', formatTarget(target), name),
    },
  );
}

export function portsOptions({ listenIp: ip, probe, adminPort }: GatewayConfig): PortsOptions {
  return { probe: { ip, port: probe.port, path: probe.path }, admin: { ip, port: adminPort } };
}

/** Owns the connections to the control plane; `close` ends them once the gateway has ended. */
export interface ComposedGateway {
  readonly gateway: Gateway;
  readonly close: () => void;
}

/** @param alone No worker: it shares its port with nobody and answers for itself. */
export function composeGateway(
  config: GatewayConfig,
  identity: GatewayIdentity,
  shared: Shared & { readonly client: KubeClient; readonly alone: boolean },
): ComposedGateway {
  const { registry, alone } = shared;
  const tls = (): TlsContext | undefined => identity.port.tls;
  const destination = createChannel('destination', config.destination, tls, shared);
  const policy = config.policy === undefined ? destination : createChannel('policy', config.policy, tls, shared);
  const discovery = discoveryOf(config, { destination, policy }, shared.logger);
  const fallback = defaultInboundPolicy('all-authenticated', [], 'detect', POLICY_DETECT_TIMEOUT_MS);
  const fixedPolicy = { current: fallback, onChange: () => () => undefined, release: () => undefined };
  const gateway = new Gateway(
    {
      ...config,
      listen: { ip: config.listenIp, port: config.port },
      reusePort: !alone,
      ports: alone ? portsOptions(config) : undefined,
    },
    {
      ...shared,
      clock: systemClock,
      identity: identity.port,
      ownIssuer: () => identity.issuer(),
      identityComponent: identity,
      endpoints: discovery.endpoints,
      policy: config.policy === undefined ? fixedPolicy : discovery.inbound.get(config.port),
      servicePolicies: config.policy === undefined ? undefined : discovery.outbound,
      metrics: createProxyMetrics(registry),
      exposeMetrics: () => registry.exposeInTurns(),
      trim: runtimeTrim(),
    },
  );
  registerGauges(registry, gateway);
  return {
    gateway,
    close() {
      discovery[Symbol.dispose]();
      for (const channel of new Set([destination, policy])) channel.close();
    },
  };
}

function createChannel(
  client: 'destination' | 'policy',
  service: ServiceConfig,
  context: () => TlsContext | undefined,
  { driver, logger, registry }: Shared,
): GrpcChannel {
  return new GrpcChannel(
    { target: service.target, security: serviceSecurity(service.target, service.name, context) },
    {
      driver,
      clock: systemClock,
      resolve: systemResolver,
      log: logger.child({ client }),
      observer: channelMetrics(registry, client, formatTarget(service.target), service.name),
    },
  );
}

function discoveryOf(
  config: GatewayConfig,
  channels: { destination: GrpcChannel; policy: GrpcChannel },
  logger: Logger,
): Discovery {
  const workload = { ns: config.namespace, pod: config.podName };
  return createDiscovery(
    {
      contextToken: JSON.stringify(workload),
      workload: JSON.stringify(workload),
      destinationLimits: NO_STREAM_LIMITS,
      policyLimits: NO_STREAM_LIMITS,
      profileNetworks: [],
      // Until (and unless) the policy service says otherwise: whoever has an identity of an admitted peer.
      defaultInboundPolicy: () => defaultInboundPolicy('all-authenticated', [], 'detect', POLICY_DETECT_TIMEOUT_MS),
    },
    { ...channels, clock: systemClock, log: logger },
  );
}

function registerGauges(registry: MetricRegistry, gateway: Gateway): void {
  const gauge = (name: string, help: string) => registry.gauge({ name, help }).bind();
  const exported = gauge('mesh_gateway_exported_services', 'Services that peers may reach here.');
  const staleness = gauge('mesh_gateway_exports_staleness_seconds', 'Age of what is known of exported Services.');
  const strict = gauge('mesh_gateway_admits_peers_only', '1 when only clients of linked peers are admitted, else 0.');
  const bridges = gauge('mesh_gateway_bridge_ports', 'Plain ports for clients without a proxy.');
  registry.beforeScrape(() => {
    exported.set(gateway.exportState.count);
    staleness.set(gateway.exportState.stalenessSeconds);
    strict.set(gateway.state.strict ? 1 : 0);
    bridges.set(gateway.state.bridges.length);
  });
}
