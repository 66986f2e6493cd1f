/**
 * Label and field selectors: parsing and matching. (Kubernetes documentation, "Labels and Selectors" and "Field Selectors".)
 */
import { MeshError } from '@mesh/runtime';
import { goQuote } from './field-error.ts';
import { isObject, listAt, objectAt, type JsonObject } from './json.ts';
import { labelKeyErrors, labelValueErrors } from './names.ts';

export type LabelOperator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';

export interface LabelRequirement {
  readonly key: string;
  readonly operator: LabelOperator;
  readonly values: readonly string[];
}

/** All requirements must hold; an empty list selects everything. */
export type LabelSelector = readonly LabelRequirement[];

export interface FieldRequirement {
  readonly field: string;
  readonly negated: boolean;
  readonly value: string;
}

/** A selector that cannot be read; the message is what the API server answers with 400. */
export class SelectorError extends MeshError<{ readonly code: 'selector_invalid' }> {
  override readonly name = 'SelectorError';
  constructor(message: string) {
    super({ code: 'selector_invalid' }, message);
  }
}

type Labels = Readonly<Record<string, unknown>>;

/**
 * Parses a selector such as `app=web,tier in (a, b),!legacy`.
 * @throws SelectorError
 */
export function parseLabelSelector(text: string): LabelSelector {
  const parser = new SelectorParser(text);
  return parser.parse();
}

const TOKEN = /\s*(?:(==|!=|=|>|<|!|\(|\)|,)|([^\s=!<>(),]+))/y;

class SelectorParser {
  readonly #tokens: string[] = [];
  #at = 0;

  constructor(text: string) {
    TOKEN.lastIndex = 0;
    const trimmed = text.trimEnd();
    while (TOKEN.lastIndex < trimmed.length) {
      const match = TOKEN.exec(trimmed);
      if (match === null) break;
      this.#tokens.push(match[1] ?? match[2] ?? '');
    }
  }

  parse(): LabelRequirement[] {
    const requirements: LabelRequirement[] = [];
    const first = this.#peek();
    if (first === undefined) return requirements;
    if (/^[=<>(),]|^!=/.test(first))
      throw new SelectorError(`found '${first}', expected: !, identifier, or 'end of string'`);
    for (;;) {
      requirements.push(this.#requirement());
      const next = this.#next();
      if (next === undefined) return requirements;
      if (next !== ',') throw new SelectorError(`found '${next}', expected: ',' or 'end of string'`);
    }
  }

  #requirement(): LabelRequirement {
    let key = this.#next();
    const negated = key === '!';
    if (negated) key = this.#next();
    if (key === undefined || /^[=!<>(),]/.test(key)) throw this.#error(key ?? '', 'identifier');
    const keyError = labelKeyErrors(key)[0];
    if (keyError !== undefined)
      throw new SelectorError(`unable to parse requirement: key: Invalid value: ${goQuote(key)}: ${keyError}`);
    const operator = this.#peek();
    if (negated || operator === undefined || operator === ',')
      return { key, operator: negated ? 'DoesNotExist' : 'Exists', values: [] };
    this.#next();
    switch (operator) {
      case '=':
      case '==':
        return this.#checked({ key, operator: 'In', values: [this.#exactValue()] });
      case '!=':
        return this.#checked({ key, operator: 'NotIn', values: [this.#exactValue()] });
      case '>':
      case '<':
        return this.#compared(key, operator === '>' ? 'Gt' : 'Lt');
      case 'in':
        return this.#checked({ key, operator: 'In', values: this.#values() });
      case 'notin':
        return this.#checked({ key, operator: 'NotIn', values: this.#values() });
      default:
        throw this.#error(operator, 'in, notin, =, ==, !=, gt, lt');
    }
  }

