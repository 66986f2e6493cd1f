/** The kind library of the running server: `schema/` seen through the machinery's eyes. */
import {
  applyJsonPatch,
  applyMergePatch,
  applyStrategicMergePatch,
  causeOf,
  decodeErrorText,
  decodeObject,
  PatchError,
  schemaFor,
  setDefaults,
  validateCreate,
  validateStatusUpdate,
  validateUpdate,
} from '../schema/index.ts';
import type { ApplyInput, DecodedObject, KindLibrary, PrintedTable, RecordInput } from './kind-library.ts';
import type { Resource } from './resources.ts';
import { KubeStatusError, unsupportedMediaType, type FieldProblem } from './status-error.ts';
import type { KubeObject, Status } from './types.ts';

export class SchemaLibrary implements KindLibrary {
  decode(resource: Resource, object: KubeObject): DecodedObject {
    const schema = resource.custom === undefined ? schemaFor(resource) : undefined;
    if (schema === undefined) return { object, unknownFields: [] };
    const decoded = decodeObject(schema, object);
    const error = decoded.error === undefined ? undefined : decodeErrorText(resource.kind, resource.version, decoded.error);
    return { object: { ...decoded.object, apiVersion: object.apiVersion, kind: object.kind } as KubeObject, unknownFields: decoded.unknownFields, error };
  }

  applyDefaults(resource: Resource, object: KubeObject): void {
    if (resource.custom === undefined) setDefaults(resource, object, schemaFor(resource));
  }

  validateCreate(resource: Resource, object: KubeObject): readonly FieldProblem[] {
    return resource.custom === undefined ? validateCreate(resource, object).map(causeOf) : [];
  }

  validateUpdate(resource: Resource, object: KubeObject, previous: KubeObject, subresource: string | undefined): readonly FieldProblem[] {
    if (resource.custom !== undefined) return [];
    // These change one field that nobody else may change, and check it themselves.
    if (subresource === 'binding' || subresource === 'finalize') return [];
    const errors = subresource === 'status' ? validateStatusUpdate(object, previous) : validateUpdate(resource, object, previous);
    return errors.map(causeOf);
  }

  applyJsonPatch(document: KubeObject, patch: unknown): KubeObject {
    return asStatusError(() => applyJsonPatch(document, patch) as KubeObject);
  }

  applyMergePatch(document: KubeObject, patch: unknown): KubeObject {
    return asStatusError(() => applyMergePatch(document, patch) as KubeObject);
  }

  applyStrategicPatch(resource: Resource, document: KubeObject, patch: unknown): KubeObject {
    if (resource.custom !== undefined) {
      throw unsupportedMediaType('application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml');
    }
    const schema = schemaFor(resource);
    return asStatusError(() => applyStrategicMergePatch(document, patch, schema) as KubeObject);
  }

  apply(input: ApplyInput): KubeObject {
    return input.config;
  }

  recordManager(_input: RecordInput): void {}

  printTable(): PrintedTable {
    return { columns: [], rows: [] };
  }

  openApiV2(): unknown {
    return {};
  }

  openApiV3(_path: string): unknown {
    return undefined;
  }

  openApiV3Paths(): readonly string[] {
    return [];
  }
}

function asStatusError<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof PatchError) throw new KubeStatusError(error.status as unknown as Status);
    throw error;
  }
}
