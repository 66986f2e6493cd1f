/** One watch: where it starts, which events a selection turns into which, and bookmarks. */
import type { Machinery } from './machinery.ts';
import { groupVersion, type Resource } from './resources.ts';
import { selectionOf, type Predicate } from './selectors.ts';
import { failure, gone, invalid, type KubeStatusError } from './status-error.ts';
import { versionProblem } from './list.ts';
import type { StoredEvent } from './store.ts';
import type { KubeObject, WatchEvent, WatchOptions } from './types.ts';
import { toRequested } from './versions.ts';

/** A bookmark is due this long after the last one, as in Kubernetes' watch cache. */
export const BOOKMARK_INTERVAL_MS = 60_000;
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';

export interface WatchHandle {
  /** Ends the watch; no event comes later. */
  stop(): void;
  /** Sends a bookmark now, when the client asked for them: before a watch times out. */
  bookmark(): void;
}

/**
 * Starts a watch. Events come in order and never during this call's own stack or a write's: each batch is delivered in
 * a microtask. After an ERROR event nothing follows and `onEnd` is called.
 *
 * @throws KubeStatusError for bad options, before any event.
 */
export function startWatch(
  machinery: Machinery,
  resource: Resource,
  options: WatchOptions,
  sink: { readonly onEvent: (event: WatchEvent) => void; readonly onEnd: () => void },
): WatchHandle {
  const { store } = machinery;
  const matches = selectionOf(resource, options.labelSelector, options.fieldSelector);
  checkInitialEvents(options);
  const queue: WatchEvent[] = [];
  let stopped = false;
  let scheduled = false;
  let lastVersion = store.version;

  function flush(): void {
    scheduled = false;
    while (!stopped) {
      const event = queue.shift();
      if (event === undefined) return;
      sink.onEvent(event);
      if (event.type === 'ERROR') {
        stop();
        sink.onEnd();
      }
    }
  }
  function push(event: WatchEvent): void {
    queue.push(event);
    if (scheduled) return;
    scheduled = true;
    queueMicrotask(flush);
  }
  function onStored(event: StoredEvent): void {
    lastVersion = event.version;
    if (options.namespace !== undefined && event.object.metadata.namespace !== options.namespace) return;
    const seen = selectedEvent(resource, event, matches);
    if (seen !== undefined) push(seen);
  }
  function bookmark(annotations?: Record<string, string>): void {
    // Every write of this bucket up to now has been queued, so the store's version is safe to resume from.
    lastVersion = Math.max(lastVersion, store.version);
    push({ type: 'BOOKMARK', object: bookmarkObject(resource, lastVersion, annotations) });
  }

  const start = firstEvents(machinery, resource, options, matches);
  for (const event of start.events) push(event);
  const unsubscribe = start.failed ? (): void => undefined : store.subscribe(resource.bucket, onStored);
  if (start.initial && options.sendInitialEvents === true && options.allowWatchBookmarks === true) {
    bookmark({ [INITIAL_EVENTS_END]: 'true' });
  }
  const timer =
    options.allowWatchBookmarks === true && !start.failed
      ? setInterval(() => bookmark(), BOOKMARK_INTERVAL_MS)
      : undefined;
  timer?.unref();
  // A resource that is no longer served ends its watches: clients see that by listing again.
  const unwatchTable = machinery.resources.onChange(() => {
    if (machinery.resources.find(resource) !== undefined) return;
    stop();
    queueMicrotask(sink.onEnd);
  });
  function stop(): void {
    stopped = true;
    clearInterval(timer);
    unsubscribe();
    unwatchTable();
  }
  return {
    stop,
    bookmark: () => {
      if (options.allowWatchBookmarks === true && !stopped) bookmark();
    },
  };
}

interface FirstEvents {
  readonly events: readonly WatchEvent[];
  /** The present state came first, as opposed to a resumption. */
  readonly initial: boolean;
  readonly failed: boolean;
}

function firstEvents(
  machinery: Machinery,
  resource: Resource,
  options: WatchOptions,
  matches: Predicate | undefined,
): FirstEvents {
  const { store } = machinery;
  const text = options.resourceVersion ?? '';
  if (!/^\d{0,15}$/.test(text)) throw failure(500, undefined, versionProblem(text));
  const version = Number(text);
  if (version > store.version) {
    // The server may just have restarted without its state: a client must list again.
    const error = failure(
      504,
      'Timeout',
      `Timeout: Too large resource version: ${version}, current: ${store.version}`,
      {
        causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
        retryAfterSeconds: 1,
      },
    );
    return { events: [errorEvent(error)], initial: false, failed: true };
  }
  if (version === 0 || options.sendInitialEvents === true) {
    if (options.sendInitialEvents === false) return { events: [], initial: false, failed: false };
    const events: WatchEvent[] = [];
    for (const [, stored] of store.iterate(resource.bucket, options.namespace)) {
      const object = toRequested(resource, stored);
      if (matches === undefined || matches(object)) events.push({ type: 'ADDED', object });
    }
    return { events, initial: true, failed: false };
  }
  const missed = store.eventsAfter(resource.bucket, version);
  if (missed === undefined) {
    const error = gone(`too old resource version: ${version} (${store.version})`);
    return { events: [errorEvent(error)], initial: false, failed: true };
  }
  const events = missed
    .filter((event) => options.namespace === undefined || event.object.metadata.namespace === options.namespace)
    .map((event) => selectedEvent(resource, event, matches))
    .filter((event) => event !== undefined);
  return { events, initial: false, failed: false };
}

function checkInitialEvents(options: WatchOptions): void {
  if (options.sendInitialEvents === undefined) {
    if ((options.resourceVersionMatch ?? '') === '') return;
    throw watchProblem(
      'resourceVersionMatch',
      'Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
    );
  }
  if (options.resourceVersionMatch !== 'NotOlderThan') {
    throw watchProblem(
      'resourceVersionMatch',
      'Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
    );
  }
}

function watchProblem(field: string, message: string): Error {
  return invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', [
    { reason: 'FieldValueForbidden', field, message },
  ]);
}

/** An object that enters the selection is ADDED for this watch, one that leaves it DELETED. */
function selectedEvent(resource: Resource, event: StoredEvent, matches: Predicate | undefined): WatchEvent | undefined {
  const object = toRequested(resource, event.object);
  if (matches === undefined) return { type: event.type, object };
  const matchesNow = event.type !== 'DELETED' && matches(object);
  const previous = event.previous === undefined ? undefined : toRequested(resource, event.previous);
  const matchedBefore = previous !== undefined && matches(previous);
  if (matchesNow) return { type: matchedBefore ? 'MODIFIED' : 'ADDED', object };
  if (!matchedBefore || previous === undefined) return undefined;
  return {
    type: 'DELETED',
    object: { ...previous, metadata: { ...previous.metadata, resourceVersion: String(event.version) } },
  };
}

function bookmarkObject(
  resource: Resource,
  version: number,
  annotations: Record<string, string> | undefined,
): KubeObject {
  return {
    kind: resource.kind,
    apiVersion: groupVersion(resource.group, resource.version),
    metadata: {
      resourceVersion: String(version),
      ...(annotations === undefined ? {} : { annotations }),
    },
  };
}

export function errorEvent(error: KubeStatusError): WatchEvent {
  return { type: 'ERROR', object: error.status as unknown as KubeObject };
}
