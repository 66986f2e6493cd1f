/** What a URL path asks for: an object, a collection, or something beside the resources. */
import type { ResourceRef } from '../types.ts';

export interface ResourcePath {
  readonly ref: ResourceRef;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly subresource: string | undefined;
  /** What follows the subresource: the path of a proxied request. */
  readonly rest: string;
}

const NAMESPACE_SUBRESOURCES = new Set(['status', 'finalize']);

/**
 * `/api/v1/namespaces/ns/pods/name/log`, `/apis/apps/v1/deployments`, …; undefined when the path has no resource in it
 * (discovery, health, OpenAPI).
 */
export function parseResourcePath(path: string): ResourcePath | undefined {
  const parts = path
    .split('/')
    .filter((part) => part !== '')
    .map(decodePart);
  if (parts.includes(undefined)) return undefined;
  const segments = parts as string[];
  const root = segments[0];
  const [group, version, rest] =
    root === 'api'
      ? (['', segments[1] ?? '', segments.slice(2)] as const)
      : root === 'apis'
        ? ([segments[1] ?? '', segments[2] ?? '', segments.slice(3)] as const)
        : (['', '', []] as const);
  if (rest.length === 0 || version === '') return undefined;
  const ref = (plural: string): ResourceRef => ({ group, version, plural });
  if (rest[0] === 'namespaces' && rest.length >= 2) {
    const namespace = rest[1] ?? '';
    const third = rest[2];
    if (third === undefined || (NAMESPACE_SUBRESOURCES.has(third) && rest.length === 3)) {
      return { ref: ref('namespaces'), namespace: undefined, name: namespace, subresource: third, rest: '' };
    }
    return { ref: ref(third), namespace, name: rest[3] ?? '', subresource: rest[4], rest: rest.slice(5).join('/') };
  }
  return {
    ref: ref(rest[0] ?? ''),
    namespace: undefined,
    name: rest[1] ?? '',
    subresource: rest[2],
    rest: rest.slice(3).join('/'),
  };
}

function decodePart(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
