/** Routes the operations that aren't plain storage to those who serve them. */
import type { PatchInput } from './patch.ts';
import type { RequestInfo, SpecialOperations } from './operations.ts';
import type { Resource } from './resources.ts';
import type { KubeObject } from './types.ts';

type Creator = (request: RequestInfo, resource: Resource, given: KubeObject) => Promise<KubeObject>;

export interface SpecialHandler {
  readonly create?: Creator;
  readonly get?: (request: RequestInfo, resource: Resource) => Promise<KubeObject>;
  readonly update?: Creator;
  readonly patch?: (request: RequestInfo, resource: Resource, patch: PatchInput) => Promise<KubeObject>;
}

/** Handlers by `bucket`, `bucket:subresource` or `*:subresource`. */
export class SpecialTable implements SpecialOperations {
  readonly #handlers = new Map<string, SpecialHandler>();

  set(key: string, handler: SpecialHandler): void {
    this.#handlers.set(key, handler);
  }

  create(request: RequestInfo, resource: Resource, given: KubeObject): Promise<KubeObject> | undefined {
    return this.#find(request, resource)?.create?.(request, resource, given);
  }

  get(request: RequestInfo, resource: Resource): Promise<KubeObject> | undefined {
    return this.#find(request, resource)?.get?.(request, resource);
  }

  update(request: RequestInfo, resource: Resource, given: KubeObject): Promise<KubeObject> | undefined {
    return this.#find(request, resource)?.update?.(request, resource, given);
  }

  patch(request: RequestInfo, resource: Resource, patch: PatchInput): Promise<KubeObject> | undefined {
    return this.#find(request, resource)?.patch?.(request, resource, patch);
  }

  #find(request: RequestInfo, resource: Resource): SpecialHandler | undefined {
    const sub = request.subresource;
    if (sub === undefined) return this.#handlers.get(resource.bucket);
    return this.#handlers.get(`${resource.bucket}:${sub}`) ?? this.#handlers.get(`*:${sub}`);
  }
}
