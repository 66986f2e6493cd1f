/**
 * Kills a controller after each of its API writes in turn, starts it again, and demands the same end state every time.
 *
 *   run 0   no crash             gives the state that all others must reach
 *   run n   dies right after its n-th write was stored, before it hears of it; a new process takes over
 *   ...     until a run ends with fewer writes than that
 *
 * The dead process keeps its timers for a moment, but its client refuses every call from the crash on, and its watches break: it
 * writes nothing more. Leases and Events are not counted (they come by time and on the side), and the dead one's Lease is taken away so
 * that nobody waits for its end.
 */
import assert from 'node:assert/strict';
import { KubeError, LEASES } from '@mesh/kube';
import type {
  ApplyOptions,
  DeleteOptions,
  KubeClient,
  KubeObject,
  ListOptions,
  ListResult,
  ObjectRef,
  Patch,
  RawRequest,
  RawResponse,
  ResourceKind,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import type { FakeApi } from '@mesh/kube/testing';

/** What is killed: `Mirror`, or a part of it. */
export interface Killable extends AsyncDisposable {
  /** Nothing to do at the moment. */
  readonly idle: boolean;
}

export interface CrashScenario<W extends AsyncDisposable> {
  /** Everything before the process starts; made anew for each run. */
  readonly world: () => W | Promise<W>;
  /** The API whose writes are counted. */
  readonly api: (world: W) => FakeApi;
  /** Starts a process whose own cluster is behind `client`. Called again after the crash. */
  readonly start: (world: W, client: KubeClient) => Promise<Killable>;
  /** What happens meanwhile. It may wait for what the process does: after a crash another one does it. */
  readonly act?: (world: W) => Promise<void>;
  /** What must be the same in the end; see {@link stateOf}. */
  readonly state: (world: W) => unknown;
}

/** A scenario with more writes is too long to be run once per write. */
const RUNS_MAX = 300;
/** The end is reached when nothing was written for this long while nothing waits. */
const QUIET_MS = 300;
const NOT_COUNTED: ReadonlySet<string> = new Set(['leases', 'events']);

/** @returns how many crashes were survived. @throws AssertionError with the difference, and after which write. */
export async function crashAfterEachWrite<W extends AsyncDisposable>(scenario: CrashScenario<W>): Promise<number> {
  const reference = await run(scenario, Infinity, undefined);
  for (let writes = 1; writes <= RUNS_MAX; writes += 1) {
    const { crashed } = await run(scenario, writes, reference.state);
    if (!crashed) return writes - 1;
  }
  throw new Error(`the scenario has more than ${RUNS_MAX} writes: make it smaller`);
}

async function run<W extends AsyncDisposable>(
  scenario: CrashScenario<W>,
  writesMax: number,
  wanted: unknown,
): Promise<{ readonly crashed: boolean; readonly state: unknown }> {
  await using world = await scenario.world();
  await using processes = new AsyncDisposableStack();
  const api = scenario.api(world);
  const client = new CrashingClient(api.client(), writesMax);
  const first = scenario.start(world, client).then((process) => processes.use(process));
  let current = first;
  const replaced = client.crashed.then(async () => {
    // The dead one's disposal belongs to the stack: here only its absence matters.
    await first.catch(() => undefined);
    for (const lease of api.peekAll(LEASES)) api.remove(LEASES, `${lease.metadata.namespace}/${lease.metadata.name}`);
    current = scenario.start(world, api.client()).then((process) => processes.use(process));
    await current;
  });
  // Awaited below; a scenario that fails first must not leave it unheard.
  replaced.catch(() => undefined);
  if (writesMax === Infinity) await first;
  await scenario.act?.(world);
  const label = `crash after write ${writesMax}`;
  if (wanted === undefined) {
    await atRest(api, () => current);
    return { crashed: false, state: scenario.state(world) };
  }
  // A run may come to the wanted state and write on: only at rest it is over.
  await eventually(`${label}: at rest in the wanted state`, async () => {
    if (client.isDead) await replaced;
    await atRest(api, () => current);
    assert.deepEqual(scenario.state(world), wanted);
    return true;
  });
  return { crashed: client.isDead, state: wanted };
}

async function atRest(api: FakeApi, current: () => Promise<Killable>): Promise<void> {
  let writes = -1;
  let sinceMs = performance.now();
  await eventually('at rest', async () => {
    const count = countedWrites(api);
    const { idle } = await current();
    if (count !== writes || !idle) {
      writes = count;
      sinceMs = performance.now();
    }
    return performance.now() - sinceMs > QUIET_MS;
  });
}

function countedWrites(api: FakeApi): number {
  return api.calls.filter(({ verb, resource }) => WRITE_VERBS.has(verb) && !NOT_COUNTED.has(shortName(resource)))
    .length;
}

const WRITE_VERBS: ReadonlySet<string> = new Set(['create', 'replace', 'apply', 'patch', 'delete']);

function shortName(resource: string): string {
  return resource.split('.')[0] ?? '';
}

/** Lets a number of writes through; the one that reaches it is stored, but its caller and all later ones are refused. */
class CrashingClient implements KubeClient {
  readonly server: string;
  readonly #inner: KubeClient;
  readonly #dead = new AbortController();
  readonly #crash = Promise.withResolvers<void>();
  #left: number;

  constructor(inner: KubeClient, writesMax: number) {
    this.server = inner.server;
    this.#inner = inner;
    this.#left = writesMax;
  }

  get isDead(): boolean {
    return this.#dead.signal.aborted;
  }

  get crashed(): Promise<void> {
    return this.#crash.promise;
  }

  [Symbol.dispose](): void {
    this.#inner[Symbol.dispose]();
  }

  get<T extends KubeObject>(kind: ResourceKind<T>, ref: ObjectRef, signal?: AbortSignal): Promise<T | undefined> {
    return this.#read(() => this.#inner.get(kind, ref, signal));
  }

  list<T extends KubeObject>(kind: ResourceKind<T>, options?: ListOptions): Promise<ListResult<T>> {
    return this.#read(() => this.#inner.list(kind, options));
  }

  async *watch<T extends KubeObject>(kind: ResourceKind<T>, options: WatchOptions): AsyncGenerator<WatchEvent<T>> {
    this.#check();
    const { signal } = options;
    const either = signal === undefined ? this.#dead.signal : AbortSignal.any([signal, this.#dead.signal]);
    for await (const event of this.#inner.watch(kind, { ...options, signal: either })) {
      this.#check();
      yield event;
    }
    this.#check();
  }

  create<T extends KubeObject>(kind: ResourceKind<T>, object: T, options?: WriteOptions): Promise<T> {
    return this.#write(kind, () => this.#inner.create(kind, object, options));
  }

  replace<T extends KubeObject>(kind: ResourceKind<T>, object: T, options?: WriteOptions): Promise<T> {
    return this.#write(kind, () => this.#inner.replace(kind, object, options));
  }

  replaceStatus<T extends KubeObject>(kind: ResourceKind<T>, object: T, options?: WriteOptions): Promise<T> {
    return this.#write(kind, () => this.#inner.replaceStatus(kind, object, options));
  }

  apply<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: ApplyOptions): Promise<T> {
    return this.#write(kind, () => this.#inner.apply(kind, object, options));
  }

  applyStatus<T extends KubeObject>(kind: ResourceKind<T>, object: T, options: ApplyOptions): Promise<T> {
    return this.#write(kind, () => this.#inner.applyStatus(kind, object, options));
  }

  patch<T extends KubeObject>(kind: ResourceKind<T>, ref: ObjectRef, patch: Patch, options?: WriteOptions): Promise<T> {
    return this.#write(kind, () => this.#inner.patch(kind, ref, patch, options));
  }

  delete(kind: ResourceKind, ref: ObjectRef, options?: DeleteOptions): Promise<boolean> {
    return this.#write(kind, () => this.#inner.delete(kind, ref, options));
  }

  raw(path: string, request?: RawRequest): Promise<RawResponse> {
    return this.#read(() => this.#inner.raw(path, request));
  }

  async #read<R>(call: () => Promise<R>): Promise<R> {
    this.#check();
    const result = await call();
    this.#check();
    return result;
  }

  /** Writes that are under way at the crash may still be stored, as in life. */
  async #write<R>(kind: ResourceKind, call: () => Promise<R>): Promise<R> {
    this.#check();
    const result = await call();
    this.#check();
    if (!NOT_COUNTED.has(kind.plural)) {
      this.#left -= 1;
      if (this.#left <= 0) this.#die();
    }
    this.#check();
    return result;
  }

  #die(): void {
    this.#dead.abort(gone());
    this.#crash.resolve();
  }

  #check(): void {
    if (this.isDead) throw gone();
  }
}

function gone(): KubeError {
  return new KubeError({ code: 'unreachable', object: '', status: 0 }, 'the process is dead');
}

/** Fields that differ from run to run although nothing is different. */
const VOLATILE: ReadonlySet<string> = new Set([
  'uid',
  'resourceVersion',
  'generation',
  'observedGeneration',
  'creationTimestamp',
  'lastTransitionTime',
  'renewTime',
  'mirror.linkerd.io/remote-resource-version',
]);

/** All objects of these kinds by `kind namespace/name`, without what differs from run to run. */
export function stateOf(api: FakeApi, kinds: readonly ResourceKind[]): Readonly<Record<string, unknown>> {
  const entries = kinds.flatMap((kind) =>
    api
      .peekAll(kind)
      .map(
        (object) =>
          [`${kind.kind} ${object.metadata.namespace ?? ''}/${object.metadata.name}`, settled(object)] as const,
      ),
  );
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function settled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(settled);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, field]) => !VOLATILE.has(key) && field !== undefined)
      .map(([key, field]) => [key, settled(field)]),
  );
}