  #compared(key: string, operator: 'Gt' | 'Lt'): LabelRequirement {
    const value = this.#exactValue();
    if (!/^-?\d+$/.test(value))
      throw new SelectorError(
        `unable to parse requirement: values[0][${key}]: Invalid value: ${goQuote(value)}: for 'Gt', 'Lt' operators, the value must be an integer`,
      );
    return { key, operator, values: [value] };
  }

  #checked(requirement: LabelRequirement): LabelRequirement {
    requirement.values.forEach((value, index) => {
      const problem = labelValueErrors(value)[0];
      if (problem !== undefined)
        throw new SelectorError(
          `unable to parse requirement: values[${index}][${requirement.key}]: Invalid value: ${goQuote(value)}: ${problem}`,
        );
    });
    return requirement;
  }

  #exactValue(): string {
    const token = this.#peek();
    if (token === undefined || token === ',') return '';
    this.#next();
    if (/^[=!<>()]/.test(token)) throw this.#error(token, 'identifier');
    return token;
  }

  #values(): string[] {
    const open = this.#next();
    if (open !== '(') throw this.#error(open ?? '', "'('");
    const values: string[] = [];
    let expectsValue = true;
    for (;;) {
      const token = this.#next();
      if (token === undefined) throw this.#error('', "',', ')' or identifier");
      if (token === ')') {
        if (expectsValue) values.push('');
        return [...new Set(values)].sort();
      }
      if (token === ',') {
        if (expectsValue) values.push('');
        expectsValue = true;
      } else {
        values.push(token);
        expectsValue = false;
      }
    }
  }

  #peek(): string | undefined {
    return this.#tokens[this.#at];
  }

  #next(): string | undefined {
    return this.#tokens[this.#at++];
  }

  #error(found: string, expected: string): SelectorError {
    return new SelectorError(`unable to parse requirement: found '${found}', expected: ${expected}`);
  }
}

/** The requirements of a `LabelSelector` object; undefined (no selector) selects nothing. */
export function labelSelectorFrom(selector: unknown): LabelSelector | undefined {
  if (!isObject(selector)) return undefined;
  const requirements: LabelRequirement[] = [];
  for (const [key, value] of Object.entries(objectAt(selector, 'matchLabels')))
    requirements.push({ key, operator: 'In', values: [String(value)] });
  for (const expression of listAt(selector, 'matchExpressions')) {
    if (!isObject(expression)) continue;
    requirements.push({
      key: String(expression['key']),
      operator: expression['operator'] as LabelOperator,
      values: listAt(expression, 'values').map(String),
    });
  }
  return requirements;
}

/** Whether labels satisfy a selector; `undefined` selects nothing. */
export function matchesLabels(selector: LabelSelector | undefined, labels: Labels | undefined): boolean {
  return selector !== undefined && selector.every((requirement) => holds(requirement, labels ?? {}));
}

function holds({ key, operator, values }: LabelRequirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? String(labels[key]) : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt': {
      if (value === undefined || !/^-?\d+$/.test(value)) return false;
      const order = BigInt(value) - BigInt(values[0] ?? '0');
      return operator === 'Gt' ? order > 0n : order < 0n;
    }
    default:
      return false;
  }
}

/** The text form of a selector, as `status.selector` of a scale carries it. */
export function formatLabelSelector(selector: LabelSelector): string {
  return [...selector]
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ key, operator, values }) => {
      switch (operator) {
        case 'In':
          return values.length === 1 ? `${key}=${values[0]}` : `${key} in (${[...values].sort().join(',')})`;
        case 'NotIn':
          return values.length === 1 ? `${key}!=${values[0]}` : `${key} notin (${[...values].sort().join(',')})`;
        case 'Exists':
          return key;
        case 'DoesNotExist':
          return `!${key}`;
        case 'Gt':
          return `${key}>${values[0]}`;
        case 'Lt':
          return `${key}<${values[0]}`;
        default:
          return '';
      }
    })
    .join(',');
}

/**
 * Parses a field selector such as `metadata.name=web,status.phase!=Running`; `\,`, `\=` and `\\` are escapes.
 * @throws SelectorError
 */
