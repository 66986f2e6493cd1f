/**
 * Files that others replace while we run (mounted Secrets and ConfigMaps). They are read again and compared at an interval:
 * mounts are swapped by symbolic links, which file notifications miss on many file systems.
 */
import { readFile } from 'node:fs/promises';

import type { Clock, Component, Timer } from '@mesh/runtime';

/** A few kilobytes each time; a rotated certificate is in use within seconds. */
export const RELOAD_INTERVAL_MS = 1_000;

/** Contents by the name asked for; absent files are missing from the map. */
export type FileContents = ReadonlyMap<string, string>;

export class WatchedFiles implements Component {
  readonly name = 'watched files';
  readonly #paths: readonly string[];
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #listeners = new Set<() => void>();
  #contents: FileContents = new Map();
  #timer: Timer | undefined;
  #stopped = false;

  constructor(
    options: { readonly paths: readonly string[]; readonly intervalMs?: number },
    deps: { readonly clock: Clock },
  ) {
    this.#paths = options.paths;
    this.#intervalMs = options.intervalMs ?? RELOAD_INTERVAL_MS;
    this.#clock = deps.clock;
  }

  get contents(): FileContents {
    return this.#contents;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async start(): Promise<void> {
    await this.refresh();
    this.#schedule();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Reads now; listeners hear of it only when something changed. */
  async refresh(): Promise<void> {
    const contents = new Map<string, string>();
    await Promise.all(
      this.#paths.map(async (path) => {
        const text = await readFile(path, 'utf8').catch(() => undefined);
        if (text !== undefined) contents.set(path, text);
      }),
    );
    const changed =
      contents.size !== this.#contents.size || [...contents].some(([path, text]) => this.#contents.get(path) !== text);
    if (!changed) return;
    this.#contents = contents;
    for (const listener of this.#listeners) listener();
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = this.#clock.after(this.#intervalMs, () => void this.refresh().finally(() => this.#schedule()));
  }
}
