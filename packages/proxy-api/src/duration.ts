/** google.protobuf.Duration to and from milliseconds. */
import type { Duration } from './gen/google/protobuf/duration.ts';

/** @param ms Not negative; fractions of a millisecond are kept down to the nanosecond. */
export function durationFromMs(ms: number): Duration {
  const seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1e6) };
}

/** Milliseconds; values beyond 2^53 lose precision, as they are longer than 285,000 years. */
export function durationToMs(duration: Duration): number {
  return Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}
