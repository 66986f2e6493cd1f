/** What every role's composition root shares: logging, readiness, metrics, the admin port and the cluster's API. */
import type { KubeClient } from '@mesh/kube';
import type { Component, Logger } from '@mesh/runtime';
import { createLogger, Readiness, startAll, stderrSink, systemClock } from '@mesh/runtime';
import type { Clock, LogControl } from '@mesh/runtime';

import type { CommonConfig, Role } from './config/config.ts';
import { AdminServer } from './serving/admin-server.ts';
import { RoleMetrics } from './serving/metrics.ts';
import type { StreamCounts } from './serving/watch.ts';

/** What a role gets from outside; tests bring their own. */
export interface RoleDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly logControl: LogControl;
}

/** A running role. Disposing stops it in reverse order. */
export interface RunningRole extends AsyncDisposable {
  readonly adminPort: number;
  /** The port that it serves on: gRPC, or HTTPS for the injector. */
  readonly port: number;
  readonly metrics: RoleMetrics;
}

export function loggerFor(
  role: Role,
  config: Pick<CommonConfig, 'logLevel' | 'logFormat'>,
): { readonly logger: Logger; readonly logControl: LogControl } {
  const logControl: LogControl = { level: config.logLevel };
  const logger = createLogger({ control: logControl, format: config.logFormat, sink: stderrSink, fields: { role } });
  return { logger, logControl };
}

export interface RoleParts {
  /** Started in order, after the admin port and before readiness. */
  readonly components: readonly Component[];
  readonly metrics: RoleMetrics;
  readonly readiness: Readiness;
  readonly port: () => number;
}

/** Admin first, so that probes see a role that waits; then the parts in order; ready when all have started. */
export async function runRole(
  config: CommonConfig,
  parts: RoleParts,
  deps: RoleDeps,
  signal: AbortSignal,
): Promise<RunningRole> {
  const { metrics, readiness } = parts;
  const block = readiness.block('start');
  metrics.computed('process_start_time_seconds', 'Start time of the process since the Unix epoch in seconds.', () =>
    Math.floor(performance.timeOrigin / 1000),
  );
  metrics.computed('process_resident_memory_bytes', 'Resident memory in bytes.', () => process.memoryUsage.rss());
  const admin = new AdminServer(config.admin, { readiness, metrics, logControl: deps.logControl, logger: deps.logger });
  const stack = await startAll([admin, ...parts.components], signal);
  block[Symbol.dispose]();
  deps.logger.info('ready');
  return {
    get adminPort() {
      return admin.port;
    },
    get port() {
      return parts.port();
    },
    metrics,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Counters of open streams and of messages on them. */
export function streamCounts(metrics: RoleMetrics): StreamCounts {
  const open = metrics.gauge('mesh_control_streams_open', 'Streams that clients have open now, by method.');
  const opened = metrics.counter('mesh_control_streams_total', 'Streams that clients opened, by method.');
  const sent = metrics.counter('mesh_control_messages_total', 'Messages sent on streams, by method and kind.');
  return {
    opened(method) {
      opened({ method });
      open({ method }, 1);
      return { [Symbol.dispose]: () => open({ method }, -1) };
    },
    sent: (method, update) => sent({ method, update }),
  };
}

export { Readiness, RoleMetrics, systemClock };
