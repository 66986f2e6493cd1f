/** A watch over HTTP: one JSON document per line until the client leaves, the time is up or it reads too slowly. */
import type { ServerResponse } from 'node:http';
import type { KindLibrary } from '../kind-library.ts';
import type { ApiOperations, RequestInfo } from '../operations.ts';
import type { Resource } from '../resources.ts';
import type { KubeObject, WatchEvent, WatchOptions } from '../types.ts';
import type { Representation } from './negotiate.ts';
import { partialOf, tableEvent, writeHead, type Reply } from './respond.ts';

/** A client that has this much unread is cut off: it can list again, the server's memory can't grow without end. */
const UNREAD_BYTES_MAX = 16 * 1024 * 1024;
/** Kubernetes ends watches after 30 to 60 minutes, so that clients spread over servers. */
const TIMEOUT_SECONDS_MIN = 1800;

export interface WatchResponseOptions {
  readonly watch: WatchOptions;
  readonly timeoutSeconds: number | undefined;
  readonly includeObject: string | null;
}

export async function serveWatch(
  operations: ApiOperations,
  info: RequestInfo,
  reply: Reply,
  options: WatchResponseOptions,
  openWatches: Set<() => void>,
): Promise<void> {
  const { response, representation } = reply;
  const resource = operations.resolve(info, 'watch');
  const { kinds } = operations.machinery;
  let stop = (): void => undefined;
  let first = true;
  // The first event may come before the caller of `watch` goes on, so whoever is first writes the head.
  const begin = (): void => {
    if (response.headersSent) return;
    const type = representation.encoding === 'yaml' ? 'application/yaml' : 'application/json';
    writeHead(reply, 200, representation.shape === 'object' ? type : `${type};stream=watch`);
    response.flushHeaders();
  };
  const end = (): void => {
    stop();
    begin();
    if (!response.writableEnded) response.end();
  };
  const onEvent = (event: WatchEvent): void => {
    begin();
    response.write(encodeEvent(kinds, resource, event, representation, first, options.includeObject));
    if (event.type !== 'BOOKMARK') first = false;
    if (response.writableLength > UNREAD_BYTES_MAX) {
      stop();
      response.destroy();
    }
  };
  const handle = await operations.watch(info, options.watch, { onEvent, onEnd: end });
  stop = () => handle.stop();
  begin();
  const seconds = options.timeoutSeconds ?? TIMEOUT_SECONDS_MIN * (1 + Math.random());
  const timer = setTimeout(() => {
    handle.bookmark();
    // The bookmark is delivered in a microtask; close after it.
    setImmediate(end);
  }, seconds * 1000);
  timer.unref();
  openWatches.add(end);
  await closed(response);
  openWatches.delete(end);
  clearTimeout(timer);
  handle.stop();
}

function closed(response: ServerResponse): Promise<void> {
  if (response.closed) return Promise.resolve();
  return new Promise((resolve) => response.once('close', () => resolve()));
}

/** Objects are immutable, so a line is made once however many watchers get it. */
const lines = new WeakMap<KubeObject, Partial<Record<string, string>>>();

function encodeEvent(
  kinds: KindLibrary,
  resource: Resource,
  event: WatchEvent,
  representation: Representation,
  first: boolean,
  include: string | null,
): string {
  const { type, object } = event;
  if (type === 'ERROR' || representation.shape === 'object') return cachedLine(type, object);
  if (representation.shape === 'table') {
    const row = type === 'BOOKMARK' ? bookmarkTable(object) : tableEvent(kinds, resource, object, first, include);
    return `${JSON.stringify({ type, object: row })}\n`;
  }
  return `${JSON.stringify({ type, object: partialOf(object) })}\n`;
}

function cachedLine(type: string, object: KubeObject): string {
  let byType = lines.get(object);
  if (byType === undefined) {
    byType = {};
    lines.set(object, byType);
  }
  return (byType[type] ??= `${JSON.stringify({ type, object })}\n`);
}

function bookmarkTable(object: KubeObject): unknown {
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: { resourceVersion: object.metadata.resourceVersion ?? '' },
    columnDefinitions: null,
    rows: [],
  };
}
