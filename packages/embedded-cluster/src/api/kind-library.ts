/**
 * What the machinery needs to know about kinds: their shapes, defaults, rules, patches and field ownership.
 * `schema/` implements it for real; the machinery sees only this.
 */
import type { Resource } from './resources.ts';
import type { FieldProblem } from './status-error.ts';
import type { KubeObject, ListMeta } from './types.ts';

export type IncludeObject = 'None' | 'Metadata' | 'Object';

export interface ApplyInput {
  readonly resource: Resource;
  readonly subresource: string | undefined;
  readonly live: KubeObject | undefined;
  readonly config: KubeObject;
  readonly manager: string;
  readonly force: boolean;
  readonly now: string;
}

export interface RecordInput {
  readonly resource: Resource;
  readonly subresource: string | undefined;
  readonly before: KubeObject | undefined;
  readonly after: KubeObject;
  readonly manager: string;
  readonly now: string;
}

export interface DecodedObject {
  readonly object: KubeObject;
  /** `unknown field "spec.foo"`, one text per field. */
  readonly unknownFields: readonly string[];
  /** The message of the 400 for a value of the wrong type. */
  readonly error?: string | undefined;
}

export interface KindLibrary {
  /** Fills in defaults, in place. */
  applyDefaults(resource: Resource, object: KubeObject): void;
  /** The object with the types of its kind, without what the kind doesn't have; the only use of an object with `error` is the error. */
  decode(resource: Resource, object: KubeObject): DecodedObject;
  validateCreate(resource: Resource, object: KubeObject): readonly FieldProblem[];
  validateUpdate(
    resource: Resource,
    object: KubeObject,
    previous: KubeObject,
    subresource: string | undefined,
  ): readonly FieldProblem[];
  applyJsonPatch(document: KubeObject, patch: unknown): KubeObject;
  applyMergePatch(document: KubeObject, patch: unknown): KubeObject;
  /** 415 for custom resources, which have no patch keys. */
  applyStrategicPatch(resource: Resource, document: KubeObject, patch: unknown): KubeObject;
  /** The object after a server-side apply, managed fields included; throws the 409 with one cause per conflict. */
  apply(input: ApplyInput): KubeObject;
  /** Sets `after.metadata.managedFields` to what a create or update by `manager` makes of it. */
  recordManager(input: RecordInput): void;
  /** A `meta.k8s.io/v1` Table. */
  printTable(
    resource: Resource,
    objects: readonly KubeObject[],
    metadata: ListMeta,
    include: IncludeObject,
  ): Record<string, unknown>;
  openApiV2(resources: readonly Resource[]): unknown;
  /** The document of one group and version. */
  openApiV3(resources: readonly Resource[]): unknown;
}
