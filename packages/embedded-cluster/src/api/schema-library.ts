/** The kind library of the running server: `schema/` seen through the machinery's eyes. */
import {
  ApplyError,
  applyJsonPatch,
  applyMergePatch,
  applyPatch,
  applyStrategicMergePatch,
  causeOf,
  compileSchema,
  conflictStatus,
  decodeCustom,
  decodeErrorText,
  decodeObject,
  defaultObject,
  dnsSubdomainErrors,
  openapiV2,
  openapiV3,
  PatchError,
  prepareForCreate,
  resetFields,
  schemaFor,
  setDefaults,
  tableFor,
  tableForColumns,
  updateManagers,
  validateCreate,
  validateMetadata,
  validateMetadataUpdate,
  validateObject,
  validateStatusUpdate,
  validateUpdate,
  validateValue,
  type ManagerContext,
  type OpenapiResource,
  type PrinterColumn,
  type TypeSchema,
} from '../schema/index.ts';
import { asArray, memberAt } from './json.ts';
import { KUBERNETES_VERSION } from './kubernetes-version.ts';
import type { ApplyInput, DecodedObject, IncludeObject, KindLibrary, RecordInput } from './kind-library.ts';
import { groupVersion, type Resource } from './resources.ts';
import { KubeStatusError, unsupportedMediaType, type FieldProblem } from './status-error.ts';
import { hasStatusSubresource } from './strategy.ts';
import type { KubeObject, ListMeta, ManagedFieldsEntry } from './types.ts';

/** Subresources whose writes touch fields that the main door's rules forbid to change. */
const UNCHECKED_UPDATES = new Set(['binding', 'finalize']);
const ANYTHING = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } as const;

export class SchemaLibrary implements KindLibrary {
  /** Compiled schemas live as long as the definition's text. */
  readonly #custom = new WeakMap<object, TypeSchema>();

  decode(resource: Resource, object: KubeObject): DecodedObject {
    const schema = this.#schemaOf(resource);
    if (schema === undefined) return { object, unknownFields: [] };
    const decoded = resource.custom === undefined ? decodeObject(schema, object) : decodeCustom(schema, object);
    const { unknownFields } = decoded;
    // Text values are part of reading a Secret: everything after sees only encoded ones.
    if (resource.bucket === '/secrets') prepareForCreate(resource, decoded.object, { uid: '' });
    const error =
      decoded.error === undefined ? undefined : decodeErrorText(resource.kind, resource.version, decoded.error);
    return {
      object: { ...decoded.object, apiVersion: object.apiVersion, kind: object.kind } as KubeObject,
      unknownFields,
      error,
    };
  }

  applyDefaults(resource: Resource, object: KubeObject): void {
    const schema = this.#schemaOf(resource);
    if (resource.custom === undefined) setDefaults(resource, object, schema);
    else if (schema !== undefined) defaultObject(schema, object);
  }

