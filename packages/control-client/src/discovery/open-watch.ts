/** How discovery opens a watch, apart from channels and limits. */
import type { BackoffOptions, Clock } from '@mesh/runtime';
import type { GrpcChannel } from '../grpc/channel.ts';
import type { GrpcMethod } from '../grpc/method.ts';
import { GRPC_STATUS } from '../grpc/status.ts';
import { Watch, WATCH_BACKOFF } from '../grpc/watch.ts';
import type { StreamLimits, WatchHandlers } from '../grpc/watch.ts';

/** Opens a watch; returns how to stop it. */
export type OpenWatch = <Request, Response>(
  method: GrpcMethod<Request, Response>,
  request: Request,
  handlers: WatchHandlers<Response>,
  terminal?: ReadonlySet<number>,
) => () => void;

/** The request itself is wrong; asking again cannot help. */
export const TERMINAL: ReadonlySet<number> = new Set([GRPC_STATUS.INVALID_ARGUMENT, GRPC_STATUS.FAILED_PRECONDITION]);

export function openWatchOn(
  channel: GrpcChannel,
  limits: StreamLimits,
  clock: Clock,
  backoff: BackoffOptions = WATCH_BACKOFF,
): OpenWatch {
  return (method, request, handlers, terminal = TERMINAL) => {
    const watch = new Watch({ channel, method, request, terminal, limits, backoff, clock }, handlers);
    watch.start();
    return () => watch.stop();
  };
}
