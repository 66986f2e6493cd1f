/** The connections to one endpoint, by version of HTTP. */
import type { EndpointSlot } from '../balance/endpoint-slot.ts';
import type { HttpEngine } from './engine.ts';
import { H1Pool } from './h1-pool.ts';
import type { Placement } from './placement.ts';
import type { UpstreamVersion } from './upstream-stream.ts';

export { CONNECT_SLOW_MS } from './connect-queue.ts';

export class HttpPool {
  readonly #http1: H1Pool;

  constructor(slot: EndpointSlot, engine: HttpEngine) {
    this.#http1 = new H1Pool(slot, engine);
  }

  /** Serves the request now, or as soon as a connection is there; `placement.connectFailed` when none can be had. */
  request(placement: Placement, _version: UpstreamVersion): void {
    this.#http1.request(placement);
  }

  /** The request waits no longer. */
  cancel(placement: Placement): void {
    this.#http1.queue.delete(placement);
  }

  /** Opens a connection on trial, for an endpoint that failed before: `owner.connected` or `owner.connectFailed` follows. */
  probe(): void {
    this.#http1.probe();
  }

  close(): void {
    this.#http1.close();
  }

  /** The endpoint is no more: whoever waits for a connection to it asks for another one. */
  sendAway(): void {
    this.#http1.queue.sendAway();
  }
}