  validateCreate(resource: Resource, object: KubeObject): readonly FieldProblem[] {
    if (resource.custom === undefined) return validateCreate(resource, object).map(causeOf);
    const metadata = validateMetadata({ ...object.metadata }, resource.namespaced, dnsSubdomainErrors, {
      isCustom: true,
    });
    return [...metadata, ...this.#validateCustom(resource, object)].map(causeOf);
  }

  validateUpdate(
    resource: Resource,
    object: KubeObject,
    previous: KubeObject,
    subresource: string | undefined,
  ): readonly FieldProblem[] {
    if (subresource !== undefined && UNCHECKED_UPDATES.has(subresource)) return [];
    const metadata = validateMetadataUpdate(
      { ...object.metadata },
      { ...previous.metadata },
      { isCustom: resource.custom !== undefined },
    );
    if (resource.custom === undefined) {
      // The generic machinery checks metadata and then the kind does it again: the real API names such problems twice.
      const errors =
        subresource === 'status' ? validateStatusUpdate(object, previous) : validateUpdate(resource, object, previous);
      return [...[...metadata, ...errors].map(causeOf), ...serviceStatusProblems(resource, object, subresource)];
    }
    const errors =
      subresource === 'status' ? this.#validateCustomStatus(resource, object) : this.#validateCustom(resource, object);
    return [...metadata, ...errors].map(causeOf);
  }

  applyJsonPatch(document: KubeObject, patch: unknown): KubeObject {
    return asStatusError(() => applyJsonPatch(document, patch) as KubeObject);
  }

  applyMergePatch(document: KubeObject, patch: unknown): KubeObject {
    return asStatusError(() => applyMergePatch(document, patch) as KubeObject);
  }

  applyStrategicPatch(resource: Resource, document: KubeObject, patch: unknown): KubeObject {
    if (resource.custom !== undefined) {
      throw unsupportedMediaType(
        'application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml',
      );
    }
    return asStatusError(() => applyStrategicMergePatch(document, patch, schemaFor(resource)) as KubeObject);
  }

  apply(input: ApplyInput): KubeObject {
    const { object, conflicts } = asStatusError(() =>
      applyPatch({ ...this.#managerContext(input), live: input.live, config: input.config, force: input.force }),
    );
    if (conflicts.length > 0) throw new KubeStatusError(conflictStatus(conflicts));
    return object as unknown as KubeObject;
  }

  recordManager(input: RecordInput): void {
    const { before, after, resource, subresource } = input;
    // An object that lost its ownership (or never had any) gets it back only by an apply (KEP-555).
    if (before !== undefined && (before.metadata.managedFields ?? []).length === 0) {
      delete after.metadata.managedFields;
      return;
    }
    const updated = updateManagers({ ...this.#managerContext(input), before, after });
    const { managedFields } = (updated as unknown as KubeObject).metadata;
    if (resource.custom !== undefined && subresource === 'scale') moveScaleEntry(managedFields);
    if (managedFields === undefined) delete after.metadata.managedFields;
    else after.metadata.managedFields = managedFields;
  }

  printTable(
    resource: Resource,
    objects: readonly KubeObject[],
    metadata: ListMeta,
    include: IncludeObject,
  ): Record<string, unknown> {
    const options = { nowMs: Date.now(), includeObject: include, metadata: { ...metadata } };
    if (resource.custom === undefined) return tableFor(resource, objects, options);
    return tableForColumns(resource.custom.printerColumns as unknown as readonly PrinterColumn[], objects, options);
  }

  openApiV2(resources: readonly Resource[]): unknown {
    return openapiV2(
      resources.map((resource) => openApiResource(resource)),
      { version: KUBERNETES_VERSION.gitVersion },
    );
  }

  openApiV3(resources: readonly Resource[]): unknown {
    return openapiV3(
      resources.map((resource) => openApiResource(resource)),
      { version: KUBERNETES_VERSION.gitVersion },
    );
  }

  #managerContext(input: ApplyInput | RecordInput): ManagerContext {
    const { resource, subresource, manager, now } = input;
    return {
      manager,
      apiVersion: groupVersion(resource.group, resource.version),
      ...(subresource === undefined ? {} : { subresource }),
      schema: this.#schemaOf(resource),
      now,
      reset: resetFields(subresource, hasStatusSubresource(resource)),
    };
  }

  #validateCustom(resource: Resource, object: KubeObject): ReturnType<typeof validateObject> {
    const schema = this.#schemaOf(resource);
    return schema === undefined ? [] : validateObject(schema, object);
  }

  /** Status is validated by itself, so that messages name fields from there. */
  #validateCustomStatus(resource: Resource, object: KubeObject): ReturnType<typeof validateObject> {
    const schema = this.#schemaOf(resource)?.properties?.['status'];
    if (schema === undefined || object['status'] === undefined) return [];
    return validateValue(schema, object['status'], '').map((error) => ({ ...error, field: `status.${error.field}` }));
  }

  #schemaOf(resource: Resource): TypeSchema | undefined {
    if (resource.custom === undefined) return schemaFor(resource);
    const source = resource.custom.schema ?? ANYTHING;
    let compiled = this.#custom.get(source);
    if (compiled === undefined) {
      compiled = compileSchema(
        resource.custom.preserveUnknownFields ? { ...source, 'x-kubernetes-preserve-unknown-fields': true } : source,
      );
      this.#custom.set(source, compiled);
    }
    return compiled;
  }
}

/** Only load balancers have addresses of a load balancer. */
function serviceStatusProblems(
  resource: Resource,
  object: KubeObject,
  subresource: string | undefined,
): readonly FieldProblem[] {
  if (
    resource.bucket !== '/services' ||
    subresource !== 'status' ||
    memberAt(object, 'spec', 'type') === 'LoadBalancer'
  )
    return [];
  if (asArray(memberAt(object, 'status', 'loadBalancer', 'ingress')).length === 0) return [];
  const message = "Forbidden: may only be used when `spec.type` is 'LoadBalancer'";
  return [{ reason: 'FieldValueForbidden', field: 'status.loadBalancer.ingress', message }];
}

/** Kubernetes records scaling of custom resources without a time, which sorts it first. */
function moveScaleEntry(managedFields: ManagedFieldsEntry[] | undefined): void {
  const index =
    managedFields?.findIndex((entry) => entry.subresource === 'scale' && entry.operation === 'Update') ?? -1;
  const [entry] = index < 0 ? [] : (managedFields?.splice(index, 1) ?? []);
  if (entry === undefined) return;
  delete entry.time;
  const firstUpdate = managedFields?.findIndex((one) => one.operation === 'Update') ?? -1;
  managedFields?.splice(firstUpdate < 0 ? managedFields.length : firstUpdate, 0, entry);
}

function asStatusError<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof PatchError || error instanceof ApplyError) throw new KubeStatusError(error.status);
    throw error;
  }
}

function openApiResource(resource: Resource): OpenapiResource {
  const { group, version, kind, plural, namespaced, subresources } = resource;
  const schema = resource.custom === undefined ? {} : { schema: { ...(resource.custom.schema ?? ANYTHING) } };
  const names = subresources.map((one) => one.name);
  return {
    group,
    version,
    kind,
    plural,
    listKind: resource.listKind,
    isNamespaced: namespaced,
    subresources: names,
    ...schema,
  };
}
