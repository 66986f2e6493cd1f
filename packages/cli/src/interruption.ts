/** Ctrl-C and termination: commands are told by a signal, and get as long as they need to clean up, within reason. */

/** The shell's code of a program that Ctrl-C ended: 128 + SIGINT. */
export const INTERRUPTED = 130;

/** For a command that does not listen: as people expect of Ctrl-C. */
const GRACE_MS = 500;
/** For a command that has something to take back; a server that does not answer must not keep the terminal. */
const HELD_GRACE_MS = 20_000;

export class Interruption {
  readonly #controller = new AbortController();
  #holds = 0;

  /** Listens from now on. */
  constructor() {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => this.#interrupt());
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  hold(): Disposable {
    this.#holds += 1;
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (held) this.#holds -= 1;
        held = false;
      },
    };
  }

  #interrupt(): void {
    // The second time, nothing is waited for.
    if (this.#controller.signal.aborted) process.exit(INTERRUPTED);
    this.#controller.abort(new DOMException('interrupted', 'AbortError'));
    setTimeout(() => process.exit(INTERRUPTED), this.#holds > 0 ? HELD_GRACE_MS : GRACE_MS).unref();
  }
}
