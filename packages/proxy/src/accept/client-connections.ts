/** Counts the open connections of each client, so that none can take all there is. */

/**
 * Connections of one client address. An address can open about 28,000 to one port at all (Linux gives out ports 32768 to 60999), and many
 * programs may share it: a gateway, a node that masquerades, a NAT. With as many idle mTLS connections a sidecar holds some 160 MB.
 */
export const CONNECTIONS_PER_CLIENT_MAX = 10_000;

export class ClientConnections {
  readonly #max: number;
  /** Addresses with connections: no more than there are connections. */
  readonly #open = new Map<string, number>();

  /** @param max 0: no limit. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Clients that have connections. */
  get clients(): number {
    return this.#open.size;
  }

  /** One more of this address. @returns undefined: it has too many; else the function to call when the connection is over. */
  enter(ip: string): (() => void) | undefined {
    if (this.#max === 0) return ignore;
    const count = this.#open.get(ip) ?? 0;
    if (count >= this.#max) return undefined;
    this.#open.set(ip, count + 1);
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      const left = (this.#open.get(ip) ?? 1) - 1;
      if (left === 0) this.#open.delete(ip);
      else this.#open.set(ip, left);
    };
  }
}

function ignore(): void {
  // Nothing was counted.
}
