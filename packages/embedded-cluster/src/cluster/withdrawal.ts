/**
 * A pod that ends is first taken out of the way of new connections: its endpoints leave every slice, and the Service proxy hears of
 * it. A real node has no such order, only more time: its container runtime is slower than its control plane.
 */
import type { Informer } from '../controllers/informer.ts';
import type { EndpointSlice } from '../controllers/kinds.ts';

/** What passes slices on. */
export interface Forwarding {
  /** Resolves when everything that was passed on before is in effect. */
  settled(): Promise<void>;
}

export class Withdrawal {
  readonly #slices: Informer<EndpointSlice>;
  readonly #forwarding: Forwarding;
  readonly #waiting = new Set<() => void>();

  constructor(slices: Informer<EndpointSlice>, forwarding: Forwarding) {
    this.#slices = slices;
    this.#forwarding = forwarding;
    slices.onChange(() => {
      for (const look of this.#waiting) look();
    });
  }

  /** Resolves when no new connection goes to a pod that is being deleted, or after `timeoutMs`. */
  async of(podIp: string, timeoutMs: number): Promise<void> {
    const done = Promise.withResolvers<void>();
    const look = (): void => {
      if (!this.#isOffered(podIp)) done.resolve();
    };
    this.#waiting.add(look);
    const timer = setTimeout(done.resolve, timeoutMs);
    look();
    try {
      await done.promise.then(() => Promise.race([this.#forwarding.settled(), elapsed(timeoutMs)]));
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(look);
    }
  }

  /** Endpoints that Services publish whatever their state count as known once they are marked as terminating. */
  #isOffered(podIp: string): boolean {
    for (const { endpoints } of this.#slices.values()) {
      // Null, as the API writes an empty list.
      for (const { addresses, conditions } of endpoints ?? []) {
        if (addresses.includes(podIp) && conditions?.ready !== false && conditions?.terminating !== true) return true;
      }
    }
    return false;
  }
}

function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
