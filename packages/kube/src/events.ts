/** Events: short notes on objects for `kubectl describe`. Never fails its caller; repeats are counted, not multiplied. */
import { createHash } from 'node:crypto';
import type { Clock, Logger } from '@mesh/runtime';
import type { KubeClient } from './client.ts';
import type { Event, ObjectReference } from './core-types.ts';
import { isKubeError } from './errors.ts';
import { EVENTS } from './kinds.ts';
import type { KubeObject } from './object.ts';

export interface EventNote {
  readonly type: 'Normal' | 'Warning';
  /** CamelCase, stable. */
  readonly reason: string;
  /** One sentence. */
  readonly message: string;
}

export interface EventRecorderOptions {
  /** Who speaks, such as `linkerd-service-mirror`. */
  readonly component: string;
}

/** The same note on the same object is written at most once in this time. */
const REPEAT_MS = 60_000;
/** Remembered notes; the oldest are forgotten first. */
const REMEMBERED_MAX = 1_000;

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #deps: { readonly client: KubeClient; readonly clock: Clock; readonly logger: Logger };
  readonly #written = new Map<string, { count: number; firstMs: number; lastMs: number }>();

  constructor(
    options: EventRecorderOptions,
    deps: { readonly client: KubeClient; readonly clock: Clock; readonly logger: Logger },
  ) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Returns at once; the write happens behind. */
  record(target: KubeObject, note: EventNote): void {
    void this.write(target, note);
  }

  /** As {@link record}, resolving when written or given up. */
  async write(target: KubeObject, note: EventNote): Promise<void> {
    const { clock, client, logger } = this.#deps;
    const nowMs = clock.now();
    const name = eventName(target, note);
    const known = this.#written.get(name);
    if (known !== undefined && nowMs - known.lastMs < REPEAT_MS) return;
    const seen = { count: (known?.count ?? 0) + 1, firstMs: known?.firstMs ?? nowMs, lastMs: nowMs };
    this.#remember(name, seen);
    const event = this.#event(target, note, name, seen);
    try {
      if (seen.count > 1 && (await this.#bump(event))) return;
      await client.create(EVENTS, event);
    } catch (error) {
      if (isKubeError(error, 'already_exists')) {
        await this.#bump(event).catch(() => undefined);
        return;
      }
      logger.debug('event not recorded', { reason: note.reason, error });
    }
  }

  async #bump(event: Event): Promise<boolean> {
    const { namespace, name } = event.metadata;
    const body = { count: event.count, lastTimestamp: event.lastTimestamp, message: event.message };
    try {
      await this.#deps.client.patch(EVENTS, { namespace, name }, { type: 'merge', body });
      return true;
    } catch (error) {
      if (isKubeError(error, 'not_found')) return false;
      throw error;
    }
  }

  #event(
    target: KubeObject,
    note: EventNote,
    name: string,
    seen: { readonly count: number; readonly firstMs: number; readonly lastMs: number },
  ): Event {
    return {
      apiVersion: 'v1',
      kind: 'Event',
      // Events on cluster-scoped objects live in `default`, as everywhere.
      metadata: { name, namespace: target.metadata.namespace ?? 'default' },
      involvedObject: referenceTo(target),
      type: note.type,
      reason: note.reason,
      message: note.message.slice(0, 1024),
      count: seen.count,
      firstTimestamp: rfc3339(seen.firstMs),
      lastTimestamp: rfc3339(seen.lastMs),
      source: { component: this.#options.component },
      reportingComponent: this.#options.component,
      reportingInstance: '',
    };
  }

  #remember(name: string, seen: { count: number; firstMs: number; lastMs: number }): void {
    this.#written.delete(name);
    this.#written.set(name, seen);
    if (this.#written.size <= REMEMBERED_MAX) return;
    const oldest = this.#written.keys().next();
    if (oldest.done !== true) this.#written.delete(oldest.value);
  }
}

/** A reference to `object` as events and conditions carry it. */
export function referenceTo(object: KubeObject): ObjectReference {
  const { namespace, name, uid, resourceVersion } = object.metadata;
  return {
    ...(object.apiVersion === undefined ? {} : { apiVersion: object.apiVersion }),
    ...(object.kind === undefined ? {} : { kind: object.kind }),
    ...(namespace === undefined ? {} : { namespace }),
    name,
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}

function eventName(target: KubeObject, note: EventNote): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([target.kind, target.metadata.uid, note.type, note.reason, note.message]))
    .digest('hex')
    .slice(0, 16);
  return `${target.metadata.name.slice(0, 200)}.${hash}`;
}

function rfc3339(unixMs: number): string {
  return new Date(unixMs).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
