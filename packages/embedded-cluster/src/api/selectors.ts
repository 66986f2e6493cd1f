/** Label and field selectors of list, watch and deletecollection requests. */
import { asArray, asObject, asString, memberAt } from './json.ts';
import type { Resource } from './resources.ts';
import { badRequest } from './status-error.ts';
import type { KubeObject } from './types.ts';

export type Predicate = (object: KubeObject) => boolean;

type Labels = Readonly<Record<string, string>>;
type LabelTest = (labels: Labels) => boolean;

const KEY_PATTERN =
  /^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const VALUE_PATTERN = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

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
  const labels =
    labelSelector === undefined || labelSelector.trim() === '' ? undefined : parseLabelSelector(labelSelector);
  const fields =
    fieldSelector === undefined || fieldSelector.trim() === ''
      ? undefined
      : parseFieldSelector(resource, fieldSelector);
  if (labels === undefined && fields === undefined) return undefined;
  return (object) => (labels?.(object.metadata.labels ?? {}) ?? true) && (fields?.(object) ?? true);
}

/** `a=b,c!=d,e in (f,g),h notin (i),j,!k`; 400 when it doesn't parse. */
export function parseLabelSelector(text: string): LabelTest {
  const tests = splitTopLevel(text).map((part) => parseRequirement(part.trim(), text));
  return (labels) => tests.every((test) => test(labels));
}

function parseRequirement(part: string, whole: string): LabelTest {
  const absent = /^!\s*(\S+)$/.exec(part);
  if (absent !== null) {
    const key = checkedKey(absent[1] ?? '', whole);
    return (labels) => labels[key] === undefined;
  }
  const set = /^(\S+)\s+(in|notin)\s*\((.*)\)$/s.exec(part);
  if (set !== null) {
    const key = checkedKey(set[1] ?? '', whole);
    const values = new Set((set[3] ?? '').split(',').map((value) => checkedValue(value.trim(), whole)));
    if (set[2] === 'in') return (labels) => labels[key] !== undefined && values.has(labels[key]);
    return (labels) => labels[key] === undefined || !values.has(labels[key]);
  }
  const equality = /^(.*?)\s*(==|=|!=|>|<)\s*(.*)$/s.exec(part);
  if (equality !== null) {
    const key = checkedKey((equality[1] ?? '').trim(), whole);
    const value = checkedValue((equality[3] ?? '').trim(), whole);
    switch (equality[2]) {
      case '!=':
        return (labels) => labels[key] !== value;
      case '>':
        return (labels) => labels[key] !== undefined && Number(labels[key]) > Number(value);
      case '<':
        return (labels) => labels[key] !== undefined && Number(labels[key]) < Number(value);
      default:
        return (labels) => labels[key] === value;
    }
  }
  const key = checkedKey(part, whole);
  return (labels) => labels[key] !== undefined;
}

function checkedKey(key: string, whole: string): string {
  if (!KEY_PATTERN.test(key)) throw unparsable(whole, `found '${key}', expected: a label key`);
  return key;
}

function checkedValue(value: string, whole: string): string {
  if (!VALUE_PATTERN.test(value)) {
    throw unparsable(
      whole,
      `values[0][]: Invalid value: ${JSON.stringify(value)}: a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.'`,
    );
  }
  return value;
}

function unparsable(whole: string, why: string): Error {
  return badRequest(`unable to parse requirement: ${why} (in label selector ${JSON.stringify(whole)})`);
}

/** Splits at commas that are not inside parentheses. */
function splitTopLevel(text: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let index = 0; index < text.length; index += 1) {
    const char = text[index];
    if (char === '(') depth += 1;
    else if (char === ')') depth -= 1;
    else if (char === ',' && depth === 0) {
      parts.push(text.slice(start, index));
      start = index + 1;
    }
  }
  parts.push(text.slice(start));
  return parts.filter((part) => part.trim() !== '');
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
  throw badRequest(
    `Unable to find ${JSON.stringify(`${resource.group === '' ? '' : `${resource.group}/`}${resource.version}, Resource=${resource.plural}`)} that match label selector "", field selector ${JSON.stringify(field)}: field label not supported: ${field}`,
  );
}

function fieldText(resource: Resource, object: KubeObject, field: string): string {
  if (resource.bucket === '/events' && field === 'source')
    return asString(memberAt(object, 'source', 'component')) ?? '';
  const value = memberAt(object, ...field.split('.'));
  if (value === undefined || value === null)
    return field === 'spec.hostNetwork' || field === 'spec.unschedulable' ? 'false' : '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value as string | number | boolean);
}
