/**
 * One method per verb of the API, for every door: finds the resource, asks the authorizer, and runs the operation.
 * Results are the store's own objects or fresh ones: callers copy before they change or hand them out.
 */
import { deleteObject, type DeleteResult } from './delete.ts';
import { asObject } from './json.ts';
import { listObjects } from './list.ts';
import type { Machinery, RequestContext } from './machinery.ts';
import { checkTypeMeta } from './object-meta.ts';
import { patchObject, type PatchInput, type PatchResult } from './patch.ts';
import type { Resource, ResourceTable, Verb } from './resources.ts';
import { forbidden, methodNotAllowed, notFound, pageNotFound, pathNotFound } from './status-error.ts';
import { idOf } from './store.ts';
import type {
  DeleteOptions,
  KubeList,
  KubeObject,
  ListOptions,
  ResourceRef,
  UserInfo,
  WatchEvent,
  WatchOptions,
} from './types.ts';
import { toRequested } from './versions.ts';
import { startWatch, type WatchHandle } from './watch.ts';
import { createObject, updateObject } from './write.ts';

export interface RequestInfo {
  readonly ref: ResourceRef;
  readonly namespace: string | undefined;
  /** Empty for collections. */
  readonly name: string;
  readonly subresource: string | undefined;
  readonly context: RequestContext;
}

export interface AuthorizationAttributes {
  readonly user: UserInfo;
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly subresource: string | undefined;
  readonly namespace: string | undefined;
  readonly name: string;
}

export interface Authorizer {
  /** The reason when denied, or undefined when allowed. An empty reason is a plain no. */
  deny(attributes: AuthorizationAttributes): string | undefined;
}

/** Operations of one kind that aren't plain storage: reviews, tokens, bindings, scale. */
export interface SpecialOperations {
  /** Undefined: not special, store it. */
  create(request: RequestInfo, resource: Resource, given: KubeObject): Promise<KubeObject> | undefined;
  get(request: RequestInfo, resource: Resource): Promise<KubeObject> | undefined;
  update(request: RequestInfo, resource: Resource, given: KubeObject): Promise<KubeObject> | undefined;
  patch(request: RequestInfo, resource: Resource, patch: PatchInput): Promise<KubeObject> | undefined;
}

const ENDPOINTS_DEPRECATED = 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice';

export class ApiOperations {
  readonly machinery: Machinery;
  readonly #authorizer: Authorizer;
  readonly #special: SpecialOperations;

  constructor(machinery: Machinery, authorizer: Authorizer, special: SpecialOperations) {
    this.machinery = machinery;
    this.#authorizer = authorizer;
    this.#special = special;
  }

  /** The resource that a request speaks of, once its verb is allowed. */
  resolve(request: RequestInfo, verb: Verb): Resource {
    const resource = this.machinery.resources.find(request.ref);
    // Authorization comes first, so that a stranger can't tell what exists.
    this.authorize(request, verb);
    if (resource === undefined) {
      throw this.machinery.resources.hasGroupVersion(request.ref.group, request.ref.version)
        ? pathNotFound()
        : pageNotFound();
    }
    const sub = request.subresource;
    const verbs = sub === undefined ? resource.verbs : resource.subresources.find((one) => one.name === sub)?.verbs;
    if (verbs === undefined) throw pathNotFound();
    if (!verbs.includes(verb)) throw methodNotAllowed(resource, verb);
    if (resource.bucket === '/endpoints') request.context.warnings.push(ENDPOINTS_DEPRECATED);
    if (resource.custom?.deprecationWarning !== undefined)
      request.context.warnings.push(resource.custom.deprecationWarning);
    return resource;
  }

  authorize(request: RequestInfo, verb: string): void {
    const { ref, name, subresource, context } = request;
    // A namespace is authorized as if it were in itself, so that its administrators may read it.
    const namespace = ref.plural === 'namespaces' && ref.group === '' && name !== '' ? name : request.namespace;
    const attributes = { user: context.user, verb, ...ref, subresource, namespace, name };
    const reason = this.#authorizer.deny(attributes);
    if (reason === undefined) return;
    throw forbidden({ group: ref.group, plural: ref.plural }, name, deniedText(attributes, reason));
  }

