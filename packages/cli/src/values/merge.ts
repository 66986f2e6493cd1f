/** Laying values over values, and finding what somebody changed. */
import { isMap } from './spec.ts';
import type { GroupSpec } from './spec.ts';

/** Any part of values, at any depth. */
export type PartialValues<V> = {
  readonly [K in keyof V]?: V[K] extends readonly unknown[]
    ? V[K]
    : V[K] extends Readonly<Record<string, unknown>>
      ? PartialValues<V[K]>
      : V[K];
};

/** `over` where it says something, else `values`: groups field by field, lists and maps of the user's as a whole. */
export function deepMerge<V extends object>(spec: GroupSpec, values: V, over: PartialValues<V>): V {
  const merged: Record<string, unknown> = { ...(values as Record<string, unknown>) };
  for (const [name, value] of Object.entries(over)) {
    if (value === undefined) continue;
    const field = spec.fields[name];
    const current = merged[name];
    merged[name] = field?.kind === 'group' && isMap(value) && isMap(current) ? deepMerge(field, current, value) : value;
  }
  return merged as V;
}

/** The part of `values` that differs from `base`, such that `deepMerge(base, difference)` is `values`. */
export function difference<V extends object>(spec: GroupSpec, base: V, values: V): PartialValues<V> {
  const changed: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(spec.fields)) {
    const before = (base as Readonly<Record<string, unknown>>)[name];
    const now = (values as Readonly<Record<string, unknown>>)[name];
    if (field.kind === 'group' && isMap(before) && isMap(now)) {
      const inner = difference(field, before, now);
      if (Object.keys(inner).length > 0) changed[name] = inner;
    } else if (JSON.stringify(before) !== JSON.stringify(now)) changed[name] = now;
  }
  return changed as PartialValues<V>;
}
