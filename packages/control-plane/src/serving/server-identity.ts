/** The certificate that a role serves with, and whom it trusts. */
import type { KeyObject } from 'node:crypto';

export interface ServerCredentials {
  readonly key: KeyObject | string;
  /** PEM: leaf first, then intermediates. */
  readonly chainPem: string;
  /** PEM bundle of trust anchors. */
  readonly trustPem: string;
}

export interface ServerIdentity {
  /** Undefined until there is a certificate. */
  current(): ServerCredentials | undefined;
  /** Calls `listener` after each change; returns the unsubscribe function. */
  onChange(listener: () => void): () => void;
}
