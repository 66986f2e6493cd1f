/**
 * Writes lines without ever waiting for whoever reads them: lines of one turn of the event loop go out in one write, one write is under
 * way at a time, and what a slow reader leaves behind beyond a limit is dropped and counted.
 */
import { write } from 'node:fs';
import type { Clock, Timer } from '@mesh/runtime';
import type { CounterCell } from '../ports.ts';

/** Takes bytes; tells how many it took, or why none. */
export type WriteBytes = (
  bytes: Uint8Array,
  done: (error: NodeJS.ErrnoException | null, written: number) => void,
) => void;

/** Some thousands of lines: what comes in a second or two while nobody reads. */
export const QUEUE_BYTES_MAX = 1024 * 1024;
/** A pipe that is full and does not block is tried again after this. */
const FULL_MS = 10;

/** Standard output, by the runtime's threads: `process.stdout` would wait for the reader of a pipe. */
export const stdoutWriter: WriteBytes = (bytes, done) => write(1, bytes, done);

export interface LineWriterDeps {
  readonly write: WriteBytes;
  readonly clock: Clock;
  /** Lines. */
  readonly written: CounterCell;
  readonly dropped: CounterCell;
}

export class LineWriter {
  readonly #deps: LineWriterDeps;
  #lines: string[] = [];
  /** Characters of `#lines`. */
  #queued = 0;
  /** A write is under way, or will be after this turn. */
  #busy = false;
  #retry: Timer | undefined;
  #whenIdle: (() => void) | undefined;

  constructor(deps: LineWriterDeps) {
    this.#deps = deps;
  }

  /** @param line Without its end. */
  write(line: string): void {
    if (this.#queued + line.length > QUEUE_BYTES_MAX) {
      this.#deps.dropped.add(1);
      return;
    }
    this.#lines.push(line);
    this.#queued += line.length + 1;
    if (this.#busy) return;
    this.#busy = true;
    setImmediate(() => this.#flush());
  }

  /** Resolves when everything is written, or after `timeoutMs`. */
  async close(timeoutMs: number): Promise<void> {
    if (!this.#busy) return;
    await new Promise<void>((resolve) => {
      const late = this.#deps.clock.after(timeoutMs, resolve);
      this.#whenIdle = () => {
        late.cancel();
        resolve();
      };
    });
    this.#retry?.cancel();
  }

  #flush(): void {
    const lines = this.#lines;
    if (lines.length === 0) {
      this.#busy = false;
      this.#whenIdle?.();
      return;
    }
    this.#lines = [];
    this.#queued = 0;
    this.#send(Buffer.from(`${lines.join('\n')}\n`), lines.length);
  }

  #send(bytes: Uint8Array, lines: number): void {
    this.#deps.write(bytes, (error, written) => {
      if (error?.code === 'EAGAIN') {
        this.#retry = this.#deps.clock.after(FULL_MS, () => this.#send(bytes, lines));
      } else if (error === null && written < bytes.length) {
        this.#send(bytes.subarray(written), lines);
      } else {
        (error === null ? this.#deps.written : this.#deps.dropped).add(lines);
        this.#flush();
      }
    });
  }
}
