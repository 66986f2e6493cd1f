/**
 * The OpenAPI documents of an API server: v3 per group and version, v2 in one. `kubectl` finds in them the types for
 * patches and `explain`, and whether the server validates fields. (Kubernetes documentation, "The Kubernetes API", OpenAPI.)
 */
import { type JsonObject } from '../json.ts';
import { apiVersionOf } from '../types.ts';
import { Components, type OpenapiKind, type OpenapiVersion } from './components.ts';

/** A resource as it is served. */
export interface OpenapiResource extends OpenapiKind {
  readonly plural: string;
  readonly isNamespaced: boolean;
  /** Subresources such as `status` and `scale`. */
  readonly subresources?: readonly string[];
}

/** Where a group's version is served: `api/v1` or `apis/apps/v1`, also the key in the v3 index. */
export function openapiPath(gv: { readonly group: string; readonly version: string }): string {
  return gv.group === '' ? `api/${gv.version}` : `apis/${apiVersionOf(gv)}`;
}

/** The answer to `/openapi/v3`: `hashes` maps `apis/apps/v1` to a hash of the document's content. */
export function openapiV3Index(hashes: Readonly<Record<string, string>>): JsonObject {
  const paths: JsonObject = {};
  for (const path of Object.keys(hashes).sort())
    paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hashes[path]}` };
  return { paths };
}

/** The v3 document of one group and version. */
export function openapiV3(resources: readonly OpenapiResource[], info: { readonly version: string }): JsonObject {
  const components = new Components(3);
  components.addType('meta.v1.Status');
  components.addType('meta.v1.DeleteOptions');
  const paths = pathsOf(resources, components, 3);
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: info.version },
    paths,
    components: { schemas: components.toJson() },
  };
}

/** The v2 document of everything that is served. */
export function openapiV2(resources: readonly OpenapiResource[], info: { readonly version: string }): JsonObject {
  const components = new Components(2);
  components.addType('meta.v1.Status');
  components.addType('meta.v1.DeleteOptions');
  const paths = pathsOf(resources, components, 2);
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version: info.version },
    paths,
    definitions: components.toJson(),
  };
}

type Verb = 'list' | 'create' | 'deletecollection' | 'get' | 'update' | 'patch' | 'delete';

const METHODS: Readonly<Record<Verb, string>> = {
  list: 'get',
  create: 'post',
  deletecollection: 'delete',
  get: 'get',
  update: 'put',
  patch: 'patch',
  delete: 'delete',
};
const ACTIONS: Readonly<Record<Verb, string>> = {
  list: 'list',
  create: 'post',
  deletecollection: 'deletecollection',
  get: 'get',
  update: 'put',
  patch: 'patch',
  delete: 'delete',
};
const OPERATION_WORDS: Readonly<Record<Verb, string>> = {
  list: 'list',
  create: 'create',
  deletecollection: 'deleteCollection',
  get: 'read',
  update: 'replace',
  patch: 'patch',
  delete: 'delete',
};
const COLLECTION_VERBS: readonly Verb[] = ['list', 'create', 'deletecollection'];
const OBJECT_VERBS: readonly Verb[] = ['get', 'update', 'patch', 'delete'];
const SUBRESOURCE_VERBS: readonly Verb[] = ['get', 'update', 'patch'];
const PARAMETERS: Readonly<Partial<Record<Verb, readonly string[]>>> = {
  list: [
    'allowWatchBookmarks',
    'continue',
    'fieldSelector',
    'labelSelector',
    'limit',
    'resourceVersion',
    'resourceVersionMatch',
    'sendInitialEvents',
    'timeoutSeconds',
    'watch',
  ],
  create: ['dryRun', 'fieldManager', 'fieldValidation'],
  update: ['dryRun', 'fieldManager', 'fieldValidation'],
  patch: ['dryRun', 'fieldManager', 'fieldValidation', 'force'],
  delete: ['dryRun', 'gracePeriodSeconds', 'orphanDependents', 'propagationPolicy'],
  deletecollection: [
    'continue',
    'dryRun',
    'fieldSelector',
    'gracePeriodSeconds',
    'labelSelector',
    'limit',
    'propagationPolicy',
  ],
};
const BOOLEAN_PARAMETERS: ReadonlySet<string> = new Set([
  'allowWatchBookmarks',
  'sendInitialEvents',
  'watch',
  'force',
  'orphanDependents',
]);
const INTEGER_PARAMETERS: ReadonlySet<string> = new Set(['limit', 'timeoutSeconds', 'gracePeriodSeconds']);
const PATCH_TYPES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
];

function pathsOf(resources: readonly OpenapiResource[], components: Components, version: OpenapiVersion): JsonObject {
  const paths: JsonObject = {};
  for (const resource of resources) {
    const names = components.addKind(resource);
    if (names === undefined) continue;
    const root = `/${openapiPath(resource)}`;
    const collection = resource.isNamespaced
      ? `${root}/namespaces/{namespace}/${resource.plural}`
      : `${root}/${resource.plural}`;
    const context = { resource, names, components, version };
    paths[collection] = pathItem(COLLECTION_VERBS, '', context);
    if (resource.isNamespaced) paths[`${root}/${resource.plural}`] = pathItem(['list'], 'ForAllNamespaces', context);
    paths[`${collection}/{name}`] = pathItem(OBJECT_VERBS, '', context);
    for (const subresource of resource.subresources ?? []) {
      const isScale = subresource === 'scale';
      const scale = isScale ? components.addKind({ group: 'autoscaling', version: 'v1', kind: 'Scale' }) : undefined;
      paths[`${collection}/{name}/${subresource}`] = pathItem(
        SUBRESOURCE_VERBS,
        capital(subresource),
        scale === undefined
          ? context
          : { ...context, names: scale, kind: { group: 'autoscaling', version: 'v1', kind: 'Scale' } },
      );
    }
  }
  return paths;
}

interface PathContext {
  readonly resource: OpenapiResource;
  readonly names: { readonly name: string; readonly listName: string };
  readonly components: Components;
  readonly version: OpenapiVersion;
  /** The kind that the operations are about, when it is not the resource's. */
  readonly kind?: OpenapiKind;
}

function pathItem(verbs: readonly Verb[], suffix: string, context: PathContext): JsonObject {
  const item: JsonObject = {};
  for (const verb of verbs) item[METHODS[verb]] = operation(verb, suffix, context);
  return item;
}

function operation(
  verb: Verb,
  suffix: string,
  { resource, names, components, version, kind }: PathContext,
): JsonObject {
  const scope = resource.isNamespaced && suffix !== 'ForAllNamespaces' ? 'Namespaced' : '';
  const groupName = resource.group === '' ? 'Core' : capital(resource.group.split('.')[0] ?? '');
  const { group, version: kindVersion, kind: kindName } = kind ?? resource;
  const schema = components.reference(verb === 'list' ? names.listName : names.name);
  return {
    operationId: `${OPERATION_WORDS[verb]}${groupName}${capital(resource.version)}${scope}${resource.kind}${suffix}`,
    parameters: (PARAMETERS[verb] ?? []).map((name) => parameter(name, version)),
    ...(version === 2 && verb === 'patch' ? { consumes: patchTypes(resource) } : {}),
    ...body(verb, resource, names, components, version),
    responses: {
      '200':
        version === 3
          ? { description: 'OK', content: { 'application/json': { schema } } }
          : { description: 'OK', schema },
      '401': { description: 'Unauthorized' },
    },
    'x-kubernetes-action': ACTIONS[verb],
    'x-kubernetes-group-version-kind': { group, version: kindVersion, kind: kindName },
  };
}

function parameter(name: string, version: OpenapiVersion): JsonObject {
  const type = BOOLEAN_PARAMETERS.has(name) ? 'boolean' : INTEGER_PARAMETERS.has(name) ? 'integer' : 'string';
  return version === 3
    ? { name, in: 'query', schema: { type, uniqueItems: true } }
    : { name, in: 'query', type, uniqueItems: true };
}

/** Custom resources know no strategic merge patch; `kubectl apply` asks here which kind of patch to send. */
function patchTypes(resource: OpenapiResource): string[] {
  return PATCH_TYPES.filter((type) => resource.schema === undefined || !type.includes('strategic'));
}

function body(
  verb: Verb,
  resource: OpenapiResource,
  names: { readonly name: string },
  components: Components,
  version: OpenapiVersion,
): JsonObject {
  if (version !== 3) return {};
  if (verb === 'create' || verb === 'update')
    return { requestBody: { required: true, content: { '*/*': { schema: components.reference(names.name) } } } };
  if (verb === 'patch')
    return {
      requestBody: {
        required: true,
        content: Object.fromEntries(patchTypes(resource).map((type) => [type, { schema: { type: 'object' } }])),
      },
    };
  return {};
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
