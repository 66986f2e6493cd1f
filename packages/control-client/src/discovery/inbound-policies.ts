/** Policies of inbound ports by `InboundServerPolicies.WatchPort`, with a default until the first answer. */
import { inbound } from '@mesh/proxy-api';
import { messageOf } from '@mesh/runtime';
import type { Logger } from '@mesh/runtime';
import { grpcMethod } from '../grpc/method.ts';
import { grpcStatusName } from '../grpc/status.ts';
import { toInboundPolicy } from './convert-inbound.ts';
import type { OpenWatch } from './open-watch.ts';
import type { InboundPolicy } from './snapshots.ts';
import type { Source } from './watch-cache.ts';

const { InboundServerPoliciesDefinition } = inbound;
const WATCH_PORT = grpcMethod(InboundServerPoliciesDefinition, InboundServerPoliciesDefinition.methods.watchPort);

/** Feeds policies by port. What is not a valid policy changes nothing. */
export function inboundPolicySource(
  open: OpenWatch,
  workload: string,
  defaultPolicy: (port: number) => InboundPolicy,
  log: Logger,
): Source<number, InboundPolicy> {
  return (port, sink) => {
    sink.set(defaultPolicy(port));
    return open(
      WATCH_PORT,
      { workload, port },
      {
        opened: () => undefined,
        message: (message) => {
          try {
            sink.set(toInboundPolicy(message));
          } catch (error) {
            log.warn('inbound policy not usable, keeping the last one', { port, reason: messageOf(error) });
          }
        },
        interrupted: () => undefined,
        terminal: (status) =>
          log.warn('inbound policy refused, keeping the last one', {
            port,
            status: grpcStatusName(status.code),
            reason: status.message,
          }),
      },
    );
  };
}
