/** Everything that isn't a resource: discovery, OpenAPI, health, version, the keys of tokens. */
import type { IncomingMessage } from 'node:http';
import type { ServiceAccountTokens } from '../auth/service-account-tokens.ts';
import { KUBERNETES_VERSION } from '../kubernetes-version.ts';
import { failure, pageNotFound, pathNotFound } from '../status-error.ts';
import type { UserInfo } from '../types.ts';
import { aggregatedDiscovery, apiGroup, apiGroupList, apiResourceList, apiVersions } from './discovery.ts';
import type { HandlerParts } from './handler-parts.ts';
import { writeHead, writeValue, type Reply } from './respond.ts';

export async function handlePath(
  parts: HandlerParts,
  request: IncomingMessage,
  url: URL,
  user: UserInfo,
  reply: Reply,
): Promise<void> {
  const path = url.pathname;
  const verb = (request.method ?? 'GET').toLowerCase();
  if (
    !parts.authorizer.allowsPath({ user, verb, path: path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path })
  ) {
    throw failure(
      403,
      'Forbidden',
      `forbidden: User ${JSON.stringify(user.username)} cannot ${verb} path ${JSON.stringify(path)}`,
      {},
    );
  }
  request.resume();
  const { resources } = parts.operations.machinery;
  const segments = path.split('/').filter((part) => part !== '');
  const [first, second, third, fourth] = segments;
  const { shape } = reply.representation;
  const aggregated = shape === 'discoveryV2' || shape === 'discoveryV2Beta1';
  if (first === 'api' && segments.length <= 2) {
    if (second === undefined) {
      if (aggregated) return writeDiscovery(parts, reply, 'core');
      return writeValue(reply, 200, apiVersions(request.headers.host ?? ''));
    }
    if (resources.hasGroupVersion('', second)) return writeValue(reply, 200, apiResourceList(resources, '', second));
  }
  if (first === 'apis' && fourth === undefined) {
    if (second === undefined) {
      if (aggregated) return writeDiscovery(parts, reply, 'named');
      return writeValue(reply, 200, apiGroupList(resources));
    }
    if (third === undefined && resources.hasGroup(second)) return writeValue(reply, 200, apiGroup(resources, second));
    if (third !== undefined && resources.hasGroupVersion(second, third))
      return writeValue(reply, 200, apiResourceList(resources, second, third));
  }
  return handlePlainPath(parts, path, segments, reply);
}

function writeDiscovery(parts: HandlerParts, reply: Reply, which: 'core' | 'named'): void {
  const version = reply.representation.shape === 'discoveryV2Beta1' ? 'v2beta1' : 'v2';
  const text = JSON.stringify(aggregatedDiscovery(parts.operations.machinery.resources, which, version));
  writeHead(
    reply,
    200,
    `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
    Buffer.byteLength(text),
  );
  reply.response.end(text);
}

function handlePlainPath(parts: HandlerParts, path: string, segments: readonly string[], reply: Reply): void {
  const text = (type: string, body: string): void => {
    writeHead(reply, 200, type, Buffer.byteLength(body));
    reply.response.end(body);
  };
  switch (segments[0]) {
    case 'healthz':
    case 'livez':
    case 'readyz':
      return text('text/plain; charset=utf-8', 'ok');
    case 'version':
      return writeValue({ ...reply, pretty: true }, 200, KUBERNETES_VERSION);
    case 'openapi':
      if (segments[1] === 'v2' && segments.length === 2) return text('application/json', parts.openApi.v2().text);
      if (segments[1] === 'v3') {
        if (segments.length === 2) return writeValue(reply, 200, parts.openApi.index());
        const document = parts.openApi.v3(segments.slice(2).join('/'));
        if (document !== undefined) return text('application/json', document.text);
      }
      break;
    case '.well-known':
      if (segments[1] === 'openid-configuration')
        return text('application/json', JSON.stringify(openIdConfiguration(parts.tokens)));
      break;
    case 'openid':
      if (path.startsWith('/openid/v1/jwks'))
        return text('application/jwk-set+json', JSON.stringify(parts.tokens.keySet()));
      break;
    case undefined:
      return writeValue(reply, 200, {
        paths: ['/api', '/api/v1', '/apis', '/healthz', '/livez', '/openapi/v2', '/openapi/v3', '/readyz', '/version'],
      });
    default:
      break;
  }
  throw segments[0] === 'apis' ? pageNotFound() : pathNotFound();
}

function openIdConfiguration(tokens: ServiceAccountTokens): unknown {
  return {
    issuer: tokens.issuer,
    jwks_uri: `${tokens.issuer}/openid/v1/jwks`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
  };
}
