/** One request from its first line to its answer: who, what, allowed, done. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { duplicateFields } from '../../schema/index.ts';
import { asObject } from '../json.ts';
import type { RequestContext } from '../machinery.ts';
import type { ApiOperations, RequestInfo } from '../operations.ts';
import {
  badRequest,
  failure,
  invalid,
  KubeStatusError,
  notImplemented,
  pathNotFound,
  unsupportedPatchType,
} from '../status-error.ts';
import type { DeleteOptions, KubeObject, PatchType, PropagationPolicy, UserInfo } from '../types.ts';
import { contentType, jsonProblem, parseObjectBody, parseYamlText, readBody, readBytes } from './body.ts';
import type { HandlerParts } from './handler-parts.ts';
import { negotiate } from './negotiate.ts';
import { handlePath } from './plain-paths.ts';
import { serveLog } from './pod-log.ts';
import { serveProxy } from './pod-proxy.ts';
import { parseResourcePath, type ResourcePath } from './request-path.ts';
import { shapeList, shapeObject, writeFailure, writeValue, type Reply } from './respond.ts';
import { serveWatch } from './watch-response.ts';

const PATCH_TYPES: Readonly<Record<string, PatchType>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
};

/** Subresources that stream to a container; the client's upgrade request ends here. */
const STREAMS = new Set(['exec', 'attach', 'portforward']);
const MANAGER_LENGTH_MAX = 128;

export async function handleRequest(
  parts: HandlerParts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'https://server');
  const warnings: string[] = [];
  let reply: Reply = {
    response,
    representation: { encoding: 'json', shape: 'object' },
    pretty: wantsPretty(request, url),
    warnings,
  };
  try {
    const user = parts.authenticator.authenticate(request);
    const path = parseResourcePath(url.pathname);
    // A log is text whatever the client would accept, and a proxied answer is the pod's.
    if (path?.subresource !== 'log' && path?.subresource !== 'proxy')
      reply = { ...reply, representation: negotiate(request.headers.accept) };
    if (path === undefined) await handlePath(parts, request, url, user, reply);
    else await handleResource(parts, request, url, path, requestContext(request, url, user, warnings), reply);
  } catch (error) {
    if (!(error instanceof KubeStatusError))
      parts.operations.machinery.log.error('request failed', { error, method: request.method });
    if (!request.readableEnded) request.resume();
    writeFailure(reply, error);
  }
}

function wantsPretty(request: IncomingMessage, url: URL): boolean {
  const asked = url.searchParams.get('pretty');
  if (asked !== null) return asked !== 'false' && asked !== '0';
  return /^(curl|wget|mozilla)/i.test(request.headers['user-agent'] ?? '');
}

function requestContext(request: IncomingMessage, url: URL, user: UserInfo, warnings: string[]): RequestContext {
  const query = url.searchParams;
  const validation = query.get('fieldValidation') ?? '';
  if (!['', 'Strict', 'Warn', 'Ignore'].includes(validation))
    throw badRequest(`invalid fieldValidation ${JSON.stringify(validation)}: use Strict, Warn or Ignore`);
  checkDryRun(request.method ?? '', query.getAll('dryRun'));
  const stated: Record<string, string> = {};
  for (const name of ['fieldManager', 'fieldValidation']) {
    const value = query.get(name);
    if (value !== null) stated[name] = value;
  }
  const agent = (request.headers['user-agent'] ?? 'unknown').split('/')[0] ?? 'unknown';
  return {
    user,
    manager: query.get('fieldManager') ?? agent.slice(0, MANAGER_LENGTH_MAX),
    dryRun: query.getAll('dryRun').includes('All'),
    fieldValidation: validation === '' ? 'Warn' : (validation as RequestContext['fieldValidation']),
    warnings,
    statedOptions: stated,
  };
}

const OPTIONS_KINDS: Readonly<Record<string, string>> = {
  POST: 'CreateOptions',
  PUT: 'UpdateOptions',
  PATCH: 'PatchOptions',
  DELETE: 'DeleteOptions',
};

function checkDryRun(method: string, values: readonly string[]): void {
  const kind = OPTIONS_KINDS[method];
  if (kind === undefined || values.every((value) => value === 'All')) return;
  throw invalid({ group: 'meta.k8s.io', kind }, '', [
    {
      reason: 'FieldValueNotSupported',
      field: 'dryRun',
      message: `Unsupported value: ${JSON.stringify(values)}: supported values: "All"`,
    },
  ]);
}

