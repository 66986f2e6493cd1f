/** Decodes a watch response: JSON documents, one per line, cut anywhere by the network. */
import type { WatchEvent } from './client.ts';
import { KubeError } from './errors.ts';
import type { KubeObject } from './object.ts';
import { watchError } from './status-error.ts';

/** etcd refuses objects above 1.5 MB; JSON and managed fields inflate them. More than this is not an API server. */
const LINE_BYTES_MAX = 16 * 1024 * 1024;
const NEWLINE = 0x0a;

/** @throws KubeError `gone` and others from ERROR events, `protocol` for lines that are no watch events. */
export async function* readWatchStream<T extends KubeObject>(
  chunks: AsyncIterable<Buffer>,
  target: string,
): AsyncGenerator<WatchEvent<T>> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const tail = chunk.subarray(start, end);
      start = end + 1;
      const line = pending.length === 0 ? tail : Buffer.concat([...pending, tail]);
      pending = [];
      pendingBytes = 0;
      if (line.length > 0) yield decode<T>(line, target);
    }
    if (start === chunk.length) continue;
    pending.push(chunk.subarray(start));
    pendingBytes += chunk.length - start;
    if (pendingBytes > LINE_BYTES_MAX) {
      throw new KubeError(
        { code: 'protocol', object: target, status: 200 },
        `${target}: a watch event exceeds ${LINE_BYTES_MAX} bytes`,
      );
    }
  }
}

function decode<T extends KubeObject>(line: Buffer, target: string): WatchEvent<T> {
  let event: { readonly type?: string; readonly object?: unknown };
  try {
    event = JSON.parse(line.toString('utf8')) as typeof event;
  } catch (error) {
    throw new KubeError({ code: 'protocol', object: target, status: 200 }, `${target}: a watch event is not JSON`, {
      cause: error,
    });
  }
  const object = event?.object;
  if (event?.type === 'ERROR') throw watchError(object, target);
  if (!hasMetadata(object)) {
    throw new KubeError({ code: 'protocol', object: target, status: 200 }, `${target}: a watch event holds no object`);
  }
  switch (event.type) {
    case 'ADDED':
      return { type: 'added', object: object as T };
    case 'MODIFIED':
      return { type: 'modified', object: object as T };
    case 'DELETED':
      return { type: 'deleted', object: object as T };
    case 'BOOKMARK':
      return { type: 'bookmark', resourceVersion: object.metadata.resourceVersion ?? '' };
    default:
      throw new KubeError(
        { code: 'protocol', object: target, status: 200 },
        `${target}: unknown watch event type ${JSON.stringify(event.type)}`,
      );
  }
}

function hasMetadata(value: unknown): value is KubeObject {
  const metadata = (value as { metadata?: unknown } | null | undefined)?.metadata;
  return typeof metadata === 'object' && metadata !== null;
}
