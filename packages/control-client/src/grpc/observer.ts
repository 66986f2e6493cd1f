/** What a channel tells about itself, for metrics. */

export interface ChannelObserver {
  /** A call was started. */
  request(): void;
  /** A call ended. `httpStatus` is 0 when no response head came. */
  response(httpStatus: number, grpcStatus: number, latencyMs: number): void;
  resolution(succeeded: boolean): void;
  /** Whether a connection is up. */
  connected(up: boolean): void;
  /** Calls that wait for a connection. */
  waiting(count: number): void;
}

export const silentObserver: ChannelObserver = {
  request: () => undefined,
  response: () => undefined,
  resolution: () => undefined,
  connected: () => undefined,
  waiting: () => undefined,
};
