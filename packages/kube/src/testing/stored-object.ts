/** Stored objects and the rules that hold for each of them: identity, subresources, selection, equality. */
import { KubeError } from '../errors.ts';
import type { KubeErrorCode } from '../errors.ts';
import { resourceName } from '../kinds.ts';
import type { ResourceKind } from '../kinds.ts';
import type { ListOptions } from '../client.ts';
import type { KubeObject, ObjectMeta } from '../object.ts';
import { matchesSelector, parseSelector } from '../selector.ts';

export type Stored = KubeObject & Record<string, unknown>;

export function filterOf(options: ListOptions): (object: Stored) => boolean {
  const selector = parseSelector(options.labelSelector ?? '');
  if ('problem' in selector)
    throw new KubeError({ code: 'invalid', object: 'labelSelector', status: 400 }, selector.problem);
  const fields = (options.fieldSelector ?? '').split(',').filter((term) => term !== '');
  return (object) =>
    (options.namespace === undefined || object.metadata.namespace === options.namespace) &&
    matchesSelector(selector, object.metadata.labels) &&
    fields.every((term) => {
      const [path = '', value = ''] = term.split(/==?/);
      return (
        String(
          path.split('.').reduce<unknown>((node, key) => (node as Record<string, unknown> | undefined)?.[key], object),
        ) === value
      );
    });
}

/** Status changes only through its subresource, everything else only beside it. */
export function mergeSubresource(current: Stored, wanted: Stored, subresource: 'status' | undefined): Stored {
  if (subresource === 'status') return { ...current, status: wanted['status'] };
  const { status: _ignored, ...rest } = wanted;
  return current['status'] === undefined ? rest : { ...rest, status: current['status'] };
}

export function immutableMeta(meta: ObjectMeta): Partial<ObjectMeta> {
  const { uid, creationTimestamp, deletionTimestamp } = meta;
  return {
    ...(uid === undefined ? {} : { uid }),
    ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
  };
}

export function failure(
  code: KubeErrorCode,
  status: number,
  kind: ResourceKind,
  key: string,
  message: string,
): KubeError {
  const object = `${resourceName(kind)} ${key}`;
  return new KubeError({ code, object, status }, `${object}: ${message}`);
}

export function unreachable(object: string): KubeError {
  return new KubeError(
    { code: 'unreachable', object, status: 0 },
    `${object}: the API server cannot be reached: connection refused`,
  );
}

export function sameJson(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_key, node: unknown) =>
      typeof node === 'object' && node !== null && !Array.isArray(node)
        ? Object.fromEntries(Object.entries(node).sort(([a], [b]) => (a < b ? -1 : 1)))
        : node,
    ) ?? 'undefined'
  );
}