  async get(request: RequestInfo): Promise<KubeObject> {
    const resource = this.resolve(request, 'get');
    const special = this.#special.get(request, resource);
    if (special !== undefined) return special;
    const stored = this.machinery.store.get(resource.bucket, idOf(request.namespace, request.name));
    if (stored === undefined) throw notFound(resource, request.name);
    return toRequested(resource, stored);
  }

  async list(request: RequestInfo, options: ListOptions): Promise<KubeList> {
    const resource = this.resolve(request, 'list');
    return listObjects(this.machinery, resource, { ...options, namespace: request.namespace });
  }

  async watch(
    request: RequestInfo,
    options: WatchOptions,
    sink: { readonly onEvent: (event: WatchEvent) => void; readonly onEnd: () => void },
  ): Promise<WatchHandle> {
    const resource = this.resolve(request, 'watch');
    return startWatch(this.machinery, resource, { ...options, namespace: request.namespace }, sink);
  }

  async create(request: RequestInfo, given: KubeObject): Promise<KubeObject> {
    const resource = this.resolve(request, 'create');
    const special = this.#special.create(request, resource, given);
    if (special !== undefined) return special;
    if (request.subresource !== undefined) throw methodNotAllowed(resource, 'create');
    return createObject(this.machinery, request.context, resource, request.namespace, given);
  }

  async update(request: RequestInfo, given: KubeObject): Promise<{ object: KubeObject; created: boolean }> {
    const resource = this.resolve(request, 'update');
    const special = this.#special.update(request, resource, given);
    if (special !== undefined) return { object: await special, created: false };
    const existed = this.machinery.store.get(resource.bucket, idOf(request.namespace, request.name)) !== undefined;
    if (!existed && resource.createOnUpdate && request.subresource === undefined) this.authorize(request, 'create');
    return {
      object: await updateObject(this.machinery, request.context, { ...request, resource }, given),
      created: !existed,
    };
  }

  async patch(request: RequestInfo, patch: PatchInput): Promise<PatchResult> {
    const resource = this.resolve(request, 'patch');
    const special = this.#special.patch(request, resource, patch);
    if (special !== undefined) return { object: await special, created: false };
    const missing = this.machinery.store.get(resource.bucket, idOf(request.namespace, request.name)) === undefined;
    if (missing && patch.type === 'apply') this.authorize(request, 'create');
    return patchObject(this.machinery, request.context, { ...request, resource }, patch);
  }

  async delete(request: RequestInfo, options: DeleteOptions): Promise<DeleteResult> {
    const resource = this.resolve(request, 'delete');
    return deleteObject(this.machinery, request.context, { ...request, resource }, options);
  }

  /** Deletes what the list options select; answers with the list of what was there. */
  async deleteCollection(request: RequestInfo, listOptions: ListOptions, options: DeleteOptions): Promise<KubeList> {
    const resource = this.resolve(request, 'deletecollection');
    const list = listObjects(this.machinery, resource, { ...listOptions, namespace: request.namespace });
    const deleted: KubeObject[] = [];
    for (const item of list.items) {
      const target = { resource, namespace: item.metadata.namespace, name: item.metadata.name ?? '' };
      const { body } = await deleteObject(this.machinery, request.context, target, { ...options });
      deleted.push(body.kind === 'Status' ? item : (body as KubeObject));
    }
    return { ...list, items: deleted };
  }
}

/** The sentence that a denied client reads after "is forbidden: ". */
export function deniedText(attributes: AuthorizationAttributes, reason: string): string {
  const { user, verb, group, plural, subresource, namespace } = attributes;
  const what = subresource === undefined || subresource === '' ? plural : `${plural}/${subresource}`;
  const where = namespace === undefined ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`;
  const text = `User ${JSON.stringify(user.username)} cannot ${verb} resource ${JSON.stringify(what)} in API group ${JSON.stringify(group)} ${where}`;
  return reason === '' ? text : `${text}: ${reason}`;
}

/** Checks a body of another kind than the resource's (TokenRequest, Scale, Eviction). */
export function checkBodyKind(table: ResourceTable, resource: Resource, subresource: string, given: KubeObject): void {
  const sub = resource.subresources.find((one) => one.name === subresource);
  if (sub === undefined || asObject(given) === undefined) throw pathNotFound();
  checkTypeMeta(
    { ...resource, kind: sub.kind, group: sub.group ?? resource.group, version: sub.version ?? resource.version },
    given,
    table,
  );
}
