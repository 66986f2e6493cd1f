/**
 * The objects of the fake API and what writing does to them: optimistic concurrency, generations, status apart from the rest, finalizers,
 * garbage collection by owner, and a plain reading of server-side apply.
 */
import { randomUUID } from 'node:crypto';
import type { ApplyOptions, DeleteOptions, ListOptions, ListResult, Patch } from '../client.ts';
import { apiVersionOf, resourceName } from '../kinds.ts';
import type { ResourceKind } from '../kinds.ts';
import { keyOf } from '../object.ts';
import type { KubeObject, ObjectMeta } from '../object.ts';
import { ApplyLedger } from './apply-ledger.ts';
import type { ChangeLog } from './change-log.ts';
import { jsonPatch, mergePatch } from './patches.ts';
import { failure, filterOf, immutableMeta, mergeSubresource, sameJson } from './stored-object.ts';
import type { Stored } from './stored-object.ts';

interface Table {
  readonly kind: ResourceKind;
  readonly objects: Map<string, Stored>;
}

export class ObjectStore {
  readonly #tables = new Map<string, Table>();
  readonly #ledger = new ApplyLedger();
  readonly #log: ChangeLog;

  constructor(log: ChangeLog) {
    this.#log = log;
  }

  /** Puts an object in as an administrator would: creates, or replaces whatever is there, status included. Not counted as a call. */
  seed<T extends KubeObject>(kind: ResourceKind<T>, object: T): T {
    const table = this.#table(kind);
    const current = table.objects.get(keyOf(object.metadata));
    return (current === undefined
      ? this.create(kind, object)
      : this.#write(table, current, object as unknown as Stored)) as unknown as T;
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
    if (object !== undefined) this.#remove(table, object);
  }

  list<T extends KubeObject>(kind: ResourceKind<T>, options: ListOptions): ListResult<T> {
    const matches = filterOf(options);
    const items = [...this.#table(kind).objects.values()].filter(matches) as unknown as T[];
    return { items, resourceVersion: String(this.#log.version) };
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
    return this.#write(table, undefined, { ...object, metadata } as unknown as Stored) as unknown as T;
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
    return this.#write(
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
    return this.#write(table, current, mergeSubresource(current, merged.object as Stored, subresource)) as unknown as T;
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
    return this.#write(table, current, mergeSubresource(current, patched, subresource)) as unknown as T;
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
    this.#remove(table, object);
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

  #write(table: Table, current: Stored | undefined, wanted: Stored): Stored {
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
    const version = this.#log.nextVersion();
    const stored: Stored = { ...candidate, metadata: { ...candidate.metadata, resourceVersion: String(version) } };
    const freed = stored.metadata.deletionTimestamp !== undefined && (stored.metadata.finalizers ?? []).length === 0;
    if (freed) {
      this.#drop(table, stored);
      return stored;
    }
    table.objects.set(keyOf(stored.metadata), stored);
    this.#log.add({
      version: this.#log.version,
      resource: resourceName(table.kind),
      type: current === undefined ? 'added' : 'modified',
      object: stored,
      previous: current,
    });
    return stored;
  }

  #remove(table: Table, object: Stored): void {
    if ((object.metadata.finalizers ?? []).length > 0) {
      if (object.metadata.deletionTimestamp !== undefined) return;
      const version = this.#log.nextVersion();
      const marked: Stored = {
        ...object,
        metadata: {
          ...object.metadata,
          deletionTimestamp: new Date().toISOString(),
          resourceVersion: String(version),
        },
      };
      table.objects.set(keyOf(object.metadata), marked);
      this.#log.add({
        version: this.#log.version,
        resource: resourceName(table.kind),
        type: 'modified',
        object: marked,
        previous: object,
      });
      return;
    }
    const version = this.#log.nextVersion();
    this.#drop(table, { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } });
  }

  #drop(table: Table, object: Stored): void {
    table.objects.delete(keyOf(object.metadata));
    this.#ledger.forget(`${resourceName(table.kind)} ${keyOf(object.metadata)}`);
    this.#log.add({
      version: this.#log.version,
      resource: resourceName(table.kind),
      type: 'deleted',
      object,
      previous: object,
    });
    // Garbage collection: what the object owned goes too.
    const uid = object.metadata.uid;
    for (const other of this.#tables.values()) {
      for (const owned of other.objects.values()) {
        if (owned.metadata.ownerReferences?.some((owner) => owner.uid === uid) === true) this.#remove(other, owned);
      }
    }
  }
}
