/** What the supervisor and its workers tell each other. Both are this program, and of one version. */
import type { TlsMaterial } from '@mesh/net';

export type ToWorker =
  /** The identity of all of them: there is one certificate for the pod, and one key. */
  | { readonly kind: 'identity'; readonly material: TlsMaterial }
  | { readonly kind: 'metrics'; readonly request: number }
  | { readonly kind: 'drain' };

export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'metrics'; readonly request: number; readonly page: string };
