/** `pods/NAME[:PORT]/proxy/PATH`: passes a GET on to the pod and its answer back. */
import http from 'node:http';
import { asArray, asObject, asString } from '../json.ts';
import type { ApiOperations, RequestInfo } from '../operations.ts';
import { badRequest, failure, notFound } from '../status-error.ts';
import type { KubeObject } from '../types.ts';
import type { Reply } from './respond.ts';

const TIMEOUT_MS = 30_000;

/** @throws KubeStatusError 404 without such a pod, 400 for a port that is none, 503 when the pod doesn't answer. */
export async function serveProxy(
  operations: ApiOperations,
  info: RequestInfo,
  path: string,
  reply: Reply,
): Promise<void> {
  const [name = '', port = ''] = info.name.split(':');
  const resource = operations.resolve(info, 'get');
  const pod = operations.machinery.store.get(resource.bucket, `${info.namespace}/${name}`);
  if (pod === undefined) throw notFound(resource, name);
  const host = asString(asObject(pod['status'])?.['podIP']);
  if (host === undefined)
    throw failure(503, 'ServiceUnavailable', `address not allocated: pod ${name} has no IP yet`, {});
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const request = http.get(
    { host, port: portOf(pod, port), path: `/${path}`, agent: false, timeout: TIMEOUT_MS },
    (answer) => {
      reply.response.writeHead(answer.statusCode ?? 502, {
        'Content-Type': answer.headers['content-type'] ?? 'text/plain',
      });
      answer.pipe(reply.response);
      answer.once('end', resolve);
      answer.once('error', reject);
    },
  );
  reply.response.once('close', () => request.destroy());
  request.once('timeout', () => request.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)));
  request.once('error', (error) =>
    reply.response.headersSent
      ? resolve()
      : reject(failure(503, 'ServiceUnavailable', `error trying to reach service: ${error.message}`, {})),
  );
  return promise;
}

/** A number, a container port's name, or the first container port. */
function portOf(pod: KubeObject, wanted: string): number {
  const containers = asArray(asObject(pod['spec'])?.['containers']);
  const ports = containers
    .flatMap((container) => asArray(asObject(container)?.['ports']))
    .map((port) => asObject(port) ?? {});
  const found = wanted === '' ? ports[0] : ports.find((port) => port['name'] === wanted);
  const number = /^\d+$/.test(wanted) ? Number(wanted) : Number(found?.['containerPort'] ?? 80);
  if (Number.isInteger(number) && number > 0 && number <= 65_535) return number;
  throw badRequest(`invalid port ${JSON.stringify(wanted)}`);
}
