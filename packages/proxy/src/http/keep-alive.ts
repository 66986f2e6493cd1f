/** Finds out that a peer is gone that said no goodbye: silence, a PING, more silence. */
import type { KeepAliveOptions } from './http2-options.ts';

export class KeepAlive {
  readonly #options: KeepAliveOptions;
  #heardMs: number;
  /** When an unanswered PING was sent; -1: none. */
  #pingedMs: number;

  constructor(options: KeepAliveOptions, nowMs: number) {
    this.#options = options;
    this.#heardMs = nowMs;
    this.#pingedMs = -1;
  }

  heard(nowMs: number): void {
    this.#heardMs = nowMs;
    this.#pingedMs = -1;
  }

  /** What to do now; asked once a second or so. */
  due(nowMs: number): 'nothing' | 'ping' | 'give_up' {
    const { intervalMs, timeoutMs } = this.#options;
    if (this.#pingedMs >= 0) return nowMs - this.#pingedMs >= timeoutMs ? 'give_up' : 'nothing';
    if (nowMs - this.#heardMs < intervalMs) return 'nothing';
    this.#pingedMs = nowMs;
    return 'ping';
  }
}
