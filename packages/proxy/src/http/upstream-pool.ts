/** The connections to one endpoint, by version of HTTP. */
import type { EndpointSlot } from '../balance/endpoint-slot.ts';
import type { HttpEngine } from './engine.ts';
import { H1Pool } from './h1-pool.ts';
import { H2Pool } from './h2-pool.ts';
import type { Placement } from './placement.ts';
import type { UpstreamVersion } from './upstream-stream.ts';

export { CONNECT_SLOW_MS } from './connect-queue.ts';

export class HttpPool {
  readonly #slot: EndpointSlot;
  readonly #engine: HttpEngine;
  /** Made when the first request asks for that version: most endpoints see one. */
  #http1: H1Pool | undefined;
  #http2: H2Pool | undefined;
  #last: UpstreamVersion;

  constructor(slot: EndpointSlot, engine: HttpEngine) {
    this.#slot = slot;
    this.#engine = engine;
    this.#http1 = undefined;
    this.#http2 = undefined;
    this.#last = 1;
  }

  /** Serves the request now, or as soon as a connection is there; `placement.connectFailed` when none can be had. */
  request(placement: Placement, version: UpstreamVersion): void {
    this.#last = version;
    this.#pool(version).request(placement);
  }

  /** The request waits no longer. */
  cancel(placement: Placement): void {
    this.#http1?.queue.delete(placement);
    this.#http2?.queue.delete(placement);
  }

  /**
   * Opens a connection on trial, for an endpoint that failed before: `owner.connected` or `owner.connectFailed` follows. It is one that the
   * last request would have wanted, so that it is of use.
   */
  probe(): void {
    this.#pool(this.#last).probe();
  }

  close(): void {
    this.#http1?.close();
    this.#http2?.close();
  }

  /** The endpoint is no more: whoever waits for a connection to it asks for another one. */
  sendAway(): void {
    this.#http1?.queue.sendAway();
    this.#http2?.queue.sendAway();
  }

  #pool(version: UpstreamVersion): H1Pool | H2Pool {
    if (version === 2) return (this.#http2 ??= new H2Pool(this.#slot, this.#engine));
    return (this.#http1 ??= new H1Pool(this.#slot, this.#engine));
  }
}
