/** One object and the writes to it, in the order of an API server's steps: decode, default, record managers, prepare, validate. */
import {
  ApplyError,
  applyPatch,
  conflictStatus,
  resetFields,
  updateManagers,
  type ManagerContext,
} from '../apply/managed-fields.ts';
import { schemaFor } from '../builtin-types.ts';
import { compileSchema } from '../crd/compile.ts';
import { decodeCustom, defaultObject } from '../crd/default-prune.ts';
import { validateObject } from '../crd/validate-value.ts';
import { decodeObject } from '../decode.ts';
import { setDefaults } from '../defaults/defaults.ts';
import {
  hasStatusSubresource,
  prepareForCreate,
  prepareForStatusUpdate,
  prepareForUpdate,
} from '../defaults/prepare.ts';
import { invalidStatus, type FieldError } from '../field-error.ts';
import { applyJsonPatch } from '../json-patch.ts';
import { cloneJson, objectAt, type JsonObject } from '../json.ts';
import { applyMergePatch } from '../merge-patch.ts';
import { dnsSubdomainErrors } from '../names.ts';
import { applyStrategicMergePatch } from '../strategic-merge-patch.ts';
import { apiVersionOf, type GroupVersionKind, type TypeSchema } from '../types.ts';
import { validateMetadata } from '../validation/metadata.ts';
import { validateCreate, validateUpdate } from '../validation/validate.ts';
import { WIDGET_DEFINITION, type ApplyStep } from './apply-cases.ts';

const KINDS: Readonly<Record<string, GroupVersionKind>> = {
  ConfigMap: { group: '', version: 'v1', kind: 'ConfigMap' },
  Deployment: { group: 'apps', version: 'v1', kind: 'Deployment' },
  Service: { group: '', version: 'v1', kind: 'Service' },
  Widget: { group: 'example.com', version: 'v1', kind: 'Widget' },
};

export class MiniServer {
  readonly #gvk: GroupVersionKind;
  readonly #schema: TypeSchema;
  readonly #isCustom: boolean;
  #live: JsonObject | undefined;

  constructor(kind: string) {
    const gvk = KINDS[kind];
    if (gvk === undefined) throw new Error(`no kind ${kind}`);
    this.#gvk = gvk;
    const builtin = schemaFor(gvk);
    this.#isCustom = builtin === undefined;
    this.#schema = builtin ?? compileSchema(WIDGET_DEFINITION.spec.versions[0].schema.openAPIV3Schema);
  }

  /** The stored object after the write, or the refusal. */
  write(step: ApplyStep): JsonObject {
    const hasStatus = this.#isCustom || hasStatusSubresource(this.#gvk);
    const context: ManagerContext = {
      manager: step.manager,
      apiVersion: apiVersionOf(this.#gvk),
      schema: this.#schema,
      now: '2024-01-01T00:00:00Z',
      reset: resetFields(step.subresource, hasStatus),
      ...(step.subresource === undefined ? {} : { subresource: step.subresource }),
    };
    try {
      return this.#store(this.#written(step, context), step.subresource);
    } catch (error) {
      if (error instanceof ApplyError) return error.status;
      if (error instanceof Refusal) return error.status;
      throw error;
    }
  }

  #written(step: ApplyStep, context: ManagerContext): JsonObject {
    const live = this.#live;
    if (step.verb === 'apply') {
      const config = step.body as JsonObject;
      const { object, conflicts } = applyPatch({ ...context, live, config, force: step.force === true });
      if (conflicts.length > 0) throw new Refusal(conflictStatus(conflicts));
      return this.#decoded(object, true);
    }
    if (step.verb === 'create' || live === undefined)
      return updateManagers({ ...context, before: undefined, after: this.#decoded(step.body as JsonObject, false) });
    return updateManagers({ ...context, before: live, after: this.#decoded(patched(step, live, this.#schema), false) });
  }

  #decoded(document: JsonObject, isApplied: boolean): JsonObject {
    const plain = JSON.parse(JSON.stringify(document)) as JsonObject;
    plain['apiVersion'] = apiVersionOf(this.#gvk);
    plain['kind'] = this.#gvk.kind;
    objectAt(plain, 'metadata')['namespace'] = 't';
    if (!this.#isCustom) {
      const { object, error } = decodeObject(this.#schema, plain);
      if (error !== undefined) throw new Error(error);
      setDefaults(this.#gvk, object, this.#schema);
      return object;
    }
    if (isApplied) {
      defaultObject(this.#schema, plain);
      return plain;
    }
    return decodeCustom(this.#schema, plain).object;
  }

  #store(object: JsonObject, subresource: string | undefined): JsonObject {
    const live = this.#live;
    if (subresource === 'status' && live !== undefined) prepareForStatusUpdate(object, live);
    else if (this.#isCustom) {
      delete object['status'];
      if (live?.['status'] !== undefined) object['status'] = cloneJson(live['status']);
    } else if (live === undefined) prepareForCreate(this.#gvk, object, { uid: 'UID' });
    else prepareForUpdate(this.#gvk, object, live);
    if (!this.#isCustom) setDefaults(this.#gvk, object, this.#schema);
    const errors = this.#errors(object, live);
    if (errors.length > 0)
      throw new Refusal(invalidStatus(this.#gvk, String(objectAt(object, 'metadata')['name']), errors));
    this.#live = cloneJson(object);
    return cloneJson(object);
  }

  #errors(object: JsonObject, live: JsonObject | undefined): FieldError[] {
    if (this.#isCustom)
      return [
        ...validateMetadata(objectAt(object, 'metadata'), true, dnsSubdomainErrors, { isCustom: true }),
        ...validateObject(this.#schema, object),
      ];
    return live === undefined ? validateCreate(this.#gvk, object) : validateUpdate(this.#gvk, object, live);
  }
}

class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: JsonObject;

  constructor(status: JsonObject) {
    super('refused');
    this.status = status;
  }
}

function patched(step: ApplyStep, live: JsonObject, schema: TypeSchema): JsonObject {
  switch (step.verb) {
    case 'json':
      return applyJsonPatch(live, step.body) as JsonObject;
    case 'merge':
      return applyMergePatch(live, step.body);
    case 'strategic':
      return applyStrategicMergePatch(live, step.body, schema);
    default:
      return cloneJson(step.body as JsonObject);
  }
}
