/** The output of one container: the newest lines in memory, for this run and the one before. */

/** Lines kept per run; like a log file that is rotated at this length. */
const LINES_MAX = 5_000;
const LINE_BYTES_MAX = 16_384;

export interface LogLine {
  readonly timeMs: number;
  readonly text: string;
}

export interface LogOptions {
  readonly follow?: boolean | undefined;
  readonly previous?: boolean | undefined;
  readonly tailLines?: number | undefined;
  readonly sinceMs?: number | undefined;
  readonly timestamps?: boolean | undefined;
}

export class ContainerLogs {
  readonly #listeners = new Set<(line: LogLine | undefined) => void>();
  #current: LogLine[] = [];
  #previous: LogLine[] | undefined;
  #runs = 0;

  /** A new run begins: what was current becomes previous. */
  begin(): void {
    if (this.#runs > 0) this.#previous = this.#current;
    this.#runs += 1;
    this.#current = [];
  }

  get hasPrevious(): boolean {
    return this.#previous !== undefined;
  }

  append(text: string): void {
    const line = { timeMs: Date.now(), text };
    this.#current.push(line);
    if (this.#current.length > LINES_MAX) this.#current.splice(0, LINES_MAX / 10);
    for (const listener of this.#listeners) listener(line);
  }

  /** The container will not run again: followers end. */
  close(): void {
    for (const listener of this.#listeners) listener(undefined);
    this.#listeners.clear();
  }

  lines(options: LogOptions): readonly LogLine[] {
    const run = options.previous ? (this.#previous ?? []) : this.#current;
    const since = options.sinceMs === undefined ? run : run.filter((line) => line.timeMs >= (options.sinceMs ?? 0));
    return options.tailLines === undefined ? since : since.slice(Math.max(0, since.length - options.tailLines));
  }

  /** The end of the output, for termination messages. */
  tail(lines: number, bytes: number): string {
    const text = this.#current
      .slice(-lines)
      .map((line) => line.text)
      .join('\n');
    return text.length <= bytes ? text : text.slice(-bytes);
  }

  /** @returns a function that ends following */
  follow(listener: (line: LogLine | undefined) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Takes a stream's chunks and keeps its lines. */
  attach(stream: NodeJS.ReadableStream): void {
    let pending = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      const parts = (pending + chunk).split('\n');
      pending = parts.pop() ?? '';
      for (const part of parts) this.append(part);
      if (pending.length > LINE_BYTES_MAX) {
        this.append(pending);
        pending = '';
      }
    });
    stream.on('error', () => undefined);
    stream.on('end', () => {
      if (pending !== '') this.append(pending);
    });
  }
}

export function formatLine(line: LogLine, timestamps: boolean): string {
  return timestamps ? `${new Date(line.timeMs).toISOString()} ${line.text}\n` : `${line.text}\n`;
}
