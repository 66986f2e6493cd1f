/** Failure accrual of one endpoint in a balancer: the timers around the pure state machine, and who is told of its turns. */
import { FailureAccrual } from '@mesh/model';
import type { FailureAccrualPolicy, ResponseClass } from '@mesh/model';
import type { Clock, Timer } from '@mesh/runtime';

export interface AccrualGateDeps {
  readonly clock: Clock;
  readonly random: () => number;
  /** `admits` changed. */
  readonly turned: () => void;
}

export class AccrualGate {
  readonly #accrual: FailureAccrual;
  readonly #deps: AccrualGateDeps;
  #timer: Timer | undefined;

  constructor(policy: FailureAccrualPolicy, deps: AccrualGateDeps) {
    this.#accrual = new FailureAccrual(policy, deps.random);
    this.#deps = deps;
  }

  /** Requests may go to the endpoint. */
  get admits(): boolean {
    return this.#accrual.admits;
  }

  /** The endpoint is left alone or on trial: what it does next decides. */
  get suspected(): boolean {
    return this.#accrual.state !== 'open';
  }

  sent(): void {
    if (!this.#accrual.sent(this.#deps.clock.monotonic())) return;
    this.#arm();
    this.#deps.turned();
  }

  responded(responseClass: ResponseClass): void {
    const before = this.#accrual.state;
    const turned = this.#accrual.responded(responseClass, this.#deps.clock.monotonic());
    if (this.#accrual.state !== before) this.#arm();
    if (turned) this.#deps.turned();
  }

  dispose(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(): void {
    this.dispose();
    const due = this.#accrual.dueMs;
    if (due === undefined) return;
    const { clock } = this.#deps;
    this.#timer = clock.after(Math.max(0, due - clock.monotonic()), () => {
      this.#timer = undefined;
      if (this.#accrual.elapsed(clock.monotonic())) this.#deps.turned();
      else this.#arm();
    });
  }
}
