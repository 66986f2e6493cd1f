/**
 * An API server's behaviour in memory, for tests of controllers: resource versions, optimistic
 * concurrency, watches with history, status subresources, generations, finalizers, garbage collection by owner,
 * a plain reading of server-side apply, and faults on demand. It validates nothing about content.
 */
import { randomUUID } from 'node:crypto';
import type {
  ApplyOptions,
  DeleteOptions,
  KubeClient,
  ListOptions,
  ListResult,
  Patch,
  RawRequest,
  RawResponse,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from '../client.ts';
import { KubeError } from '../errors.ts';
import type { KubeErrorCode } from '../errors.ts';
import { apiVersionOf, resourceName } from '../kinds.ts';
import type { ResourceKind } from '../kinds.ts';
import { keyOf } from '../object.ts';
import type { KubeObject, ObjectMeta, ObjectRef } from '../object.ts';
import { matchesSelector, parseSelector } from '../selector.ts';
import { ApplyLedger } from './apply-ledger.ts';
import { jsonPatch, mergePatch } from './patches.ts';
import { Subscription } from './subscription.ts';

export type FakeVerb = 'get' | 'list' | 'watch' | 'create' | 'replace' | 'apply' | 'patch' | 'delete' | 'raw';

/** One call as a test sees it. */
export interface FakeCall {
  readonly verb: FakeVerb;
  readonly resource: string;
  readonly key: string;
}

export interface FakeFault {
  /** Which calls fail; all when absent. */
  readonly match?: (call: FakeCall) => boolean;
  readonly code: KubeErrorCode;
  readonly status?: number;
  readonly message?: string;
}

/** Answers one `raw` request, or leaves it to the next. */
export type FakeRawAnswer = (path: string, request: RawRequest) => RawResponse | undefined;

type Stored = KubeObject & Record<string, unknown>;

interface Table {
  readonly kind: ResourceKind;
  readonly objects: Map<string, Stored>;
}

interface Logged {
  readonly version: number;
  readonly resource: string;
  readonly type: 'added' | 'modified' | 'deleted';
  readonly object: Stored;
  readonly previous: Stored | undefined;
}

export interface FakeApiOptions {
  /** How many changes a watch can look back; older versions are `gone`. */
  readonly historyMax?: number;
}

const DEFAULT_HISTORY_MAX = 10_000;
/** Verbs that change state: what `writes` counts. */
const WRITES: ReadonlySet<FakeVerb> = new Set(['create', 'replace', 'apply', 'patch', 'delete']);

export class FakeApi {
  readonly #tables = new Map<string, Table>();
  readonly #history: Logged[] = [];
  readonly #historyMax: number;
  readonly #watches = new Map<Subscription<WatchEvent<Stored>>, (change: Logged) => WatchEvent<Stored> | undefined>();
  readonly #ledger = new ApplyLedger();
  readonly #faults = new Set<FakeFault>();
  readonly #raw = new Set<FakeRawAnswer>();
  #version = 0;
  #down = false;
  #delayMs = 0;
  /** Every call that reached the API, faulty ones included. */
  readonly calls: FakeCall[] = [];

  constructor(options: FakeApiOptions = {}) {
    this.#historyMax = options.historyMax ?? DEFAULT_HISTORY_MAX;
  }

  /** A client like any other. Several may share the API. */
  client(): KubeClient {
    return new FakeClient(this);
  }

  /** Calls that change state so far. */
  get writes(): number {
    return this.calls.filter((call) => WRITES.has(call.verb)).length;
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  /** As if the process were gone: calls fail as `unreachable`, watches break. */
  goDown(): void {
    this.#down = true;
    this.breakWatches();
  }

  comeBack(): void {
    this.#down = false;
  }

  /** Each call waits this long first. */
  set delayMs(value: number) {
    this.#delayMs = value;
  }

  /** Ends all watches with a broken connection. */
  breakWatches(): void {
    for (const watch of this.#watches.keys()) watch.fail(unreachable('watch'));
  }

  /** Forgets the history: running watches end, and older versions are `gone`. */
  compact(): void {
    this.#history.length = 0;
    this.#version += 1;
    for (const watch of this.#watches.keys()) watch.end();
  }

  /** Sends every watch a bookmark. */
  bookmark(): void {
    for (const watch of this.#watches.keys()) watch.push({ type: 'bookmark', resourceVersion: String(this.#version) });
  }

  /** Adds a fault; dispose the result to lift it. */
  fault(fault: FakeFault): Disposable {
    this.#faults.add(fault);
    return { [Symbol.dispose]: () => this.#faults.delete(fault) };
  }

  /** Puts an object in as an administrator would: creates, or replaces whatever is there, status included. Not counted as a call. */
  seed<T extends KubeObject>(kind: ResourceKind<T>, object: T): T {
    const table = this.#table(kind);
    const current = table.objects.get(keyOf(object.metadata));
    return (current === undefined
      ? this.create(kind, object)
      : this.#store(table, current, object as unknown as Stored)) as unknown as T;
  }

  /** Answers `raw` requests; those that it leaves to others (undefined) get the default answers. Dispose the result to lift it. */
  onRaw(answer: FakeRawAnswer): Disposable {
    this.#raw.add(answer);
    return { [Symbol.dispose]: () => this.#raw.delete(answer) };
  }

  raw(path: string, request: RawRequest): RawResponse {
    for (const answer of [...this.#raw].toReversed()) {
      const response = answer(path, request);
      if (response !== undefined) return response;
    }
    return { status: 200, text: path === '/version' ? '{"major":"1","minor":"34","gitVersion":"v1.34.0"}' : 'ok' };
  }

  /** Reads without a call. */
  peek<T extends KubeObject>(kind: ResourceKind<T>, key: string): T | undefined {
    return this.#table(kind).objects.get(key) as T | undefined;
  }

  peekAll<T extends KubeObject>(kind: ResourceKind<T>): readonly T[] {
    return [...this.#table(kind).objects.values()] as unknown as T[];
  }

  /** Removes as an administrator would, finalizers honoured. Not counted as a call. */
  remove(kind: ResourceKind, key: string): void {
    const table = this.#table(kind);
    const object = table.objects.get(key);
    if (object !== undefined) this.#delete(table, object);
  }

  /** Applies delay, outage and faults, and records the call. */
  async admit(
    verb: FakeVerb,
    kind: ResourceKind | undefined,
    key: string,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    signal?.throwIfAborted();
    const call: FakeCall = { verb, resource: kind === undefined ? '' : resourceName(kind), key };
    this.calls.push(call);
    if (this.#delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.#delayMs));
    else await Promise.resolve();
    signal?.throwIfAborted();
    const object = `${call.resource} ${key}`.trim();
    if (this.#down) throw unreachable(object);
    for (const fault of this.#faults) {
      if (fault.match?.(call) === false) continue;
      throw new KubeError(
        { code: fault.code, object, status: fault.status ?? 0 },
        `${object}: ${fault.message ?? `injected ${fault.code}`}`,
      );
    }
  }

  list<T extends KubeObject>(kind: ResourceKind<T>, options: ListOptions): ListResult<T> {
    const matches = filterOf(options);
    const items = [...this.#table(kind).objects.values()].filter(matches) as unknown as T[];
    return { items, resourceVersion: String(this.#version) };
  }

  watch<T extends KubeObject>(kind: ResourceKind<T>, options: WatchOptions): Subscription<WatchEvent<T>> {
    const from = Number(options.resourceVersion);
    const oldest = this.#history[0]?.version ?? this.#version + 1;
    if (!Number.isFinite(from) || (from < this.#version && from < oldest - 1)) {
      throw new KubeError(
        { code: 'gone', object: resourceName(kind), status: 410 },
        `${resourceName(kind)}: too old resource version`,
      );
    }
    const resource = resourceName(kind);
    const matches = filterOf(options);
    const translate = (change: Logged): WatchEvent<Stored> | undefined => {
      if (change.resource !== resource) return undefined;
      return selectorView(change, matches);
    };
    const subscription: Subscription<WatchEvent<Stored>> = new Subscription(() => this.#watches.delete(subscription));
    this.#watches.set(subscription, translate);
    for (const change of this.#history) {
      if (change.version <= from) continue;
      const event = translate(change);
      if (event !== undefined) subscription.push(event);
    }
    return subscription as unknown as Subscription<WatchEvent<T>>;
  }

  create<T extends KubeObject>(kind: ResourceKind<T>, object: T): T {
    const table = this.#table(kind);
    const name =
      object.metadata.name === '' && object.metadata.generateName !== undefined
        ? object.metadata.generateName + randomUUID().slice(0, 5)
        : object.metadata.name;
    const key = keyOf({ namespace: object.metadata.namespace, name });
    if (table.objects.has(key)) throw failure('already_exists', 409, kind, key, 'already exists');
    const metadata: ObjectMeta = {
      ...object.metadata,
      name,
      uid: randomUUID(),
      generation: 1,
      creationTimestamp: new Date().toISOString(),
    };
    return this.#store(table, undefined, { ...object, metadata } as unknown as Stored) as unknown as T;
  }

  replace<T extends KubeObject>(kind: ResourceKind<T>, object: T, subresource: 'status' | undefined): T {
    const table = this.#table(kind);
    const key = keyOf(object.metadata);
    const current = table.objects.get(key);
    if (current === undefined) throw failure('not_found', 404, kind, key, 'not found');
    const { resourceVersion, uid } = object.metadata;
    if (resourceVersion !== undefined && resourceVersion !== current.metadata.resourceVersion) {
      throw failure('conflict', 409, kind, key, 'the object has been modified; read it again');
    }
    if (uid !== undefined && uid !== current.metadata.uid)
      throw failure('conflict', 409, kind, key, 'precondition failed: uid differs');
    return this.#store(
      table,
      current,
      mergeSubresource(current, object as unknown as Stored, subresource),
    ) as unknown as T;
  }

  apply<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: T,
    options: ApplyOptions,
    subresource: 'status' | undefined,
  ): T {
    const table = this.#table(kind);
    const key = keyOf(object.metadata);
    const current = table.objects.get(key);
    const id = `${resourceName(kind)} ${key}${subresource === undefined ? '' : '/status'}`;
    const { resourceVersion, uid } = object.metadata;
    if (current === undefined && (resourceVersion !== undefined || uid !== undefined)) {
      throw failure('conflict', 409, kind, key, 'precondition failed: there is no such object');
    }
    if (current !== undefined && uid !== undefined && uid !== current.metadata.uid) {
      throw failure('conflict', 409, kind, key, 'precondition failed: uid differs');
    }
    if (
      current !== undefined &&
      resourceVersion !== undefined &&
      resourceVersion !== current.metadata.resourceVersion
    ) {
      throw failure('conflict', 409, kind, key, 'the object has been modified; read it again');
    }
    const merged = this.#ledger.apply(id, current, object, options);
    if ('conflicts' in merged) {
      throw failure('conflict', 409, kind, key, `Apply failed with conflicts: ${merged.conflicts.join(', ')}`);
    }
    if (current === undefined) return this.create(kind, merged.object as unknown as T);
    return this.#store(table, current, mergeSubresource(current, merged.object as Stored, subresource)) as unknown as T;
  }

  patch<T extends KubeObject>(kind: ResourceKind<T>, key: string, patch: Patch): T {
    const table = this.#table(kind);
    const current = table.objects.get(key);
    if (current === undefined) throw failure('not_found', 404, kind, key, 'not found');
    const patched = (
      patch.type === 'json' ? jsonPatch(current, patch.body) : mergePatch(current, patch.body)
    ) as Stored;
    if (patched.metadata.resourceVersion !== current.metadata.resourceVersion) {
      throw failure('conflict', 409, kind, key, 'the object has been modified; read it again');
    }
    const subresource = patch.subresource === 'status' ? 'status' : undefined;
    return this.#store(table, current, mergeSubresource(current, patched, subresource)) as unknown as T;
  }

  delete(kind: ResourceKind, key: string, options: DeleteOptions): void {
    const table = this.#table(kind);
    const object = table.objects.get(key);
    if (object === undefined) throw failure('not_found', 404, kind, key, 'not found');
    const wanted = options.preconditions;
    const mismatch =
      (wanted?.uid !== undefined && wanted.uid !== object.metadata.uid) ||
      (wanted?.resourceVersion !== undefined && wanted.resourceVersion !== object.metadata.resourceVersion);
    if (mismatch) throw failure('conflict', 409, kind, key, 'precondition failed');
    this.#delete(table, object);
  }

  #table(kind: ResourceKind): Table {
    const name = resourceName(kind);
    let table = this.#tables.get(name);
    if (table === undefined) {
      table = { kind, objects: new Map() };
      this.#tables.set(name, table);
    }
    return table;
  }

  #store(table: Table, current: Stored | undefined, wanted: Stored): Stored {
    const generation = current?.metadata.generation ?? 0;
    const specChanged = !sameJson(current?.['spec'], wanted['spec']);
    const candidate: Stored = {
      ...wanted,
      apiVersion: apiVersionOf(table.kind),
      kind: table.kind.kind,
      metadata: {
        ...wanted.metadata,
        ...(current === undefined ? {} : immutableMeta(current.metadata)),
        generation: specChanged ? generation + 1 : generation,
        resourceVersion: current?.metadata.resourceVersion ?? '',
      },
    };
    // A write that changes nothing makes no new version, as in the real API.
    if (current !== undefined && sameJson(current, candidate)) return current;
    this.#version += 1;
    const stored: Stored = {
      ...candidate,
      metadata: { ...candidate.metadata, resourceVersion: String(this.#version) },
    };
    const freed = stored.metadata.deletionTimestamp !== undefined && (stored.metadata.finalizers ?? []).length === 0;
    if (freed) {
      this.#drop(table, stored);
      return stored;
    }
    table.objects.set(keyOf(stored.metadata), stored);
    this.#log({
      version: this.#version,
      resource: resourceName(table.kind),
      type: current === undefined ? 'added' : 'modified',
      object: stored,
      previous: current,
    });
    return stored;
  }

  #delete(table: Table, object: Stored): void {
    if ((object.metadata.finalizers ?? []).length > 0) {
      if (object.metadata.deletionTimestamp !== undefined) return;
      this.#version += 1;
      const marked: Stored = {
        ...object,
        metadata: {
          ...object.metadata,
          deletionTimestamp: new Date().toISOString(),
          resourceVersion: String(this.#version),
        },
      };
      table.objects.set(keyOf(object.metadata), marked);
      this.#log({
        version: this.#version,
        resource: resourceName(table.kind),
        type: 'modified',
        object: marked,
        previous: object,
      });
      return;
    }
    this.#version += 1;
    this.#drop(table, { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } });
  }

  #drop(table: Table, object: Stored): void {
    table.objects.delete(keyOf(object.metadata));
    this.#ledger.forget(`${resourceName(table.kind)} ${keyOf(object.metadata)}`);
    this.#log({
      version: this.#version,
      resource: resourceName(table.kind),
      type: 'deleted',
      object,
      previous: object,
    });
    // Garbage collection: what the object owned goes too.
    const uid = object.metadata.uid;
    for (const other of this.#tables.values()) {
      for (const owned of other.objects.values()) {
        if (owned.metadata.ownerReferences?.some((owner) => owner.uid === uid) === true) this.#delete(other, owned);
      }
    }
  }

  #log(change: Logged): void {
    this.#history.push(change);
    if (this.#history.length > this.#historyMax) this.#history.splice(0, this.#history.length - this.#historyMax);
    for (const [watch, translate] of this.#watches) {
      const event = translate(change);
      if (event !== undefined) watch.push(event);
    }
  }
}

class FakeClient implements KubeClient {
  readonly server = 'https://fake.invalid';
  readonly #api: FakeApi;
  readonly #closed = new AbortController();

  constructor(api: FakeApi) {
    this.#api = api;
  }

  [Symbol.dispose](): void {
    this.#closed.abort();
  }

  async get<T extends KubeObject>(kind: ResourceKind<T>, ref: ObjectRef, signal?: AbortSignal): Promise<T | undefined> {
    await this.#api.admit('get', kind, keyOf(ref), signal);
    return this.#api.peek(kind, keyOf(ref));
  }

  async list<T extends KubeObject>(kind: ResourceKind<T>, options: ListOptions = {}): Promise<ListResult<T>> {
    await this.#api.admit('list', kind, options.namespace ?? '', options.signal);
    return this.#api.list(kind, options);
  }

  async *watch<T extends KubeObject>(kind: ResourceKind<T>, options: WatchOptions): AsyncGenerator<WatchEvent<T>> {
    await this.#api.admit('watch', kind, options.namespace ?? '', options.signal);
    const subscription = this.#api.watch(kind, options);
    const stop = (): void => subscription.fail(options.signal?.reason ?? new Error('client closed'));
    options.signal?.addEventListener('abort', stop, { once: true });
    this.#closed.signal.addEventListener('abort', stop, { once: true });
    try {
      yield* subscription;
    } finally {
      options.signal?.removeEventListener('abort', stop);
      this.#closed.signal.removeEventListener('abort', stop);
      subscription.end();
    }
  }

  async create<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: WriteOptions = {}): Promise<T> {
    await this.#api.admit('create', kind, keyOf(object.metadata), options.signal);
    return this.#api.create(kind, structuredClone(object));
  }

  async replace<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: WriteOptions = {}): Promise<T> {
    await this.#api.admit('replace', kind, keyOf(object.metadata), options.signal);
    return this.#api.replace(kind, structuredClone(object), undefined);
  }

  async replaceStatus<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: WriteOptions = {}): Promise<T> {
    await this.#api.admit('replace', kind, keyOf(object.metadata), options.signal);
    return this.#api.replace(kind, structuredClone(object), 'status');
  }

  async apply<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: ApplyOptions): Promise<T> {
    await this.#api.admit('apply', kind, keyOf(object.metadata), options.signal);
    return this.#api.apply(kind, structuredClone(object), options, undefined);
  }

  async applyStatus<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: ApplyOptions): Promise<T> {
    await this.#api.admit('apply', kind, keyOf(object.metadata), options.signal);
    return this.#api.apply(kind, structuredClone(object), options, 'status');
  }

  async patch<T extends KubeObject>(
    kind: ResourceKind<T>,
    ref: ObjectRef,
    patch: Patch,
    options: WriteOptions = {},
  ): Promise<T> {
    await this.#api.admit('patch', kind, keyOf(ref), options.signal);
    return this.#api.patch(kind, keyOf(ref), structuredClone(patch));
  }

  async delete(kind: ResourceKind, ref: ObjectRef, options: DeleteOptions = {}): Promise<boolean> {
    await this.#api.admit('delete', kind, keyOf(ref), options.signal);
    if (this.#api.peek(kind, keyOf(ref)) === undefined) return false;
    this.#api.delete(kind, keyOf(ref), options);
    return true;
  }

  async raw(path: string, request: RawRequest = {}): Promise<RawResponse> {
    await this.#api.admit('raw', undefined, path, request.signal);
    return this.#api.raw(path, request);
  }
}

/** With a selector, an object that begins or ceases to match appears or disappears. */
function selectorView(change: Logged, matches: (object: Stored) => boolean): WatchEvent<Stored> | undefined {
  const before = change.previous !== undefined && matches(change.previous);
  const after = change.type !== 'deleted' && matches(change.object);
  if (after) return { type: before ? 'modified' : 'added', object: change.object };
  return before ? { type: 'deleted', object: change.object } : undefined;
}

function filterOf(options: ListOptions): (object: Stored) => boolean {
  const selector = parseSelector(options.labelSelector ?? '');
  if ('problem' in selector)
    throw new KubeError({ code: 'invalid', object: 'labelSelector', status: 400 }, selector.problem);
  const fields = (options.fieldSelector ?? '').split(',').filter((term) => term !== '');
  return (object) =>
    (options.namespace === undefined || object.metadata.namespace === options.namespace) &&
    matchesSelector(selector, object.metadata.labels) &&
    fields.every((term) => {
      const [path = '', value = ''] = term.split(/==?/);
      return (
        String(
          path.split('.').reduce<unknown>((node, key) => (node as Record<string, unknown> | undefined)?.[key], object),
        ) === value
      );
    });
}

/** Status changes only through its subresource, everything else only beside it. */
function mergeSubresource(current: Stored, wanted: Stored, subresource: 'status' | undefined): Stored {
  if (subresource === 'status') return { ...current, status: wanted['status'] };
  const { status: _ignored, ...rest } = wanted;
  return current['status'] === undefined ? rest : { ...rest, status: current['status'] };
}

function immutableMeta(meta: ObjectMeta): Partial<ObjectMeta> {
  const { uid, creationTimestamp, deletionTimestamp } = meta;
  return {
    ...(uid === undefined ? {} : { uid }),
    ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
  };
}

function failure(code: KubeErrorCode, status: number, kind: ResourceKind, key: string, message: string): KubeError {
  const object = `${resourceName(kind)} ${key}`;
  return new KubeError({ code, object, status }, `${object}: ${message}`);
}

function unreachable(object: string): KubeError {
  return new KubeError(
    { code: 'unreachable', object, status: 0 },
    `${object}: the API server cannot be reached: connection refused`,
  );
}

function sameJson(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_key, node: unknown) =>
      typeof node === 'object' && node !== null && !Array.isArray(node)
        ? Object.fromEntries(Object.entries(node).sort(([a], [b]) => (a < b ? -1 : 1)))
        : node,
    ) ?? 'undefined'
  );
}
