/** Limits of what clients may hold that Linkerd's proxy does not have, so that their keys are ours. */
import { ConfigError, ConfigReader } from '@mesh/runtime';
import type { Env } from '@mesh/runtime';
import { CONNECTIONS_PER_CLIENT_MAX } from '../accept/client-connections.ts';
import { HTTP_ENGINE_DEFAULTS } from '../http/engine.ts';

export interface PeerLimits {
  /** Inbound connections of one client address; 0: no limit. */
  readonly connectionsPerClientMax: number;
  /** Between two pieces of a request body of declared length. */
  readonly bodyTimeoutMs: number;
  /** Until a client takes something of a response that waits for it. */
  readonly unreadTimeoutMs: number;
}

/** @param reader Of all keys that begin with `MESH_`. */
export function readPeerLimits(reader: ConfigReader): PeerLimits {
  const { bodyTimeoutMs, unreadTimeoutMs } = HTTP_ENGINE_DEFAULTS;
  return {
    connectionsPerClientMax: reader.integer('INBOUND_MAX_CONNECTIONS_PER_CLIENT', CONNECTIONS_PER_CLIENT_MAX, {
      min: 0,
      max: 1_000_000,
    }),
    bodyTimeoutMs: timeout(reader, 'HTTP_BODY_TIMEOUT', bodyTimeoutMs),
    unreadTimeoutMs: timeout(reader, 'HTTP_UNREAD_TIMEOUT', unreadTimeoutMs),
  };
}

/** 0 is for ever. */
function timeout(reader: ConfigReader, key: string, fallbackMs: number): number {
  return reader.durationMs(key, fallbackMs) || Number.POSITIVE_INFINITY;
}

/** A reader of our own keys beside those of Linkerd. */
export function ownKeys(env: Env): ConfigReader {
  return new ConfigReader(env, 'MESH_');
}

/** @throws ConfigError with the problems of all readers. */
export function checkAll(...readers: readonly ConfigReader[]): void {
  const problems: string[] = [];
  for (const reader of readers) {
    try {
      reader.check();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(...error.info.problems);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
}