async function handleResource(
  parts: HandlerParts,
  request: IncomingMessage,
  url: URL,
  path: ResourcePath,
  context: RequestContext,
  reply: Reply,
): Promise<void> {
  const { operations } = parts;
  const query = url.searchParams;
  const bodyProblems: string[] = [];
  const expectedKind = operations.machinery.resources.find(path.ref)?.kind ?? 'object';
  const info: RequestInfo = {
    ref: path.ref,
    namespace: path.namespace,
    name: path.name,
    subresource: path.subresource,
    context: { ...context, bodyProblems },
  };
  const { kinds } = operations.machinery;
  const include = query.get('includeObject');
  if (path.subresource !== undefined && STREAMS.has(path.subresource)) {
    operations.resolve(info, request.method === 'POST' ? 'create' : 'get');
    throw notImplemented(
      `${path.subresource} is not served here: this cluster runs pods as local processes of its own machine`,
    );
  }
  if (path.subresource === 'proxy' && path.ref.plural === 'pods' && request.method === 'GET') {
    return serveProxy(operations, info, `${path.rest}${url.search}`, reply);
  }
  if (path.rest !== '' || path.subresource === 'proxy') throw pathNotFound();
  const send = (code: number, object: KubeObject): void => {
    const resource = operations.machinery.resources.find(path.ref);
    if (resource === undefined) throw pathNotFound();
    const plain = path.subresource !== undefined && path.subresource !== 'status';
    writeValue(reply, code, plain ? object : shapeObject(kinds, resource, object, reply.representation, include));
  };
  switch (request.method) {
    case 'GET':
    case 'HEAD':
      if (path.subresource === 'log') return serveLog(operations, info, query, reply, parts.podHandler());
      return handleRead(parts, url, info, reply, send);
    case 'POST': {
      const body = await readObject(request, expectedKind, bodyProblems);
      return send(
        201,
        await operations.create(path.name === '' || path.subresource !== undefined ? info : rejectMethod(), body),
      );
    }
    case 'PUT': {
      if (path.name === '') rejectMethod();
      const { object, created } = await operations.update(info, await readObject(request, expectedKind, bodyProblems));
      return send(created ? 201 : 200, object);
    }
    case 'PATCH':
      return handlePatch(operations, request, query, info, send);
    case 'DELETE':
      return handleDelete(operations, request, query, info, reply, send);
    default:
      throw failure(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});
  }
}

function rejectMethod(): never {
  throw failure(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});
}

async function handleRead(
  parts: HandlerParts,
  url: URL,
  info: RequestInfo,
  reply: Reply,
  send: (code: number, object: KubeObject) => void,
): Promise<void> {
  const { operations } = parts;
  const query = url.searchParams;
  const watching = ['true', '1'].includes(query.get('watch') ?? '');
  if (info.name !== '' && !watching) return send(200, await operations.get(info));
  const named = info.name === '' ? undefined : `metadata.name=${info.name}`;
  const selectors = {
    labelSelector: query.get('labelSelector') ?? undefined,
    fieldSelector: named ?? query.get('fieldSelector') ?? undefined,
    resourceVersion: query.get('resourceVersion') ?? undefined,
    resourceVersionMatch: query.get('resourceVersionMatch') ?? undefined,
  };
  if (watching) {
    const initial = query.get('sendInitialEvents');
    const watch = {
      ...selectors,
      allowWatchBookmarks: query.get('allowWatchBookmarks') === 'true' || query.get('allowWatchBookmarks') === '1',
      sendInitialEvents: initial === null ? undefined : initial === 'true' || initial === '1',
    };
    const timeoutSeconds = numberParameter(query, 'timeoutSeconds');
    const options = {
      watch,
      timeoutSeconds: timeoutSeconds === 0 ? undefined : timeoutSeconds,
      includeObject: query.get('includeObject'),
    };
    return serveWatch(parts.operations, info, reply, options, parts.openWatches);
  }
  const list = await operations.list(info, {
    ...selectors,
    limit: numberParameter(query, 'limit'),
    continue: query.get('continue') ?? undefined,
  });
  const resource = operations.machinery.resources.find(info.ref);
  if (resource === undefined) throw pathNotFound();
  writeValue(
    reply,
    200,
    shapeList(operations.machinery.kinds, resource, list, reply.representation, query.get('includeObject')),
  );
}

