/**
 * The choice among the backends of a route, and the queue of those who wait while none is ready.
 *
 * When nothing was ready for the fail-fast timeout, everyone who waits is refused, and so is who comes
 * after, at once, until something is ready again.
 */
import { pickWeighted } from '@mesh/model';
import type { Distribution as DistributionPolicy } from '@mesh/model';
import type { Clock, Timer } from '@mesh/runtime';
import type { BalancerCells, RouteBackendCells, StackPollCells, TcpRouteCells } from '../ports.ts';
import type { FailureCode } from '../http/rescue.ts';
import type { Selectable } from './balancer.ts';
import type { Dispatcher, Waiter } from './endpoint-slot.ts';

export interface DistributionMember {
  readonly target: Selectable;
  readonly weight: number;
  /** Counts what the route sends there; undefined: nobody asks. */
  readonly cells: RouteBackendCells | undefined;
}

export interface DistributionCells {
  readonly balancer: BalancerCells;
  readonly polls: StackPollCells;
}

export class Distribution implements Dispatcher {
  readonly retriesConnects: boolean;
  /** Set by the route that leases it. */
  tcpRoute: TcpRouteCells | undefined = undefined;
  readonly #kind: DistributionPolicy['kind'];
  readonly #members: readonly DistributionMember[];
  readonly #capacity: number;
  readonly #failfastMs: number;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #cells: BalancerCells;
  readonly #polls: StackPollCells;
  readonly #unsubscribe: readonly (() => void)[];
  /** Waiters with the time at which they came. */
  readonly #queue = new Map<Waiter, number>();
  #timer: Timer | undefined;
  #failfast = false;

  constructor(
    kind: DistributionPolicy['kind'],
    members: readonly DistributionMember[],
    queue: { readonly capacity: number; readonly failfastTimeoutMs: number },
    clock: Clock,
    random: () => number,
    cells: DistributionCells,
  ) {
    this.#kind = kind;
    this.#members = members;
    this.retriesConnects = members.length > 1 || members.some((member) => member.target.balanced);
    this.#capacity = queue.capacity;
    this.#failfastMs = queue.failfastTimeoutMs;
    this.#clock = clock;
    this.#random = random;
    this.#cells = cells.balancer;
    this.#polls = cells.polls;
    this.#cells.gateTimeoutSeconds.set(queue.failfastTimeoutMs / 1000);
    this.#unsubscribe = members.map((member) => member.target.onChange(() => this.#onChange()));
  }

  hasReady(tried: ReadonlySet<string> | undefined): boolean {
    return this.#members.some((member) => member.target.has(tried));
  }

  hasQuick(tried: ReadonlySet<string> | undefined): boolean {
    return this.#members.some((member) => member.target.hasQuick(tried));
  }

  acquire(waiter: Waiter): void {
    this.#cells.queueRequests.add(1);
    if (this.#queue.size === 0 && this.#assign(waiter)) {
      this.#cells.queueLatencySeconds.observe(0);
      this.#polls.ready.add(1);
      return;
    }
    const refusal = this.#refusal();
    if (refusal === undefined) this.#enqueue(waiter);
    else this.#refuse(waiter, refusal);
    this.#want();
  }

  cancel(waiter: Waiter): void {
    if (this.#queue.delete(waiter)) this.#cells.queueLength.set(this.#queue.size);
    if (this.#queue.size === 0) this.#disarm();
  }

  /** The route is gone: who waits asks again. */
  dispose(): void {
    for (const off of this.#unsubscribe) off();
    for (const waiter of this.#takeAll()) waiter.rerouted();
  }

  /** Gives the waiter an endpoint; false: none is ready. */
  #assign(waiter: Waiter): boolean {
    const { tried } = waiter;
    // One that was tried is better than none: its program may be back.
    return (tried !== undefined && this.#assignFrom(waiter, tried)) || this.#assignFrom(waiter, undefined);
  }

  #assignFrom(waiter: Waiter, tried: ReadonlySet<string> | undefined): boolean {
    const member = this.#pickMember(tried);
    const slot = member?.target.pick(this.#clock.monotonic(), tried);
    if (slot === undefined) return false;
    member?.cells?.requests.add(1);
    waiter.assigned(slot, member?.cells);
    return true;
  }

  #pickMember(tried: ReadonlySet<string> | undefined): DistributionMember | undefined {
    const members = this.#members;
    if (members.length === 1) return members[0];
    if (this.#kind === 'first_available')
      return (
        members.find((member) => member.target.hasQuick(tried)) ?? members.find((member) => member.target.has(tried))
      );
    const quick = members.filter((member) => member.target.hasQuick(tried));
    return pickWeighted(quick.length > 0 ? quick : members.filter((member) => member.target.has(tried)), this.#random);
  }

  #refusal(): FailureCode | undefined {
    if (this.#members.length === 0) return 'invalid_backend';
    if (this.#failfast) return 'failfast';
    return this.#queue.size >= this.#capacity ? 'queue_full' : undefined;
  }

  #refuse(waiter: Waiter, code: FailureCode): void {
    this.#polls.error.add(1);
    waiter.refused(code);
  }

  #want(): void {
    for (const member of this.#members) member.target.wanted();
  }

  #enqueue(waiter: Waiter): void {
    this.#queue.set(waiter, this.#clock.monotonic());
    this.#polls.pending.add(1);
    this.#cells.queueLength.set(this.#queue.size);
    this.#arm();
  }

  #arm(): void {
    this.#timer ??= this.#clock.after(this.#failfastMs, () => this.#enterFailfast());
  }

  #enterFailfast(): void {
    this.#timer = undefined;
    this.#failfast = true;
    this.#cells.gateShut.add(1);
    for (const waiter of this.#takeAll()) this.#refuse(waiter, 'failfast');
  }

  #takeAll(): readonly Waiter[] {
    this.#disarm();
    const waiting = [...this.#queue.keys()];
    this.#queue.clear();
    this.#cells.queueLength.set(0);
    return waiting;
  }

  #onChange(): void {
    if (!this.hasReady(undefined)) {
      if (this.#queue.size > 0) this.#want();
      return;
    }
    if (this.#failfast) {
      this.#failfast = false;
      this.#cells.gateOpen.add(1);
    }
    this.#disarm();
    this.#serveQueue();
  }

  /** As many as can be served, who waits longest first: an endpoint on trial takes only one of them. */
  #serveQueue(): void {
    const now = this.#clock.monotonic();
    for (const [waiter, since] of this.#queue) {
      if (!this.hasReady(undefined)) break;
      this.#queue.delete(waiter);
      if (!this.#assign(waiter)) {
        this.#queue.set(waiter, since);
        break;
      }
      this.#cells.queueLatencySeconds.observe((now - since) / 1000);
      this.#polls.waitedMs.add(now - since);
    }
    this.#cells.queueLength.set(this.#queue.size);
    if (this.#queue.size > 0) this.#arm();
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
