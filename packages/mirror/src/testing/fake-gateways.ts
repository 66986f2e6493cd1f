/** Gateways for tests: a table of addresses and how each answers a probe. */
import type { ProbeConnector, ProbeFailure, ProbeResult } from '../gateway-prober.ts';

export class FakeGateways {
  readonly #answers = new Map<string, ProbeFailure>();
  readonly #lost = new Map<string, Set<() => void>>();
  probes = 0;

  /** The gateway at `ip` fails like this; `undefined` revives it. Open probe connections to it break. */
  set(ip: string, failure: ProbeFailure | undefined): void {
    if (failure === undefined) this.#answers.delete(ip);
    else this.#answers.set(ip, failure);
    if (failure === undefined) return;
    for (const lost of this.#lost.get(ip) ?? []) lost();
  }

  readonly connect: ProbeConnector = ({ ip }, onLost) => {
    const sessions = this.#lost.get(ip) ?? new Set();
    this.#lost.set(ip, sessions);
    sessions.add(onLost);
    return {
      probe: (): Promise<ProbeResult> => {
        this.probes += 1;
        const failure = this.#answers.get(ip);
        return Promise.resolve(
          failure === undefined ? { ok: true, latencyMs: 1 } : { ok: false, failure, detail: `${ip}: ${failure}` },
        );
      },
      [Symbol.dispose]: () => sessions.delete(onLost),
    };
  };
}
