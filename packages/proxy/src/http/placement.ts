/**
 * Where one request goes: an endpoint of the route's, then a connection of that endpoint's pool; and where it goes instead when that
 * takes long or fails.
 *
 *   dispatch ──► queue ──assigned──► pool ──attach──► the exchange has its connection
 *      ▲                              │ failed, slow, endpoint gone
 *      └────────── reroute ◄──────────┘
 */
import type { ResponseClass } from '@mesh/model';
import type { Closed } from '@mesh/net';
import type { Dispatcher, EndpointSlot, Waiter } from '../balance/endpoint-slot.ts';
import { Attempts } from './attempts.ts';
import type { RouteBackendCells } from '../ports.ts';
import type { Exchange } from './exchange.ts';
import type { FailureCode } from './rescue.ts';
import type { UpstreamStream } from './upstream-stream.ts';

export class Placement implements Waiter {
  readonly attempts: Attempts;
  readonly #exchange: Exchange;
  #dispatcher: Dispatcher | undefined;
  #slot: EndpointSlot | undefined;
  /** Where the request was last. */
  left: EndpointSlot | undefined;
  /** Of the route's backend that the slot belongs to. */
  backend: RouteBackendCells | undefined;
  /** What the response said about when to come again. */
  retryAfterMs: number | undefined;
  /** Waits for a connection of the slot's pool. */
  #pooled: boolean;

  constructor(exchange: Exchange) {
    this.attempts = new Attempts();
    this.#exchange = exchange;
    this.#dispatcher = undefined;
    this.#slot = undefined;
    this.left = undefined;
    this.backend = undefined;
    this.retryAfterMs = undefined;
    this.#pooled = false;
  }

  /** Somebody is ready to take the request. */
  get ready(): boolean {
    return this.#dispatcher?.hasReady(undefined) === true;
  }

  /** The endpoint that the request is at. */
  get slot(): EndpointSlot | undefined {
    return this.#slot;
  }

  dispatch(dispatcher: Dispatcher): void {
    this.#dispatcher = dispatcher;
    dispatcher.acquire(this);
  }

  /** The endpoint has nothing more to do with the request; how long it took was told. @param learned What this says about it. */
  leave(learned: ResponseClass): void {
    this.#slot?.responded(learned, this.retryAfterMs);
    this.retryAfterMs = undefined;
    this.left = this.#slot;
    this.#slot = undefined;
    this.backend = undefined;
  }

  /** Lets go of queue and pool; `leave` follows. @param sampled The endpoint's answer was counted. */
  cancel(sampled: boolean): void {
    if (this.#pooled) this.#slot?.pool.cancel(this);
    else if (this.#slot === undefined) this.#dispatcher?.cancel(this);
    if (!sampled) this.#slot?.ewma.finish(undefined, 0);
    this.#pooled = false;
  }

  /** The request is over. */
  end(): void {
    this.#dispatcher = undefined;
    this.left = undefined;
  }

  /** The endpoint's program saw nothing of the request: it rests. True when another endpoint is ready for the request. */
  undelivered(slot: EndpointSlot, whole: boolean): boolean {
    slot.owner.undelivered(slot);
    return this.attempts.mayGoElsewhere(this.#dispatcher, slot, whole);
  }

  // ---- Waiter ---------------------------------------------------------------------------------------------------

  get tried(): ReadonlySet<string> | undefined {
    return this.attempts.tried;
  }

  assigned(slot: EndpointSlot, backend?: RouteBackendCells): void {
    this.#slot = slot;
    this.backend = backend;
    this.#exchange.onEndpoint(slot);
    this.attempts.count += 1;
    slot.ewma.start();
    this.#pooled = true;
    slot.pool.request(this, this.#exchange.client.versionFor(slot));
  }

  refused(code: FailureCode): void {
    this.#exchange.reject(code);
  }

  rerouted(): void {
    this.#exchange.reroute();
  }

  // ---- Called by the pool ---------------------------------------------------------------------------------------

  attach(up: UpstreamStream): void {
    this.#pooled = false;
    this.attempts.deliveries += 1;
    this.#exchange.attach(up);
  }

  connectFailed(why: Closed): void {
    this.#pooled = false;
    this.#slot?.ewma.finish(undefined, 0);
    this.leave('none');
    if (this.attempts.mayConnectAgain(this.#dispatcher)) this.#exchange.reroute();
    else this.#exchange.reject(why.kind === 'timeout' ? 'connect_timeout' : 'connect');
  }

  /** The connection takes long: the request goes to another endpoint, if a better one is ready. */
  connectSlow(): void {
    if (this.#slot === undefined || !this.attempts.move(this.#dispatcher, this.#slot)) return;
    this.cancel(false);
    this.leave('none');
    this.#exchange.reroute();
  }

  /** Discovery took the endpoint away while a connection to it was being opened. */
  endpointGone(): void {
    if (this.#dispatcher?.retriesConnects !== true) return;
    this.attempts.count -= 1;
    this.cancel(false);
    this.leave('none');
    this.#exchange.reroute();
  }
}
