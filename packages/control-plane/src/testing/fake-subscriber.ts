/** A subscriber that keeps what it is sent, and can be slow. */
import type { StatusDetails, Subscriber } from '../serving/call.ts';

export class FakeSubscriber<Message> implements Subscriber<Message> {
  readonly messages: Message[] = [];
  failure: StatusDetails | undefined;
  /** While false, each message fills the buffer. */
  keepsUp = true;
  readonly #drain: (() => void)[] = [];
  readonly #close: (() => void)[] = [];

  send(message: Message): boolean {
    this.messages.push(message);
    return this.keepsUp;
  }

  fail(error: StatusDetails): void {
    this.failure = error;
    this.close();
  }

  onDrain(callback: () => void): void {
    this.#drain.push(callback);
  }

  onClose(callback: () => void): void {
    this.#close.push(callback);
  }

  drain(): void {
    this.keepsUp = true;
    for (const callback of this.#drain) callback();
  }

  close(): void {
    for (const callback of this.#close.splice(0)) callback();
  }

  /** Removes and returns what has arrived. */
  take(): readonly Message[] {
    return this.messages.splice(0);
  }
}
