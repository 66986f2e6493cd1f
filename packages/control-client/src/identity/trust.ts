/** Where the trust anchors come from: a text that stays, or a file that is watched. */
import { readFile } from 'node:fs/promises';
import { messageOf } from '@mesh/runtime';
import type { Clock, Logger, Timer } from '@mesh/runtime';

/** PEM text of one or several anchors, which may change. */
export interface TrustSource extends AsyncDisposable {
  /** Resolves once {@link current} is there. */
  start(): Promise<void>;
  current(): string;
  onChange(listener: () => void): void;
}

export function staticTrust(pem: string): TrustSource {
  return {
    start: () => Promise.resolve(),
    current: () => pem,
    onChange: () => undefined,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Mounted ConfigMaps change by swapping a symbolic link, which file watches miss; reading a few KB every 10 s does not. */
export const TRUST_POLL_MS = 10_000;

/** Anchors in a file, read again every `pollMs`. An unreadable file keeps what was read before; at the start it is an error. */
export function watchedTrustFile(
  path: string,
  deps: { readonly clock: Clock; readonly log: Logger },
  pollMs: number = TRUST_POLL_MS,
): TrustSource {
  const listeners = new Set<() => void>();
  let text = '';
  let timer: Timer | undefined;
  let stopped = false;
  const arm = (): void => {
    timer = deps.clock.after(pollMs, () => void poll());
  };
  const poll = async (): Promise<void> => {
    try {
      const next = await readFile(path, 'utf8');
      if (next.trim() !== '' && next !== text) {
        text = next;
        for (const listener of listeners) listener();
      }
    } catch (error) {
      deps.log.warn('trust anchors not readable, keeping the last ones', { path, reason: messageOf(error) });
    }
    if (!stopped) arm();
  };
  return {
    async start() {
      text = await readFile(path, 'utf8');
      arm();
    },
    current: () => text,
    onChange: (listener) => void listeners.add(listener),
    [Symbol.asyncDispose]: () => {
      stopped = true;
      timer?.cancel();
      return Promise.resolve();
    },
  };
}
