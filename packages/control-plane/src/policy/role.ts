/** The policy role: cluster feed → own certificate → WatchPort and Watch. */
import type { PolicyRoleConfig } from '../config/config.ts';
import { EventRecorder } from '@mesh/kube';

import { runDiscovery } from '../destination/role.ts';
import { ClusterTables } from '../live/cluster-tables.ts';
import type { RoleDeps, RunningRole } from '../role.ts';
import { AnnotationWarnings } from './annotation-warnings.ts';
import { inboundPolicyService, outboundPolicyService } from './service.ts';

export function runPolicy(config: PolicyRoleConfig, deps: RoleDeps, signal: AbortSignal): Promise<RunningRole> {
  const tables = new ClusterTables((key, error) =>
    deps.logger.error('answer not recomputed; the last one stays', { key, error }),
  );
  const sources = { tables, config: config.policy };
  const { client, clock, logger } = deps;
  const events = new EventRecorder({ component: 'linkerd-policy' }, { client, clock, logger });
  return runDiscovery(
    config,
    tables,
    (counts) => [inboundPolicyService(sources, counts), outboundPolicyService(sources, counts)],
    deps,
    signal,
    [new AnnotationWarnings({ services: tables.services, events, logger })],
  );
}
