/** Pieces that the rows of several kinds share. */
import { isObject, stringAt, type JsonObject } from '../json.ts';
import { objectsAt } from '../defaults/pod-spec.ts';
import { formatLabelSelector, labelSelectorFrom } from '../selectors.ts';
import { ageOf } from '../times.ts';

export type Cell = string | number | boolean | null;

export const NONE = '<none>';
export const name = (object: JsonObject): string => stringAt(object, 'metadata', 'name') ?? '';
export const age = (object: JsonObject, nowMs: number): string =>
  ageOf(stringAt(object, 'metadata', 'creationTimestamp'), nowMs);
export const count = (value: unknown): number =>
  Array.isArray(value) ? value.length : isObject(value) ? Object.keys(value).length : 0;
export const text = (value: unknown, fallback: string): string =>
  typeof value === 'string' && value !== ''
    ? value
    : typeof value === 'number' || typeof value === 'boolean'
      ? String(value)
      : fallback;
export const mapText = (map: JsonObject): string =>
  Object.keys(map).length === 0
    ? NONE
    : Object.keys(map)
        .sort()
        .map((key) => `${key}=${text(map[key], '')}`)
        .join(',');

/** A LabelSelector in one line. */
export function selectorText(selector: unknown): string {
  const requirements = labelSelectorFrom(selector) ?? [];
  return requirements.length === 0 ? NONE : formatLabelSelector(requirements);
}

/** The names and images of a template's containers. */
export function containerCells(spec: JsonObject): [string, string] {
  const containers = objectsAt(spec, 'containers');
  return [
    containers.map((container) => text(container['name'], '')).join(','),
    containers.map((container) => text(container['image'], '')).join(','),
  ];
}

/** The first items and how many more there are. */
export function firstOf(items: readonly string[], max: number): string {
  return items.length > max ? `${items.slice(0, max).join(',')} + ${items.length - max} more...` : items.join(',');
}
