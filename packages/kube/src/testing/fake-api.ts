/**
 * An API server's behaviour in memory, for tests of controllers: resource versions, optimistic
 * concurrency, watches with history, status subresources, generations, finalizers, garbage collection by owner,
 * a plain reading of server-side apply, and faults on demand. It validates nothing about content.
 */
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
} from '../client.ts';
import { KubeError } from '../errors.ts';
import type { KubeErrorCode } from '../errors.ts';
import { resourceName } from '../kinds.ts';
import type { ResourceKind } from '../kinds.ts';
import type { KubeObject } from '../object.ts';
import { ChangeLog } from './change-log.ts';
import { FakeClient } from './fake-client.ts';
import { ObjectStore } from './object-store.ts';
import { unreachable } from './stored-object.ts';
import type { Subscription } from './subscription.ts';

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

export interface FakeApiOptions {
  /** How many changes a watch can look back; older versions are `gone`. */
  readonly historyMax?: number;
}

const DEFAULT_HISTORY_MAX = 10_000;
/** Verbs that change state: what `writes` counts. */
const WRITES: ReadonlySet<FakeVerb> = new Set(['create', 'replace', 'apply', 'patch', 'delete']);

export class FakeApi {
  readonly #log: ChangeLog;
  readonly #store: ObjectStore;
  readonly #faults = new Set<FakeFault>();
  readonly #raw = new Set<FakeRawAnswer>();
  #down = false;
  #delayMs = 0;
  /** Every call that reached the API, faulty ones included. */
  readonly calls: FakeCall[] = [];

  constructor(options: FakeApiOptions = {}) {
    this.#log = new ChangeLog(options.historyMax ?? DEFAULT_HISTORY_MAX);
    this.#store = new ObjectStore(this.#log);
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
    return this.#log.openWatches;
  }

  /** As if the process were gone: calls fail as `unreachable`, watches break. */
  goDown(): void {
    this.#down = true;
    this.#log.breakWatches();
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
    this.#log.breakWatches();
  }

  /** Forgets the history: running watches end, and older versions are `gone`. */
  compact(): void {
    this.#log.compact();
  }

  /** Sends every watch a bookmark. */
  bookmark(): void {
    this.#log.bookmark();
  }

  /** Adds a fault; dispose the result to lift it. */
  fault(fault: FakeFault): Disposable {
    this.#faults.add(fault);
    return { [Symbol.dispose]: () => this.#faults.delete(fault) };
  }

  /** Puts an object in as an administrator would: creates, or replaces whatever is there, status included. Not counted as a call. */
  seed<T extends KubeObject>(kind: ResourceKind<T>, object: T): T {
    return this.#store.seed(kind, object);
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
    return this.#store.peek(kind, key);
  }

  peekAll<T extends KubeObject>(kind: ResourceKind<T>): readonly T[] {
    return this.#store.peekAll(kind);
  }

  /** Removes as an administrator would, finalizers honoured. Not counted as a call. */
  remove(kind: ResourceKind, key: string): void {
    this.#store.remove(kind, key);
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
    return this.#store.list(kind, options);
  }

  watch<T extends KubeObject>(kind: ResourceKind<T>, options: WatchOptions): Subscription<WatchEvent<T>> {
    return this.#log.watch(kind, options);
  }

  create<T extends KubeObject>(kind: ResourceKind<T>, object: T): T {
    return this.#store.create(kind, object);
  }

  replace<T extends KubeObject>(kind: ResourceKind<T>, object: T, subresource: 'status' | undefined): T {
    return this.#store.replace(kind, object, subresource);
  }

  apply<T extends KubeObject>(
    kind: ResourceKind<T>,
    object: T,
    options: ApplyOptions,
    subresource: 'status' | undefined,
  ): T {
    return this.#store.apply(kind, object, options, subresource);
  }

  patch<T extends KubeObject>(kind: ResourceKind<T>, key: string, patch: Patch): T {
    return this.#store.patch(kind, key, patch);
  }

  delete(kind: ResourceKind, key: string, options: DeleteOptions): void {
    this.#store.delete(kind, key, options);
  }
}
