/** The kind library of the running server: `schema/` seen through the machinery's eyes. */
import { applyJsonPatch, applyMergePatch, applyStrategicMergePatch, PatchError, schemaFor } from '../schema/index.ts';
import type { ApplyInput, KindLibrary, PrintedTable, RecordInput } from './kind-library.ts';
import type { Resource } from './resources.ts';
import { KubeStatusError, unsupportedMediaType, type FieldProblem } from './status-error.ts';
import type { KubeObject, Status } from './types.ts';

export class SchemaLibrary implements KindLibrary {
  applyDefaults(_resource: Resource, _object: KubeObject): void {}

  pruneUnknown(_resource: Resource, _object: KubeObject): readonly string[] {
    return [];
  }

  validateCreate(_resource: Resource, _object: KubeObject): readonly FieldProblem[] {
    return [];
  }

  validateUpdate(): readonly FieldProblem[] {
    return [];
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
    const schema = schemaFor({ group: resource.group, version: resource.version, kind: resource.kind });
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
