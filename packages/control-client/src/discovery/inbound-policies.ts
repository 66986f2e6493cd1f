/** Policies of inbound ports by `InboundServerPolicies.WatchPort`, with a default until the first answer. */
import { messageOf } from '@mesh/runtime';
import type { Logger } from '@mesh/runtime';
import { grpcStatusName } from '../grpc/status.ts';
import { WATCH_PORT } from '../proto/methods.ts';
import { toInboundPolicy } from './convert-inbound.ts';
import type { OpenWatch } from './open-watch.ts';
import type { InboundPolicy } from '@mesh/model';
import type { Source } from './watch-cache.ts';

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
