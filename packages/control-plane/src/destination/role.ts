/** The destination role: cluster feed → own certificate → Get and GetProfile. */
import { MetricRegistry, Readiness } from '@mesh/runtime';
import type { Component } from '@mesh/runtime';

import type { DestinationConfig } from '../config/config.ts';
import { ClusterTables } from '../live/cluster-tables.ts';
import { ClusterFeed } from '../live/feed.ts';
import { computedGauge, runRole, streamCounts } from '../role.ts';
import type { RoleDeps, RunningRole } from '../role.ts';
import { GrpcServer } from '../serving/grpc-server.ts';
import type { GrpcService } from '../serving/grpc-server.ts';
import { serverIdentityOf, workloadIdentityFor } from '../serving/workload-server-identity.ts';
import { destinationService } from './service.ts';

export function runDestination(config: DestinationConfig, deps: RoleDeps, signal: AbortSignal): Promise<RunningRole> {
  const tables = new ClusterTables((key, error) =>
    deps.logger.error('answer not recomputed; the last one stays', { key, error }),
  );
  const sources = { tables, config: config.endpoints, clusterDomain: config.clusterDomain };
  return runDiscovery(config, tables, (counts) => [destinationService(sources, counts)], deps, signal);
}

/** What destination and policy have in common: both answer from the same tables. @param more Started when the tables are complete. */
export function runDiscovery(
  config: DestinationConfig | Omit<DestinationConfig, 'endpoints'>,
  tables: ClusterTables,
  services: (counts: ReturnType<typeof streamCounts>) => readonly GrpcService[],
  deps: RoleDeps,
  signal: AbortSignal,
  more: readonly Component[] = [],
): Promise<RunningRole> {
  const { logger } = deps;
  const metrics = new MetricRegistry();
  const feed = new ClusterFeed(tables, deps);
  computedGauge(
    metrics,
    'mesh_control_staleness_seconds',
    'Age of the copy of the cluster that answers come from; 0 while connected to its API.',
    () => feed.stalenessMs / 1000,
  );
  computedGauge(
    metrics,
    'mesh_control_queries',
    'Answers that are kept up to date for somebody.',
    () => tables.queries.size,
  );
  const identity = config.plaintext
    ? undefined
    : workloadIdentityFor({ ...config.identity, trustAnchorsFile: config.trustAnchorsFile }, deps);
  const server = new GrpcServer(
    { ...config.grpc, services: services(streamCounts(metrics)) },
    { identity: identity === undefined ? undefined : serverIdentityOf(identity), logger },
  );
  computedGauge(
    metrics,
    'mesh_control_connections',
    'Connections that clients have open now.',
    () => server.connections,
  );
  // The certificate and the tables are waited for together: neither needs the other.
  const prepare: Component = {
    name: 'cluster feed and certificate',
    start: async (abort) => {
      await Promise.all([feed.start(abort), identity?.start(abort)]);
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([feed[Symbol.asyncDispose](), identity?.[Symbol.asyncDispose]()]);
    },
  };
  return runRole(
    config,
    { components: [prepare, server, ...more], metrics, readiness: new Readiness(), port: () => server.port },
    deps,
    signal,
  );
}
