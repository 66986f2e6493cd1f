/** Label and field selectors of list, watch and deletecollection requests. */
import { matchesLabels, parseLabelSelector, SelectorError } from '../schema/index.ts';
import { asArray, asObject, asString, memberAt } from './json.ts';
import type { Resource } from './resources.ts';
import { badRequest } from './status-error.ts';
import type { KubeObject } from './types.ts';

export type Predicate = (object: KubeObject) => boolean;

type Labels = Readonly<Record<string, string>>;
type LabelTest = (labels: Labels) => boolean;

/** Fields that a resource can be selected by, beside `metadata.name` and `metadata.namespace`. */
const SELECTABLE: Readonly<Record<string, readonly string[]>> = {
  '/pods': [
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'spec.hostNetwork',
    'status.phase',
    'status.podIP',
    'status.nominatedNodeName',
  ],
  '/events': [
    'involvedObject.kind',
    'involvedObject.namespace',
    'involvedObject.name',
    'involvedObject.uid',
    'involvedObject.apiVersion',
    'involvedObject.resourceVersion',
    'involvedObject.fieldPath',
    'reason',
    'reportingComponent',
    'source',
    'type',
  ],
  '/secrets': ['type'],
  '/namespaces': ['status.phase'],
  '/nodes': ['spec.unschedulable'],
  '/services': ['spec.clusterIP', 'spec.type'],
  'apps/replicasets': ['status.replicas'],
  'batch/jobs': ['status.successful'],
};

/** Both selectors of a request as one test; undefined when everything matches. */
export function selectionOf(
  resource: Resource,
  labelSelector: string | undefined,
  fieldSelector: string | undefined,
): Predicate | undefined {
  const labels = labelSelector === undefined || labelSelector.trim() === '' ? undefined : labelTest(labelSelector);
  const fields =
    fieldSelector === undefined || fieldSelector.trim() === ''
      ? undefined
      : parseFieldSelector(resource, fieldSelector);
  if (labels === undefined && fields === undefined) return undefined;
  return (object) => (labels?.(object.metadata.labels ?? {}) ?? true) && (fields?.(object) ?? true);
}

/** `a=b,c!=d,e in (f,g),h notin (i),j,!k`; 400 when it doesn't parse. */
function labelTest(text: string): LabelTest {
  try {
    const selector = parseLabelSelector(text);
    return (labels) => matchesLabels(selector, labels);
  } catch (error) {
    if (error instanceof SelectorError) throw badRequest(error.message);
    throw error;
  }
}

/** A `metav1.LabelSelector` as a test; an absent selector matches nothing, an empty one everything. */
export function labelSelectorTest(selector: unknown): LabelTest {
  const object = asObject(selector);
  if (object === undefined) return () => false;
  const wanted = Object.entries(asObject(object['matchLabels']) ?? {});
  const expressions = asArray(object['matchExpressions']).map((entry) => ({
    key: asString(asObject(entry)?.['key']) ?? '',
    operator: asString(asObject(entry)?.['operator']),
    values: asArray(asObject(entry)?.['values']),
  }));
  return (labels) =>
    wanted.every(([key, value]) => labels[key] === value) &&
    expressions.every(({ key, operator, values }) => {
      const value = labels[key];
      switch (operator) {
        case 'In':
          return value !== undefined && values.includes(value);
        case 'NotIn':
          return value === undefined || !values.includes(value);
        case 'Exists':
          return value !== undefined;
        case 'DoesNotExist':
          return value === undefined;
        default:
          return false;
      }
    });
}

/** A `metav1.LabelSelector` as the text that a Scale's `status.selector` has. */
export function formatLabelSelector(selector: unknown): string {
  const object = asObject(selector);
  if (object === undefined) return '';
  const parts = Object.entries(asObject(object['matchLabels']) ?? {}).map(([key, value]) => `${key}=${String(value)}`);
  for (const entry of asArray(object['matchExpressions'])) {
    const { key, operator, values } = asObject(entry) ?? {};
    const list = asArray(values).join(',');
    if (operator === 'In') parts.push(`${String(key)} in (${list})`);
    else if (operator === 'NotIn') parts.push(`${String(key)} notin (${list})`);
    else if (operator === 'Exists') parts.push(String(key));
    else parts.push(`!${String(key)}`);
  }
  return parts.sort().join(',');
}

function parseFieldSelector(resource: Resource, text: string): Predicate {
  const tests = text
    .split(',')
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const match = /^\s*([^=!\s]+)\s*(==|=|!=)\s*(.*?)\s*$/s.exec(part);
      if (match === null) throw badRequest(`invalid selector: '${text}'; can't understand '${part}'`);
      const field = match[1] ?? '';
      checkSelectable(resource, field);
      const value = (match[3] ?? '').replaceAll(/\\([,=\\])/g, '$1');
      const negative = match[2] === '!=';
      return (object: KubeObject) => (fieldText(resource, object, field) === value) !== negative;
    });
  return (object) => tests.every((test) => test(object));
}

function checkSelectable(resource: Resource, field: string): void {
  if (field === 'metadata.name' || (field === 'metadata.namespace' && resource.namespaced)) return;
  if (SELECTABLE[resource.bucket]?.includes(field) || resource.custom?.selectableFields.includes(field)) return;
  throw badRequest(`field label not supported: ${field}`);
}

function fieldText(resource: Resource, object: KubeObject, field: string): string {
  if (resource.bucket === '/events' && field === 'source')
    return asString(memberAt(object, 'source', 'component')) ?? '';
  const value = memberAt(object, ...field.split('.'));
  if (value === undefined || value === null)
    return field === 'spec.hostNetwork' || field === 'spec.unschedulable' ? 'false' : '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
