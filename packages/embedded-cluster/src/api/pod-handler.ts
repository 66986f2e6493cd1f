/** What only the node that runs pods can serve. The API server checks access and existence, then asks here. */
import type { KubeObject } from './types.ts';

export interface PodLogOptions {
  /** The container, already chosen when the pod has only one. */
  readonly container: string;
  readonly follow: boolean;
  /** The container's run before the present one. */
  readonly previous: boolean;
  /** Each line begins with its RFC 3339 time. */
  readonly timestamps: boolean;
  readonly tailLines: number | undefined;
  readonly limitBytes: number | undefined;
  readonly sinceSeconds: number | undefined;
  readonly sinceTime: string | undefined;
}

export interface PodHandler {
  /**
   * The log as it is, and with `follow` as it grows until `signal` aborts or the container ends for good.
   * @throws KubeStatusError (400 when the container hasn't run, for instance)
   */
  logs(pod: KubeObject, options: PodLogOptions, signal: AbortSignal): AsyncIterable<string | Uint8Array>;
}
