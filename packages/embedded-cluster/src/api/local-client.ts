/** The API in the same process: the operations of the HTTPS door without bytes in between. */
import { asString, cloneJson } from './json.ts';
import type { ApiOperations, RequestInfo } from './operations.ts';
import type {
  ClusterClient,
  DeleteOptions,
  KubeList,
  KubeObject,
  ListOptions,
  PatchRequest,
  ResourceRef,
  Status,
  UserInfo,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from './types.ts';

export interface LocalClientOptions {
  readonly user: UserInfo;
  /** The field manager of writes that name none. */
  readonly manager: string;
}

export class LocalClient implements ClusterClient {
  readonly #operations: ApiOperations;
  readonly #options: LocalClientOptions;

  constructor(operations: ApiOperations, options: LocalClientOptions) {
    this.#operations = operations;
    this.#options = options;
  }

  async get(kind: ResourceRef, namespace: string | undefined, name: string, subresource?: string): Promise<KubeObject> {
    return cloneJson(await this.#operations.get(this.#request(kind, namespace, name, { subresource })));
  }

  async list(kind: ResourceRef, options: ListOptions = {}): Promise<KubeList> {
    const list = await this.#operations.list(this.#request(kind, options.namespace, ''), options);
    return { ...list, items: list.items.map(cloneJson) };
  }

  async watch(
    kind: ResourceRef,
    options: WatchOptions,
    onEvent: (event: WatchEvent) => void,
    signal: AbortSignal,
  ): Promise<void> {
    if (signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const handle = await this.#operations.watch(this.#request(kind, options.namespace, ''), options, {
      onEvent: (event) => onEvent({ type: event.type, object: cloneJson(event.object) }),
      onEnd: resolve,
    });
    const onAbort = (): void => {
      handle.stop();
      resolve();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    await promise;
    signal.removeEventListener('abort', onAbort);
  }

  async create(kind: ResourceRef, object: KubeObject, options: WriteOptions = {}): Promise<KubeObject> {
    const name = options.subresource === undefined ? '' : (object.metadata?.name ?? '');
    const request = this.#request(kind, asString(object.metadata?.namespace), name, options);
    return cloneJson(await this.#operations.create(request, object));
  }

  async update(kind: ResourceRef, object: KubeObject, options: WriteOptions = {}): Promise<KubeObject> {
    const request = this.#request(kind, asString(object.metadata.namespace), object.metadata.name ?? '', options);
    return cloneJson((await this.#operations.update(request, object)).object);
  }

  updateStatus(kind: ResourceRef, object: KubeObject, options: WriteOptions = {}): Promise<KubeObject> {
    return this.update(kind, object, { ...options, subresource: 'status' });
  }

  async patch(
    kind: ResourceRef,
    namespace: string | undefined,
    name: string,
    patch: PatchRequest,
  ): Promise<KubeObject> {
    const request = this.#request(kind, namespace, name, patch);
    const input = { type: patch.type, body: patch.body, force: patch.force === true };
    return cloneJson((await this.#operations.patch(request, input)).object);
  }

  async delete(
    kind: ResourceRef,
    namespace: string | undefined,
    name: string,
    options: DeleteOptions = {},
  ): Promise<KubeObject | Status> {
    const request = this.#request(kind, namespace, name, { dryRun: options.dryRun?.includes('All') === true });
    return cloneJson((await this.#operations.delete(request, { ...options })).body);
  }

  #request(kind: ResourceRef, namespace: string | undefined, name: string, options: WriteOptions = {}): RequestInfo {
    return {
      ref: kind,
      namespace: namespace === '' ? undefined : namespace,
      name,
      subresource: options.subresource,
      context: {
        user: this.#options.user,
        manager: options.fieldManager ?? this.#options.manager,
        dryRun: options.dryRun === true,
        fieldValidation: 'Strict',
        warnings: [],
      },
    };
  }
}
