/** The gRPC face of policy: one service for inbound ports, one for outbound targets. */
import { inbound, outbound } from '@mesh/proxy-api';

import { messageOf } from '@mesh/runtime';

import type { ClusterTables } from '../live/cluster-tables.ts';
import type { Reads } from '../live/table.ts';
import { guarded, serviceDefinition, status, subscriberOf } from '../serving/call.ts';
import type { StreamHandler, UnaryHandler } from '../serving/call.ts';
import type { GrpcService } from '../serving/grpc-server.ts';
import { answerOnce, noAnswer, watchAnswer } from '../serving/watch.ts';
import type { Answer, StreamCounts } from '../serving/watch.ts';
import { inboundServer, parseWorkload } from './inbound.ts';
import type { InboundConfig } from './inbound.ts';
import { outboundPolicy } from './outbound.ts';
import type { OutboundConfig } from './outbound.ts';

export type PolicyConfig = InboundConfig & OutboundConfig;

export interface PolicySources {
  readonly tables: ClusterTables;
  readonly config: PolicyConfig;
}

export function inboundPolicyService(sources: PolicySources, streams: StreamCounts): GrpcService {
  const compute =
    (request: inbound.PortSpec) =>
    (reads: Reads): Answer<inbound.Server> => {
      const workload = parseWorkload(request.workload);
      if (workload === undefined) {
        return noAnswer(
          status.INVALID_ARGUMENT,
          'workload is not {"ns":…,"pod":…}; see LINKERD2_PROXY_POLICY_WORKLOAD of the proxy',
        );
      }
      return inboundServer(workload, request.port, sources.tables, sources.config, reads);
    };
  const watchPort: StreamHandler<inbound.PortSpec, inbound.Server> = (call) => {
    guarded(subscriberOf(call), (subscriber) =>
      watchAnswer({
        method: 'watch_port',
        queries: sources.tables.queries,
        key: `${call.request.workload} ${call.request.port}`,
        compute: compute(call.request),
        subscriber,
        streams,
      }),
    );
  };
  const getPort: UnaryHandler<inbound.PortSpec, inbound.Server> = (call, callback) => {
    respond(() => answerOnce(compute(call.request)), callback);
  };
  return { definition: serviceDefinition(inbound.InboundServerPoliciesDefinition), handlers: { watchPort, getPort } };
}

export function outboundPolicyService(sources: PolicySources, streams: StreamCounts): GrpcService {
  const compute =
    (request: outbound.TrafficSpec) =>
    (reads: Reads): Answer<outbound.OutboundPolicy> =>
      outboundPolicy(request.target, sources.tables, sources.config, reads);
  const watch: StreamHandler<outbound.TrafficSpec, outbound.OutboundPolicy> = (call) => {
    guarded(subscriberOf(call), (subscriber) =>
      watchAnswer({
        method: 'watch',
        queries: sources.tables.queries,
        key: targetKey(call.request.target),
        compute: compute(call.request),
        subscriber,
        streams,
      }),
    );
  };
  const get: UnaryHandler<outbound.TrafficSpec, outbound.OutboundPolicy> = (call, callback) => {
    respond(() => answerOnce(compute(call.request)), callback);
  };
  return { definition: serviceDefinition(outbound.OutboundPoliciesDefinition), handlers: { watch, get } };
}

function targetKey(target: outbound.TrafficSpec['target']): string {
  return JSON.stringify(target, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value)) ?? '';
}

function respond<T>(read: () => Answer<T>, callback: Parameters<UnaryHandler<never, T>>[1]): void {
  try {
    const result = read();
    if (result.kind === 'message') callback(null, result.message);
    else callback(result.status);
  } catch (error) {
    callback({ code: status.INTERNAL, details: messageOf(error) });
  }
}
