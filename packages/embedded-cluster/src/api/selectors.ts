/** Label and field selectors of list, watch and deletecollection requests. */
import {
  fieldMatcher,
  labelSelectorFrom,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
  SelectorError,
} from '../schema/index.ts';
import type { Resource } from './resources.ts';
import { badRequest } from './status-error.ts';
import type { KubeObject } from './types.ts';

export type Predicate = (object: KubeObject) => boolean;

type Labels = Readonly<Record<string, string>>;

/** Both selectors of a request as one test; undefined when everything matches; 400 when one doesn't parse. */
export function selectionOf(
  resource: Resource,
  labelSelector: string | undefined,
  fieldSelector: string | undefined,
): Predicate | undefined {
  try {
    const labels = isBlank(labelSelector) ? undefined : parseLabelSelector(labelSelector);
    const fields = isBlank(fieldSelector) ? undefined : fieldTest(resource, fieldSelector);
    if (labels === undefined && fields === undefined) return undefined;
    return (object) =>
      (labels === undefined || matchesLabels(labels, object.metadata.labels)) && (fields?.(object) ?? true);
  } catch (error) {
    if (error instanceof SelectorError) throw badRequest(error.message);
    throw error;
  }
}

/** A `metav1.LabelSelector` as a test; an absent selector matches nothing, an empty one everything. */
export function labelSelectorTest(selector: unknown): (labels: Labels) => boolean {
  const requirements = labelSelectorFrom(selector);
  return (labels) => matchesLabels(requirements, labels);
}

/** Objects are tested as they are stored, so the fields are those of the group that stores them. */
function fieldTest(resource: Resource, text: string): Predicate {
  const group = resource.bucket.slice(0, resource.bucket.indexOf('/'));
  return fieldMatcher(parseFieldSelector(text), { group, kind: resource.kind }, resource.custom?.selectableFields);
}

function isBlank(text: string | undefined): text is undefined {
  return text === undefined || text.trim() === '';
}
