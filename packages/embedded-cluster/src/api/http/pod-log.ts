/** `pods/NAME/log`: checks what is asked for and streams what the node has. */
import { asArray, asObject, asString } from '../json.ts';
import type { ApiOperations, RequestInfo } from '../operations.ts';
import type { PodHandler, PodLogOptions } from '../pod-handler.ts';
import { badRequest, notFound, notImplemented } from '../status-error.ts';
import type { KubeObject } from '../types.ts';
import type { Reply } from './respond.ts';

export async function serveLog(
  operations: ApiOperations,
  info: RequestInfo,
  query: URLSearchParams,
  reply: Reply,
  handler: PodHandler | undefined,
): Promise<void> {
  const resource = operations.resolve(info, 'get');
  const pod = operations.machinery.store.get(resource.bucket, `${info.namespace}/${info.name}`);
  if (pod === undefined) throw notFound(resource, info.name);
  const options = logOptions(pod, query);
  if (handler === undefined) throw notImplemented(`no node serves logs: pod ${info.name} has never run`);
  const { response } = reply;
  const abort = new AbortController();
  response.once('close', () => abort.abort());
  const chunks = handler.logs(pod, options, abort.signal)[Symbol.asyncIterator]();
  // The first chunk decides between an error answer and a stream. A followed log may be silent for long, so it starts at once.
  const first = options.follow ? undefined : await chunks.next();
  response.writeHead(200, { 'Content-Type': 'text/plain', 'Cache-Control': 'no-cache, private' });
  response.flushHeaders();
  for (let next = first ?? (await chunks.next()); next.done !== true; next = await chunks.next()) {
    if (response.write(next.value) || abort.signal.aborted) continue;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        response.off('drain', done);
        response.off('close', done);
        resolve();
      };
      response.on('drain', done);
      response.on('close', done);
    });
  }
  response.end();
}

function logOptions(pod: KubeObject, query: URLSearchParams): PodLogOptions {
  return {
    container: chosenContainer(pod, query.get('container') ?? ''),
    follow: isTrue(query, 'follow'),
    previous: isTrue(query, 'previous'),
    timestamps: isTrue(query, 'timestamps'),
    tailLines: count(query, 'tailLines'),
    limitBytes: count(query, 'limitBytes'),
    sinceSeconds: count(query, 'sinceSeconds'),
    sinceTime: query.get('sinceTime') ?? undefined,
  };
}

function chosenContainer(pod: KubeObject, wanted: string): string {
  const spec = asObject(pod['spec']) ?? {};
  const names = (field: string): readonly string[] =>
    asArray(spec[field]).map((container) => asString(asObject(container)?.['name']) ?? '');
  const main = names('containers');
  const init = names('initContainers');
  const name = pod.metadata.name ?? '';
  if (wanted !== '') {
    if (main.includes(wanted) || init.includes(wanted) || names('ephemeralContainers').includes(wanted)) return wanted;
    throw badRequest(`container ${wanted} is not valid for pod ${name}`);
  }
  if (main.length === 1 && main[0] !== undefined) return main[0];
  const choices = `choose one of: [${main.join(' ')}]`;
  const initText = init.length === 0 ? '' : ` or one of the init containers: [${init.join(' ')}]`;
  throw badRequest(`a container name must be specified for pod ${name}, ${choices}${initText}`);
}

function isTrue(query: URLSearchParams, name: string): boolean {
  return ['true', '1'].includes(query.get(name) ?? '');
}

function count(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^\d{1,15}$/.test(text))
    throw badRequest(`invalid value for ${name}: ${JSON.stringify(text)}: must be a non-negative integer`);
  return Number(text);
}
