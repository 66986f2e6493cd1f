/** Conversions that both directions need: references, durations, matches. */
import type { Duration, grpcRoute, httpRoute, httpTypes, meta } from '@mesh/proxy-api';
import { milliseconds } from '../proto/addresses.ts';
import { InvalidMessage, required } from './invalid.ts';
import type { HostMatch, HttpMatch, ResourceRef, TextMatch } from '@mesh/model';

/** A built-in behaviour's reference. */
export function defaultRef(name: string): ResourceRef {
  return { group: '', kind: 'default', namespace: '', name, port: 0, section: '' };
}

export function toRef(metadata: meta.Metadata | undefined, field: string): ResourceRef {
  const kind = required(metadata?.kind, field);
  if (kind.$case === 'default') return defaultRef(kind.value);
  const { group, kind: name, name: object, namespace, section, port } = kind.value;
  for (const [part, text] of Object.entries({ group, kind: name, name: object, namespace }))
    if (text === '') throw InvalidMessage.at(`${field}.resource.${part}`, 'is empty');
  return { group, kind: name, namespace, name: object, port, section };
}

export function toMs(duration: Duration | undefined, field: string): number {
  const ms = milliseconds(required(duration, field));
  if (!(ms >= 0)) throw InvalidMessage.at(field, 'is negative');
  return ms;
}

export function optionalMs(duration: Duration | undefined, field: string): number | undefined {
  return duration === undefined ? undefined : toMs(duration, field);
}

export function toHost(host: httpRoute.HostMatch, field: string): HostMatch {
  const match = required(host.match, field);
  if (match.$case === 'exact') return { kind: 'exact', host: match.value.toLowerCase() };
  return { kind: 'suffix', suffix: match.value.reverseLabels.toReversed().join('.').toLowerCase() };
}

export function toHttpMatch(match: httpRoute.HttpRouteMatch, field: string): HttpMatch {
  const path = match.path?.kind;
  return {
    path:
      path === undefined
        ? undefined
        : path.$case === 'regex'
          ? { kind: 'regex', value: toRegExp(path.value, `${field}.path`) }
          : { kind: path.$case, value: path.value },
    method: match.method === undefined ? undefined : toMethod(match.method, `${field}.method`),
    headers: match.headers.map((header) => ({
      name: header.name.toLowerCase(),
      match: toText(header.value, `${field}.headers.${header.name}`),
    })),
    query: match.queryParams.map((param) => ({
      name: param.name,
      match: toText(param.value, `${field}.query_params.${param.name}`),
    })),
  };
}

/** A gRPC match is a match of the path `/service/method`. */
export function toGrpcMatch(match: grpcRoute.GrpcRouteMatch, field: string): HttpMatch {
  const { service = '', method = '' } = match.rpc ?? {};
  const headers = match.headers.map((header) => ({
    name: header.name.toLowerCase(),
    match: toText(header.value, `${field}.headers.${header.name}`),
  }));
  return { path: grpcPath(service, method), method: undefined, headers, query: [] };
}

function grpcPath(service: string, method: string): HttpMatch['path'] {
  if (service !== '' && method !== '') return { kind: 'exact', value: `/${service}/${method}` };
  if (service !== '') return { kind: 'prefix', value: `/${service}/` };
  return method === '' ? undefined : { kind: 'regex', value: new RegExp(`^/[^/]+/${RegExp.escape(method)}$`) };
}

function toText(
  value:
    | { readonly $case: 'exact'; readonly value: Uint8Array | string }
    | { readonly $case: 'regex'; readonly value: string }
    | undefined,
  field: string,
): TextMatch {
  const match = required(value, field);
  if (match.$case === 'regex') return { kind: 'regex', value: toRegExp(match.value, field) };
  const text = typeof match.value === 'string' ? match.value : Buffer.from(match.value).toString('latin1');
  return { kind: 'exact', value: text };
}

/** Longer expressions are refused: they come from users, and backtracking costs every request. */
const REGEX_LENGTH_MAX = 1024;

/** Anchored at both ends. What ECMAScript does not understand is refused, as a wrong match is worse than none. */
function toRegExp(source: string, field: string): RegExp {
  if (source.length > REGEX_LENGTH_MAX) throw InvalidMessage.at(field, `is longer than ${REGEX_LENGTH_MAX} characters`);
  try {
    return new RegExp(`^(?:${source})$`, 'u');
  } catch {
    throw InvalidMessage.at(field, `is not a regular expression that this proxy understands: ${source}`);
  }
}

/** By their number in the contract. */
const METHODS: Readonly<Record<number, string>> = [
  'GET',
  'POST',
  'PUT',
  'DELETE',
  'PATCH',
  'OPTIONS',
  'CONNECT',
  'HEAD',
  'TRACE',
];

function toMethod(method: httpTypes.HttpMethod, field: string): string {
  const type = required(method.type, field);
  if (type.$case === 'unregistered') return type.value;
  return required(METHODS[type.value], field);
}
