/** Writing answers: encoding, shape (object, table, metadata only), warnings and failures. */
import type { ServerResponse } from 'node:http';
import { stringify as stringifyYaml } from 'yaml';
import type { IncludeObject, KindLibrary } from '../kind-library.ts';
import type { Resource } from '../resources.ts';
import { internalError, KubeStatusError, notAcceptable, PageNotFound } from '../status-error.ts';
import type { KubeList, KubeObject } from '../types.ts';
import type { Representation } from './negotiate.ts';

export interface Reply {
  readonly response: ServerResponse;
  readonly representation: Representation;
  readonly pretty: boolean;
  readonly warnings: readonly string[];
}

export function writeValue(reply: Reply, code: number, value: unknown): void {
  const { response, representation } = reply;
  const text =
    representation.encoding === 'yaml'
      ? stringifyYaml(value)
      : `${reply.pretty ? JSON.stringify(value, undefined, 2) : JSON.stringify(value)}\n`;
  writeHead(
    reply,
    code,
    representation.encoding === 'yaml' ? 'application/yaml' : 'application/json',
    Buffer.byteLength(text),
  );
  response.end(text);
}

export function writeHead(
  reply: Pick<Reply, 'response' | 'warnings'>,
  code: number,
  type: string,
  lengthBytes?: number,
): void {
  const headers: Record<string, string | string[]> = { 'Cache-Control': 'no-cache, private', 'Content-Type': type };
  if (lengthBytes !== undefined) headers['Content-Length'] = String(lengthBytes);
  if (reply.warnings.length > 0) headers['Warning'] = reply.warnings.map(warningHeader);
  reply.response.writeHead(code, headers);
}

/** RFC 9111's retired but still used `Warning: 299 - "text"`. */
function warningHeader(text: string): string {
  const clean = text.replaceAll(/[^\x20-\x7e]/g, ' ').replaceAll(/["\\]/g, String.raw`\$&`);
  return `299 - "${clean}"`;
}

export function writeFailure(reply: Reply, error: unknown): void {
  const failed =
    error instanceof KubeStatusError ? error : internalError(error instanceof Error ? error.message : String(error));
  const { response } = reply;
  if (failed instanceof PageNotFound) {
    const text = `${failed.message}\n`;
    writeHead(reply, 404, 'text/plain; charset=utf-8', Buffer.byteLength(text));
    response.end(text);
    return;
  }
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const retryAfter = failed.status.details?.retryAfterSeconds;
  if (retryAfter !== undefined) response.setHeader('Retry-After', String(retryAfter));
  writeValue(
    { ...reply, representation: { ...reply.representation, shape: 'object' } },
    failed.httpCode,
    failed.status,
  );
}

/** One object in the shape that the client asked for. */
export function shapeObject(
  kinds: KindLibrary,
  resource: Resource,
  object: KubeObject,
  representation: Representation,
  include: string | null,
): unknown {
  switch (representation.shape) {
    case 'table':
      return kinds.printTable(
        resource,
        [object],
        { resourceVersion: object.metadata.resourceVersion ?? '' },
        includeOf(include),
      );
    case 'partial':
      return partialOf(object);
    case 'object':
      return object;
    default:
      throw notAcceptable('application/json');
  }
}

export function shapeList(
  kinds: KindLibrary,
  resource: Resource,
  list: KubeList,
  representation: Representation,
  include: string | null,
): unknown {
  switch (representation.shape) {
    case 'table':
      return kinds.printTable(resource, list.items, list.metadata, includeOf(include));
    case 'partial':
    case 'partialList':
      return {
        kind: 'PartialObjectMetadataList',
        apiVersion: 'meta.k8s.io/v1',
        metadata: list.metadata,
        items: list.items.map(partialOf),
      };
    case 'object':
      // Items of a built-in list have no type line; those of custom resources do.
      return resource.custom === undefined
        ? { ...list, items: list.items.map(({ apiVersion: _version, kind: _kind, ...item }) => item) }
        : { apiVersion: list.apiVersion, items: list.items, kind: list.kind, metadata: list.metadata };
    default:
      throw notAcceptable('application/json');
  }
}

export function partialOf(object: KubeObject): KubeObject {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}

function includeOf(text: string | null): IncludeObject {
  return text === 'None' || text === 'Object' ? text : 'Metadata';
}

/** For watches in table form: columns come with the first event only. */
export function tableEvent(
  kinds: KindLibrary,
  resource: Resource,
  object: KubeObject,
  first: boolean,
  include: string | null,
): unknown {
  const table = kinds.printTable(
    resource,
    [object],
    { resourceVersion: object.metadata.resourceVersion ?? '' },
    includeOf(include),
  );
  return first ? table : { ...table, columnDefinitions: null };
}
