/**
 * Who waits for a connection to one endpoint, and the connections that are being opened for them.
 *
 *   wait ──► opened: the pool serves who waits
 *     │ slow: whoever finds a better endpoint goes there
 *     └► failed: all are told
 */
import type { Closed } from '@mesh/net';
import type { Timer } from '@mesh/runtime';
import type { EndpointSlot } from '../balance/endpoint-slot.ts';
import type { HttpEngine } from './engine.ts';
import type { Placement } from './placement.ts';

/**
 * Opening a connection takes a few milliseconds within a cluster and two or three round trips between clusters. After this, those who
 * wait look for another endpoint: an address without a machine behind it says nothing until the connect timeout.
 */
export const CONNECT_SLOW_MS = 250;

export class ConnectQueue {
  /** Connections that are being opened. */
  connecting = 0;
  readonly #slot: EndpointSlot;
  readonly #engine: HttpEngine;
  readonly #hasOpen: () => boolean;
  readonly #waiters = new Set<Placement>();
  #slowTimer: Timer | undefined;

  /** @param hasOpen The pool has an open connection: the endpoint can be reached. */
  constructor(slot: EndpointSlot, engine: HttpEngine, hasOpen: () => boolean) {
    this.#slot = slot;
    this.#engine = engine;
    this.#hasOpen = hasOpen;
  }

  get waiting(): number {
    return this.#waiters.size;
  }

  add(placement: Placement): void {
    this.#waiters.add(placement);
  }

  delete(placement: Placement): void {
    this.#waiters.delete(placement);
  }

  /** Who waits longest, taken out. */
  take(): Placement | undefined {
    const [next] = this.#waiters;
    if (next !== undefined) this.#waiters.delete(next);
    return next;
  }

  began(): void {
    this.connecting += 1;
    this.#armSlowTimer();
  }

  /** With whatever result: the endpoint gives signs of life, or is about to be left. */
  ended(): void {
    this.connecting -= 1;
    this.#slowTimer?.cancel();
    this.#slowTimer = undefined;
  }

  failAll(why: Closed): void {
    const waiting = [...this.#waiters];
    this.#waiters.clear();
    this.#slot.owner.connectFailed(this.#slot, why);
    for (const placement of waiting) placement.connectFailed(why);
  }

  /** The endpoint is no more: whoever waits for a connection to it asks for another one. */
  sendAway(): void {
    const waiting = [...this.#waiters];
    for (const placement of waiting) placement.endpointGone();
  }

  #armSlowTimer(): void {
    this.#slowTimer ??= this.#engine.clock.after(CONNECT_SLOW_MS, () => this.#onSlow());
  }

  #onSlow(): void {
    this.#slowTimer = undefined;
    if (!this.#hasOpen()) this.#slot.owner.stalled(this.#slot);
    // A copy: who moves may come back to this very pool.
    const waiting = [...this.#waiters];
    for (const placement of waiting) placement.connectSlow();
    // Whoever had nowhere to go looks again.
    if (this.#waiters.size > 0) this.#armSlowTimer();
  }
}
