/**
 * The endpoints of one backend and the choice among those that are ready.
 *
 *   ready ──connect failed──► waiting (backoff) ──► probing ──ok──► ready
 *                                ▲                    │ failed
 *                                └────────────────────┘
 *   ready ──undelivered──► resting ──time──► ready
 *   ready ──connect slow──► stalled: the last choice ──ok──► ready, or failed ──► waiting
 *   ready ──too many failures──► shut out ──back-off──► ready for one request: see `FailureAccrual`
 */
import { backoffMs, pickTwoChoices } from '@mesh/model';
import type { Backend, BackoffOptions, Endpoint, EndpointSet, EwmaPolicy, Watched } from '@mesh/model';
import type { Closed } from '@mesh/net';
import { messageOf } from '@mesh/runtime';
import type { Timer } from '@mesh/runtime';
import { planConnect } from '../connect/connect-plan.ts';
import { probeTcp } from '../connect/probe.ts';
import type { HttpEngine } from '../http/engine.ts';
import type { BackendKind, BalancerCells, StackCells } from '../ports.ts';
import { AccrualGate } from './accrual-gate.ts';
import { EndpointSlot } from './endpoint-slot.ts';
import type { SlotCells, SlotOwner } from './endpoint-slot.ts';

export interface BalancerDeps {
  /** HTTP connections on trial are kept for requests; opaque ones say nothing and end. */
  readonly kind: BackendKind;
  readonly engine: HttpEngine;
  readonly ownIps: ReadonlySet<string>;
  readonly connectBackoff: BackoffOptions;
  readonly random: () => number;
  readonly slotCells: (backend: Backend, endpoint: Endpoint, tlsLabels: Readonly<Record<string, string>>) => SlotCells;
  readonly balancerCells: BalancerCells;
  /** Counts the endpoints. */
  readonly stackCells: StackCells;
}

/** Doubled each time until the program answers, so that tries run out on no request. The most is short: a program restarts in less than a second. */
const REST_MS = { min: 100, max: 1000 };
/** How soon an endpoint that could not be reached is tried again while requests wait: a sidecar that was restarted serves within this. */
const WANTED_PROBE_MS = 250;
/** Endpoints that are tried sooner at a time: one that answers is enough. */
const WANTED_PROBES_MAX = 4;
const FORWARD_EWMA = { defaultRttMs: 30, decayMs: 10_000 };

/** What a distribution needs of a backend. */
export interface Selectable {
  readonly available: boolean;
  /** @param tried `EndpointSlot.program` of those that are not wanted. */
  pick(nowMs: number, tried: ReadonlySet<string> | undefined): EndpointSlot | undefined;
  /** `pick` would find one. */
  has(tried: ReadonlySet<string> | undefined): boolean;
  /** `pick` would find one whose connections do not take long. */
  hasQuick(tried: ReadonlySet<string> | undefined): boolean;
  /** Somebody waits, or was refused, as nothing is ready. */
  wanted(): void;
  /** A backend of which a failed connect leaves other choices. */
  readonly balanced: boolean;
  /** Called each time something becomes ready, and when it is known that nothing is. Returns the unsubscribe function. */
  onChange(listener: () => void): () => void;
}

interface SlotTimer {
  readonly timer: Timer;
  readonly dueMs: number;
}

export class Balancer implements Selectable, SlotOwner {
  readonly balanced = true;
  readonly #backend: Backend;
  readonly #ewma: EwmaPolicy;
  readonly #deps: BalancerDeps;
  readonly #watched: Watched<EndpointSet>;
  readonly #unsubscribe: () => void;
  readonly #slots = new Map<string, EndpointSlot>();
  readonly #ready: EndpointSlot[] = [];
  readonly #timers = new Map<EndpointSlot, SlotTimer>();
  /** Those of `#timers` that wait for the program behind the endpoint, not for a connection. */
  readonly #resting = new Set<EndpointSlot>();
  /** Those of `#ready` to which no connection is open and one is taking long. */
  readonly #stalled = new Set<EndpointSlot>();
  readonly #listeners = new Set<() => void>();

  constructor(backend: Backend, watched: Watched<EndpointSet>, deps: BalancerDeps) {
    this.#backend = backend;
    this.#ewma = backend.target.kind === 'balancer' ? backend.target.ewma : FORWARD_EWMA;
    this.#watched = watched;
    this.#deps = deps;
    this.#unsubscribe = watched.onChange(() => this.#update());
    if (watched.current !== undefined) this.#update();
  }

  get available(): boolean {
    return this.#ready.length > 0;
  }