export function parseFieldSelector(text: string): readonly FieldRequirement[] {
  const requirements: FieldRequirement[] = [];
  for (const term of splitUnescaped(text)) {
    if (term === '') continue;
    const match = /^((?:[^=!\\]|\\.)*?)(==|!=|=)((?:[^\\]|\\.)*)$/s.exec(term);
    if (match === null) throw new SelectorError(`invalid selector: '${text}'; can't understand '${term}'`);
    const [, field = '', operator = '', raw = ''] = match;
    requirements.push({ field, negated: operator === '!=', value: unescape(raw) });
  }
  return requirements;
}

function splitUnescaped(text: string): string[] {
  const terms: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === ',') {
      terms.push(text.slice(start, at));
      start = at + 1;
    }
  }
  terms.push(text.slice(start));
  return terms;
}

function unescape(value: string): string {
  return value.replaceAll(/\\([\\,=])|\\(.?)/gs, (whole, known: string | undefined) => {
    if (known !== undefined) return known;
    throw new SelectorError(`invalid field selector: invalid escape sequence: ${whole}`);
  });
}

/** Fields that every kind can be selected by, and those of single kinds (`group/kind`). */
const SELECTABLE_FIELDS: Readonly<Record<string, readonly string[]>> = {
  '/Pod': [
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'spec.hostNetwork',
    'status.phase',
    'status.podIP',
    'status.podIPs',
    'status.nominatedNodeName',
  ],
  '/Event': [
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
  'events.k8s.io/Event': [
    'regarding.kind',
    'regarding.namespace',
    'regarding.name',
    'regarding.uid',
    'regarding.apiVersion',
    'regarding.resourceVersion',
    'regarding.fieldPath',
    'reason',
    'reportingController',
    'type',
  ],
  '/Secret': ['type'],
  '/Service': ['spec.clusterIP', 'spec.type'],
  '/Namespace': ['status.phase'],
  '/Node': ['spec.unschedulable'],
  '/ReplicationController': ['status.replicas'],
  'apps/ReplicaSet': ['status.replicas'],
  'batch/Job': ['status.successful'],
  'certificates.k8s.io/CertificateSigningRequest': ['spec.signerName'],
};

const FIELD_DEFAULTS: Readonly<Record<string, string>> = {
  'spec.hostNetwork': 'false',
  'spec.unschedulable': 'false',
  'status.replicas': '0',
};

/**
 * The predicate of a field selector for one kind.
 * @param extraFields Fields that a custom resource declares as selectable; absent for built-in kinds.
 * @throws SelectorError for a field that the kind cannot be selected by.
 */
export function fieldMatcher(
  requirements: readonly FieldRequirement[],
  kind: { readonly group: string; readonly kind: string },
  extraFields?: readonly string[],
): (object: JsonObject) => boolean {
  const known = [
    ...(SELECTABLE_FIELDS[`${kind.group}/${kind.kind}`] ?? []),
    ...(extraFields ?? []),
    'metadata.name',
    'metadata.namespace',
  ];
  for (const { field } of requirements) {
    if (known.includes(field)) continue;
    if (kind.group === '' || extraFields !== undefined || SELECTABLE_FIELDS[`${kind.group}/${kind.kind}`] !== undefined)
      throw new SelectorError(`field label not supported: ${field}`);
    throw new SelectorError(
      `${goQuote(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`,
    );
  }
  return (object) =>
    requirements.every(({ field, negated, value }) => (fieldText(object, field) === value) !== negated);
}

function fieldText(object: JsonObject, field: string): string {
  let value: unknown = object;
  for (const part of field.split('.')) value = isObject(value) ? value[part] : undefined;
  if (value === undefined || value === null) return FIELD_DEFAULTS[field] ?? '';
  if (isObject(value)) return field === 'source' && typeof value['component'] === 'string' ? value['component'] : '';
  if (Array.isArray(value)) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
