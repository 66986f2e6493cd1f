/** What a route asks of the exchange that carries its requests: time limits, retries, counting. */
import { decideRetry } from '@mesh/model';
import type { RetryBudget, RetryFacts, RetryPolicy, RouteTimeouts, TryOutcome } from '@mesh/model';
import type { RouteCells, RouteRetryCells } from '../ports.ts';

export interface RouteRules {
  readonly timeouts: RouteTimeouts;
  /** Undefined: the first answer stands. */
  readonly retry: RouteRetry | undefined;
  readonly cells: RouteCells;
}

/** The retries of one route: decides, keeps the budget, counts. Shared by all requests of the route. */
export class RouteRetry {
  readonly policy: RetryPolicy;
  readonly #budget: RetryBudget;
  readonly #cells: RouteRetryCells;
  readonly #random: () => number;

  constructor(policy: RetryPolicy, budget: RetryBudget, cells: RouteRetryCells, random: () => number) {
    this.policy = policy;
    this.#budget = budget;
    this.#cells = cells;
    this.#random = random;
  }

  /** A request begins; not called for its retries. */
  begin(nowMs: number): void {
    this.#budget.deposit(nowMs);
  }

  /**
   * A try of a request ended so, and nothing of the answer went to the client. Called once per try, for successes too.
   * @returns Milliseconds until the request is to be sent again; -1: the outcome stands.
   */
  afterMs(outcome: TryOutcome, facts: RetryFacts): number {
    const decision = decideRetry(this.policy, outcome, facts, this.#budget, this.#random);
    if (decision.kind === 'retry') {
      this.#cells.requests.add(1);
      return decision.afterMs;
    }
    switch (decision.why) {
      case 'success':
        if (facts.retries > 0) this.#cells.successes.add(1);
        break;
      case 'limit':
        this.#cells.limitExceeded.add(1);
        break;
      case 'not_ready':
      case 'budget':
        this.#cells.overflow.add(1);
        break;
      case 'body':
        break;
    }
    return -1;
  }
}