  pick(nowMs: number, tried: ReadonlySet<string> | undefined): EndpointSlot | undefined {
    const slot = pickTwoChoices(this.#candidates(tried), nowMs, this.#deps.random);
    slot?.gate?.sent();
    return slot;
  }

  has(tried: ReadonlySet<string> | undefined): boolean {
    return tried === undefined ? this.available : this.#ready.some((slot) => !tried.has(slot.program));
  }

  hasQuick(tried: ReadonlySet<string> | undefined): boolean {
    if (this.#stalled.size === 0) return this.has(tried);
    return this.#ready.some((slot) => !this.#stalled.has(slot) && tried?.has(slot.program) !== true);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  connectFailed(slot: EndpointSlot, why: Closed): void {
    if (slot.retired || this.#timers.has(slot)) return;
    this.#removeReady(slot);
    const { engine, connectBackoff, random } = this.#deps;
    const delayMs = backoffMs(connectBackoff, slot.failures, random);
    slot.failures += 1;
    engine.logger.debug('endpoint not ready', { endpoint: slot.endpoint.address, code: why.code, retryMs: delayMs });
    this.#probeAfter(slot, delayMs);
    this.#count();
    if (!this.available) this.#notify();
  }

  /** Others are preferred until it is known whether this one can be reached. */
  stalled(slot: EndpointSlot): void {
    if (slot.readyIndex < 0) return;
    this.#stalled.add(slot);
    this.#count();
  }

  wanted(): void {
    const now = this.#deps.engine.clock.monotonic();
    let sooner = 0;
    for (const [slot, { timer, dueMs }] of this.#timers) {
      if (this.#resting.has(slot)) continue;
      if (dueMs - now > WANTED_PROBE_MS) {
        timer.cancel();
        this.#probeAfter(slot, WANTED_PROBE_MS);
      }
      sooner += 1;
      if (sooner === WANTED_PROBES_MAX) return;
    }
  }

  /**
   * A connection proves nothing while the program behind the proxy is down, so the endpoint comes back by time alone, and the
   * next request tries it.
   */
  undelivered(slot: EndpointSlot): void {
    if (slot.retired || this.#timers.has(slot)) return;
    this.#removeReady(slot);
    const { clock } = this.#deps.engine;
    const restMs = Math.min(REST_MS.max, REST_MS.min * 2 ** slot.rests);
    slot.rests += 1;
    const timer = clock.after(restMs, () => {
      this.#resting.delete(slot);
      this.#timers.delete(slot);
      this.connected(slot);
    });
    this.#resting.add(slot);
    this.#timers.set(slot, { timer, dueMs: clock.monotonic() + restMs });
    this.#count();
    if (!this.available) this.#notify();
  }

  connected(slot: EndpointSlot): void {
    if (this.#stalled.size > 0 && this.#stalled.delete(slot)) this.#count();
    if (slot.readyIndex >= 0 || slot.retired || this.#resting.has(slot)) return;
    slot.failures = 0;
    this.#timers.get(slot)?.timer.cancel();
    this.#timers.delete(slot);
    this.#addReady(slot);
    this.#count();
    this.#notify();
  }

  dispose(): void {
    this.#unsubscribe();
    this.#watched.release();
    for (const { timer } of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    this.#resting.clear();
    this.#stalled.clear();
    for (const slot of this.#slots.values()) this.#retire(slot);
    this.#slots.clear();
    this.#ready.length = 0;
    this.#listeners.clear();
    this.#count();
  }

  /** Takes over a new snapshot: unchanged endpoints keep their load and connections. */
  #update(): void {
    const next = this.#watched.current;
    if (next === undefined) return;
    const { updatesAdd, updatesRemove } = this.#deps.balancerCells;
    const gone: EndpointSlot[] = [];
    for (const [key, slot] of this.#slots) {
      if (next.get(key) === slot.endpoint) continue;
      this.#slots.delete(key);
      this.#removeReady(slot);
      this.#timers.get(slot)?.timer.cancel();
      this.#timers.delete(slot);
      this.#resting.delete(slot);
      this.#retire(slot);
      gone.push(slot);
      updatesRemove.add(1);
    }
    for (const [key, endpoint] of next) {
      if (this.#slots.has(key)) continue;
      const slot = this.#createSlot(endpoint);
      if (slot === undefined) continue;
      this.#slots.set(key, slot);
      this.#addReady(slot);
      updatesAdd.add(1);
    }
    this.#count();
    this.#notify();
    for (const slot of gone) slot.pool.sendAway();
  }

  #candidates(tried: ReadonlySet<string> | undefined): readonly EndpointSlot[] {
    if (tried === undefined && this.#stalled.size === 0) return this.#ready;
    const wanted = tried === undefined ? this.#ready : this.#ready.filter((slot) => !tried.has(slot.program));
    const quick = wanted.filter((slot) => !this.#stalled.has(slot));
    return quick.length > 0 ? quick : wanted;
  }

  #createSlot(endpoint: Endpoint): EndpointSlot | undefined {
    const { engine, ownIps, slotCells } = this.#deps;
    try {
      const plan = planConnect(endpoint, ownIps);
      const cells = slotCells(this.#backend, endpoint, plan.tlsLabels);
      const slot = new EndpointSlot(endpoint, plan, this, engine, cells, this.#ewma);
      slot.gate = this.#createGate(slot);
      this.#deps.stackCells.created.add(1);
      return slot;
    } catch (error) {
      // Discovery gave a port or name that cannot stand in a transport header: that endpoint alone is unusable.
      engine.logger.warn('endpoint unusable', { endpoint: endpoint.address, reason: messageOf(error) });
      return undefined;
    }
  }

  #retire(slot: EndpointSlot): void {
    slot.retire();
    this.#deps.stackCells.dropped.add(1);
  }

  #createGate(slot: EndpointSlot): AccrualGate | undefined {
    const { engine, kind, random } = this.#deps;
    const { failureAccrual } = this.#backend;
    if (kind !== 'http' || failureAccrual === undefined) return undefined;
    return new AccrualGate(failureAccrual, { clock: engine.clock, random, turned: () => this.#gateTurned(slot) });
  }

  #gateTurned(slot: EndpointSlot): void {
    if (slot.retired) return;
    if (slot.gate?.admits === true) {
      if (slot.readyIndex >= 0 || this.#timers.has(slot)) return;
      this.#addReady(slot);
    } else this.#removeReady(slot);
    this.#count();
    if (slot.readyIndex >= 0 || !this.available) this.#notify();
  }

  #probeAfter(slot: EndpointSlot, delayMs: number): void {
    const { engine, kind } = this.#deps;
    const timer = engine.clock.after(delayMs, () => {
      this.#timers.delete(slot);
      if (kind === 'http') slot.pool.probe();
      else probeTcp(slot, this, engine);
    });
    this.#timers.set(slot, { timer, dueMs: engine.clock.monotonic() + delayMs });
  }

  #addReady(slot: EndpointSlot): void {
    if (slot.gate?.admits !== false) slot.readyIndex = this.#ready.push(slot) - 1;
  }

  #removeReady(slot: EndpointSlot): void {
    const at = slot.readyIndex;
    if (at < 0) return;
    slot.readyIndex = -1;
    this.#stalled.delete(slot);
    const last = this.#ready.pop();
    if (last === undefined || last === slot) return;
    this.#ready[at] = last;
    last.readyIndex = at;
  }

  #count(): void {
    const { endpointsReady, endpointsPending } = this.#deps.balancerCells;
    const ready = this.#ready.length - this.#stalled.size;
    endpointsReady.set(ready);
    endpointsPending.set(this.#slots.size - ready);
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** A single fixed endpoint: always tried, its failures are the client's answer. */
export class ForwardTarget implements Selectable, SlotOwner {
  readonly balanced = false;
  readonly available = true;
  readonly #slot: EndpointSlot;

  constructor(
    endpoint: Endpoint,
    ownIps: ReadonlySet<string>,
    engine: HttpEngine,
    cells: (tlsLabels: Readonly<Record<string, string>>) => SlotCells,
  ) {
    const plan = planConnect(endpoint, ownIps);
    this.#slot = new EndpointSlot(endpoint, plan, this, engine, cells(plan.tlsLabels), FORWARD_EWMA);
  }

  pick(_nowMs: number, tried: ReadonlySet<string> | undefined): EndpointSlot | undefined {
    return this.has(tried) ? this.#slot : undefined;
  }

  has(tried: ReadonlySet<string> | undefined): boolean {
    return tried === undefined || !tried.has(this.#slot.program);
  }

  hasQuick(tried: ReadonlySet<string> | undefined): boolean {
    return this.has(tried);
  }

  onChange(): () => void {
    return () => undefined;
  }

  connectFailed(): void {}

  connected(): void {}

  stalled(): void {}

  wanted(): void {}

  undelivered(): void {}

  dispose(): void {
    this.#slot.retire();
  }
}
