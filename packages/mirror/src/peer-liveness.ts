/** Tells a lost peer from a quiet one, and finds refused credentials when nothing is selected. */
import { isKubeError, KubeError } from '@mesh/kube';
import type { KubeClient } from '@mesh/kube';
import { isAbort } from '@mesh/runtime';
import type { Clock, Timer } from '@mesh/runtime';

/** A peer whose host is gone keeps its connections silently: ask it this often for a sign of life. */
const PERIOD_MS = 5_000;
const TIMEOUT_MS = 3_000;
const RETRY_MS = 1_000;

export interface PeerLivenessDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  /** A question that costs the peer next to nothing and that our credentials allow. */
  readonly ask: (signal: AbortSignal) => Promise<unknown>;
  readonly onChange: () => void;
}

export class PeerLiveness implements Disposable {
  readonly #deps: PeerLivenessDeps;
  readonly #stop = new AbortController();
  #timer: Timer | undefined;
  #error: KubeError | undefined;
  #answered = false;

  constructor(deps: PeerLivenessDeps) {
    this.#deps = deps;
  }

  run(): void {
    void this.#ping();
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#timer?.cancel();
  }

  get error(): KubeError | undefined {
    return this.#error;
  }

  /** True once the peer's API has answered. */
  get answered(): boolean {
    return this.#answered;
  }

  async #ping(): Promise<void> {
    const { client, clock } = this.#deps;
    const before = this.#error?.code;
    const wasAnswered = this.#answered;
    try {
      await this.#deps.ask(AbortSignal.any([this.#stop.signal, AbortSignal.timeout(TIMEOUT_MS)]));
      this.#error = undefined;
      this.#answered = true;
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      if (isKubeError(error)) this.#error = error;
      else if (isAbort(error)) this.#error = silent(client.server);
    }
    if (this.#stop.signal.aborted) return;
    if (before !== this.#error?.code || wasAnswered !== this.#answered) this.#deps.onChange();
    this.#timer = clock.after(this.#error === undefined ? PERIOD_MS : RETRY_MS, () => void this.#ping());
  }
}

function silent(server: string): KubeError {
  return new KubeError(
    { code: 'unreachable', object: '', status: 0 },
    `the API server ${server} does not answer within ${TIMEOUT_MS / 1000} s`,
  );
}
