/** Whether a request may be sent again, and where: counted per request, reset for the next one on the connection. */
import { METHOD } from '@mesh/wire';
import type { Dispatcher, EndpointSlot } from '../balance/endpoint-slot.ts';

/** Connect failures and stale connections together; each try asks the balancer anew. */
const ATTEMPTS_MAX = 5;
/** Endpoints that said that their program is down; each of them is asked once. */
const TRIED_MAX = 16;
/** How often a request leaves an endpoint whose connection takes long: where all are far away, moving on gains nothing. */
const MOVES_MAX = 2;

/** RFC 9110 §9.2.2. */
const IDEMPOTENT: ReadonlySet<number> = new Set([METHOD.get, METHOD.head, METHOD.options, METHOD.put, METHOD.delete]);

export class Attempts {
  /** Endpoints that were chosen. */
  count = 0;
  /** Tries of which a program may have seen something. */
  deliveries = 0;
  /** `EndpointSlot.program` of those that did not want the request, or said that their program is down. */
  tried: Set<string> | undefined = undefined;
  #moves = 0;
  /** A new connection was lost under the request. */
  #lostNew = false;

  reset(): void {
    this.count = 0;
    this.deliveries = 0;
    this.tried = undefined;
    this.#moves = 0;
    this.#lostNew = false;
  }

  /** The route asks for the request to be sent again, to another endpoint if there is one. */
  retry(slot: EndpointSlot | undefined): void {
    this.count = 0;
    this.#moves = 0;
    this.#lostNew = false;
    if (slot !== undefined) (this.tried ??= new Set()).add(slot.program);
  }

  /** After a connection that could not be opened. While others are ready nothing is lost by asking them: the request went nowhere yet. */
  mayConnectAgain(dispatcher: Dispatcher | undefined): boolean {
    if (dispatcher?.retriesConnects !== true) return false;
    return this.count < (dispatcher.hasReady(undefined) ? TRIED_MAX : ATTEMPTS_MAX);
  }

  /** Leaves an endpoint whose connection takes long; false: there is no better one. */
  move(dispatcher: Dispatcher | undefined, slot: EndpointSlot): boolean {
    if (dispatcher?.retriesConnects !== true || this.#moves >= MOVES_MAX) return false;
    if (!dispatcher.hasQuick(new Set(this.tried).add(slot.program))) return false;
    this.#moves += 1;
    return true;
  }

  /**
   * After a connection that broke before any answer. Kept connections break whenever a server goes away. A new one does so when it
   * was opened at that very moment, or when the request itself brings the server down: so that is forgiven once.
   *
   * @param whole The request was sent in one piece that is still there.
   * @param kept The connection had served another request before.
   */
  mayRepeat(method: number, whole: boolean, kept: boolean): boolean {
    if (!whole || !IDEMPOTENT.has(method) || this.count >= ATTEMPTS_MAX) return false;
    if (kept) return true;
    if (this.#lostNew) return false;
    this.#lostNew = true;
    return true;
  }

  /** After a server's promise that it did nothing with the request. @param whole The request is still there as it was sent. */
  mayResend(slot: EndpointSlot | undefined, whole: boolean): boolean {
    if (!whole || this.count >= ATTEMPTS_MAX) return false;
    // Others are asked first; where there are none, the server may take it on another connection.
    if (slot !== undefined) (this.tried ??= new Set()).add(slot.program);
    return true;
  }

  /** Notes that the endpoint's program saw nothing of the request; true when another endpoint is ready for it. */
  mayGoElsewhere(dispatcher: Dispatcher | undefined, slot: EndpointSlot, whole: boolean): boolean {
    this.deliveries -= 1;
    this.tried ??= new Set();
    this.tried.add(slot.program);
    if (dispatcher?.retriesConnects !== true || !dispatcher.hasReady(this.tried)) return false;
    if (!whole || this.tried.size > TRIED_MAX) return false;
    this.count -= 1;
    return true;
  }
}
