/** What every operation of the API works with, and what one request carries. */
import type { Clock, Logger } from '@mesh/runtime';
import type { KindLibrary } from './kind-library.ts';
import type { Resource, ResourceTable } from './resources.ts';
import type { Store } from './store.ts';
import type { KubeObject, UserInfo } from './types.ts';

export interface RequestContext {
  readonly user: UserInfo;
  /** The manager that field ownership records, from `fieldManager` or the user agent. */
  readonly manager: string;
  readonly dryRun: boolean;
  readonly fieldValidation: 'Strict' | 'Warn' | 'Ignore';
  /** `fieldManager` and `fieldValidation` as the client wrote them, for webhooks to see. */
  readonly statedOptions?: Readonly<Record<string, string>>;
  /** What is wrong with the body as text, such as `duplicate field "data.a"`. */
  readonly bodyProblems?: readonly string[];
  /** Texts for `Warning` headers; operations append. */
  readonly warnings: string[];
}

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

export interface AdmissionAttributes {
  readonly operation: Operation;
  readonly resource: Resource;
  readonly subresource: string | undefined;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly context: RequestContext;
  /** In the requested version; mutators change it in place. Undefined for deletions. */
  readonly object: KubeObject | undefined;
  readonly oldObject: KubeObject | undefined;
  /** `meta.k8s.io/v1` CreateOptions, UpdateOptions, PatchOptions or DeleteOptions. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** The checks and changes between a decoded request and the store. */
export interface Admission {
  /** Changes `attributes.object` in place; throws to deny. */
  mutate(attributes: AdmissionAttributes): Promise<void>;
  validate(attributes: AdmissionAttributes): Promise<void>;
}

export interface Machinery {
  readonly store: Store;
  readonly resources: ResourceTable;
  readonly kinds: KindLibrary;
  readonly admission: Admission;
  /** Completes an object with what only the server can allocate, after it is valid and before validating webhooks see it. */
  readonly allocate: (resource: Resource, object: KubeObject, live: KubeObject | undefined) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Now as `metav1.Time` is written: RFC 3339 in UTC with whole seconds. */
export function timestamp(clock: Clock, plusSeconds = 0): string {
  return `${new Date(clock.now() + plusSeconds * 1000).toISOString().slice(0, 19)}Z`;
}
