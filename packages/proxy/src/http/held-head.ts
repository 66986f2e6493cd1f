/** A head of HTTP/1 made from one of HTTP/2: what of its body comes in the same turn of the loop leaves in one write with it. */

export class HeldHead {
  #head: Uint8Array | undefined;
  readonly #onTurn: () => void;

  /** @param flush Called at the end of the turn in which a head was held and not taken. */
  constructor(flush: (head: Uint8Array) => void) {
    this.#head = undefined;
    this.#onTurn = () => {
      const head = this.take();
      if (head !== undefined) flush(head);
    };
  }

  get holds(): boolean {
    return this.#head !== undefined;
  }

  hold(head: Uint8Array): void {
    this.#head = head;
    queueMicrotask(this.#onTurn);
  }

  /** The head, if one is held: the caller writes it first. */
  take(): Uint8Array | undefined {
    const head = this.#head;
    this.#head = undefined;
    return head;
  }
}