function numberParameter(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0)
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return value;
}

async function readObject(request: IncomingMessage, kind: string, problems: string[]): Promise<KubeObject> {
  const type = contentType(request);
  const body = await readBytes(request);
  const value = parseObjectBody(body, type, kind);
  if (asObject(value) === undefined) throw badRequest('the object provided is unrecognized (must be an object)');
  if (type === 'application/json') problems.push(...duplicateFields(body.toString('utf8')));
  return value as KubeObject;
}

/** `error decoding patch: …` for a body that isn't JSON. */
function parsePatchText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw badRequest(`error decoding patch: ${jsonProblem(text)}`);
  }
}

async function handlePatch(
  operations: ApiOperations,
  request: IncomingMessage,
  query: URLSearchParams,
  info: RequestInfo,
  send: (code: number, object: KubeObject) => void,
): Promise<void> {
  const type = PATCH_TYPES[contentType(request)];
  if (type === undefined) throw unsupportedPatchType();
  const text = await readBody(request);
  if (type === 'apply' && query.get('fieldManager') === null) {
    const problem = {
      reason: 'FieldValueRequired',
      message: 'Required value: is required for apply patch',
      field: 'fieldManager',
    };
    throw failure(422, 'Invalid', `PatchOptions.meta.k8s.io "" is invalid: fieldManager: ${problem.message}`, {
      group: 'meta.k8s.io',
      kind: 'PatchOptions',
      causes: [problem],
    });
  }
  const force = query.get('force');
  if (force !== null && type !== 'apply') {
    const problem = {
      reason: 'FieldValueForbidden',
      message: 'Forbidden: may not be specified for non-apply patch',
      field: 'force',
    };
    throw failure(422, 'Invalid', `PatchOptions.meta.k8s.io "" is invalid: force: ${problem.message}`, {
      group: 'meta.k8s.io',
      kind: 'PatchOptions',
      causes: [problem],
    });
  }
  const body = type === 'apply' ? parseYamlText(text) : parsePatchText(text);
  const { object, created } = await operations.patch(info, { type, body, force: force === 'true' || force === '1' });
  send(created ? 201 : 200, object);
}

async function handleDelete(
  operations: ApiOperations,
  request: IncomingMessage,
  query: URLSearchParams,
  info: RequestInfo,
  reply: Reply,
  send: (code: number, object: KubeObject) => void,
): Promise<void> {
  const bytes = await readBytes(request);
  const given =
    bytes.length === 0 ? {} : (asObject(parseObjectBody(bytes, contentType(request), 'DeleteOptions')) ?? {});
  const options = deleteOptions(given, query);
  const context = options.dryRun?.includes('All') === true ? { ...info.context, dryRun: true } : info.context;
  const scoped = { ...info, context };
  if (info.name === '') {
    const list = await operations.deleteCollection(
      scoped,
      {
        labelSelector: query.get('labelSelector') ?? undefined,
        fieldSelector: query.get('fieldSelector') ?? undefined,
      },
      options,
    );
    const resource = operations.machinery.resources.find(info.ref);
    if (resource === undefined) throw pathNotFound();
    return writeValue(
      reply,
      200,
      shapeList(operations.machinery.kinds, resource, list, reply.representation, query.get('includeObject')),
    );
  }
  const { body } = await operations.delete(scoped, options);
  if (body.kind === 'Status')
    writeValue({ ...reply, representation: { ...reply.representation, shape: 'object' } }, 200, body);
  else send(200, body as KubeObject);
}

function deleteOptions(body: Readonly<Record<string, unknown>>, query: URLSearchParams): DeleteOptions {
  const grace = query.get('gracePeriodSeconds');
  const policy = query.get('propagationPolicy');
  const orphan = query.get('orphanDependents');
  return {
    ...bodyOptions(body),
    ...(grace === null ? {} : { gracePeriodSeconds: Number(grace) }),
    ...(policy === null ? {} : { propagationPolicy: policy as PropagationPolicy }),
    ...(orphan === null ? {} : { orphanDependents: orphan === 'true' }),
  };
}

/** The options without their type line. */
function bodyOptions(body: Readonly<Record<string, unknown>>): DeleteOptions {
  const { apiVersion: _version, kind: _kind, ...options } = body;
  return options;
}
