/** What every role's composition root shares: logging, readiness, metrics, the admin port and the cluster's API. */
import type { Resolver } from '@mesh/control-client';
import type { KubeClient } from '@mesh/kube';

import { AdminServer } from '@mesh/runtime/admin';
import { createLogger, registerProcessMetrics, startAll, stderrSink } from '@mesh/runtime';
import type { Clock, Component, LogControl, Logger, MetricRegistry, Readiness } from '@mesh/runtime';

import type { CommonConfig, Role } from './config/config.ts';
import type { StreamCounts } from './serving/watch.ts';

/** What a role gets from outside; tests bring their own. */
export interface RoleDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly logControl: LogControl;
  /** How names of Services become addresses. */
  readonly resolve: Resolver;
}

/** A running role. Disposing stops it in reverse order. */
export interface RunningRole extends AsyncDisposable {
  readonly adminPort: number;
  /** The port that it serves on: gRPC, or HTTPS for the injector. */
  readonly port: number;
  readonly metrics: MetricRegistry;
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
  readonly metrics: MetricRegistry;
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
  registerProcessMetrics(metrics);
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
export function streamCounts(metrics: MetricRegistry): StreamCounts {
  const open = metrics.gauge({
    name: 'mesh_control_streams_open',
    help: 'Streams that clients have open now, by method.',
  });
  const total = metrics.counter({
    name: 'mesh_control_streams_total',
    help: 'Streams that clients opened, by method.',
  });
  const sent = metrics.counter({
    name: 'mesh_control_messages_total',
    help: 'Messages sent on streams, by method and kind.',
  });
  return {
    opened(method) {
      total.bind({ method }).add(1);
      const cell = open.bind({ method });
      cell.add(1);
      return { [Symbol.dispose]: () => cell.add(-1) };
    },
    sent: (method, update) => sent.bind({ method, update }).add(1),
  };
}

/** A gauge whose value is looked up when somebody asks. */
export function computedGauge(metrics: MetricRegistry, name: string, help: string, read: () => number): void {
  const cell = metrics.gauge({ name, help }).bind();
  metrics.beforeScrape(() => cell.set(read()));
}
