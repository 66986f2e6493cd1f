/** The document of `npm run demo -- --json`; its schema is docs/demo.md. */
import type { TrafficSummary } from '../home/traffic.ts';

export interface StepOutcome {
  readonly name: string;
  readonly ok: boolean;
  readonly ms: number;
  /** What was seen, or what went wrong. */
  readonly detail: string;
}

export interface TargetTraffic extends TrafficSummary {
  /** Requests in windows in which no healthy backend existed, or before the target existed; not in the other numbers. */
  readonly excluded: number;
}

export interface FailoverOutcome {
  /** Failed requests to the active-active service from the kill until recovery. */
  readonly failed_during: number;
  /** Requests that were under way at the moment of the kill. */
  readonly in_flight: number;
  /** From the kill until the other cluster answered and nothing failed any more. */
  readonly ms_to_recover: number;
  /** From the local service being ready again until it answered. */
  readonly ms_to_return: number;
}

export interface Identities {
  /** As the gateway saw it and passed it on. */
  readonly client: string;
  /** As the server saw it. */
  readonly gateway: string;
  /** As the gateway verified it. */
  readonly server: string;
}

export interface DemoDocument {
  readonly ok: boolean;
  readonly total_ms: number;
  readonly steps: readonly StepOutcome[];
  readonly traffic: TrafficSummary & { readonly targets: Readonly<Record<string, TargetTraffic>> };
  readonly failover: FailoverOutcome;
  readonly identities: Identities;
}
