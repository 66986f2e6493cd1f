/** Prints manifests as templates of a Helm chart. Which objects they make is decided by the same nodes that `evaluate` reads. */
import { isMap } from '../values/spec.ts';
import { Expression, When } from './template.ts';

const INDENT = 2;

/** A file of a chart's templates. */
export interface TemplateFile {
  readonly name: string;
  readonly manifests: readonly unknown[];
  /** Template language before the first document. */
  readonly preamble?: string;
}

/** The text of a template file: a YAML document for each manifest. */
export function chartTemplate({ manifests, preamble = '' }: TemplateFile): string {
  return preamble + manifests.map((manifest) => printDocument(manifest)).join('');
}

function printDocument(node: unknown): string {
  if (!(node instanceof When)) return `---\n${lines(node, 0).join('\n')}\n`;
  if (node.otherwise !== undefined) throw new Error('a document of a chart cannot have an alternative');
  return `{{- if ${node.condition.helm} }}\n${printDocument(node.node)}{{- end }}\n`;
}

/** The lines of a map or a list at a column. */
function lines(node: unknown, column: number): readonly string[] {
  if (Array.isArray(node)) return node.flatMap((item) => conditional(item, column, (each) => itemLines(each, column)));
  if (!isMap(node)) throw new Error(`not a map or a list: ${String(node)}`);
  return Object.entries(node)
    .filter(([, child]) => child !== undefined)
    .flatMap(([key, child]) => conditional(child, column, (each) => fieldLines(key, each, column)));
}

function conditional(node: unknown, column: number, print: (node: unknown) => readonly string[]): readonly string[] {
  if (!(node instanceof When)) return print(node);
  const pad = ' '.repeat(column);
  return [
    `${pad}{{- if ${node.condition.helm} }}`,
    ...conditional(node.node, column, print),
    ...(node.otherwise === undefined ? [] : [`${pad}{{- else }}`, ...conditional(node.otherwise, column, print)]),
    `${pad}{{- end }}`,
  ];
}

function fieldLines(key: string, node: unknown, column: number): readonly string[] {
  const head = `${' '.repeat(column)}${scalar(key)}:`;
  if (node instanceof Expression && node.isTree) {
    return [head, `${' '.repeat(column + INDENT)}{{- toYaml ${node.helm} | nindent ${column + INDENT} }}`];
  }
  if (isBranch(node)) return [head, ...lines(node, column + INDENT)];
  return [`${head} ${inline(node)}`];
}

/** The first line of an item starts with the dash. */
function itemLines(node: unknown, column: number): readonly string[] {
  const dash = `${' '.repeat(column)}- `;
  if (node instanceof Expression && node.isTree) throw new Error('an item cannot be a tree of values: wrap the list');
  if (!isBranch(node)) return [`${dash}${inline(node)}`];
  const inner = lines(node, column + INDENT);
  const [first = ''] = inner;
  if (first.trimStart().startsWith('{{')) throw new Error('the first field of an item cannot be conditional');
  return [`${dash}${first.trimStart()}`, ...inner.slice(1)];
}

function isBranch(node: unknown): boolean {
  if (Array.isArray(node)) return node.length > 0;
  return isMap(node) && !(node instanceof Expression) && Object.keys(node).length > 0;
}

function inline(node: unknown): string {
  if (node instanceof Expression) return `{{ toJson ${node.helm} }}`;
  if (Array.isArray(node)) return '[]';
  if (isMap(node)) return '{}';
  return typeof node === 'string' ? scalar(node) : JSON.stringify(node);
}

/** Plain where YAML cannot misread it, else JSON, in which YAML sees the same text. Braces of the template language are defused. */
function scalar(text: string): string {
  const isPlain = /^[A-Za-z][A-Za-z0-9_./$()-]*$/.test(text) && !/^(true|false|yes|no|on|off|null|y|n)$/i.test(text);
  if (isPlain) return text;
  return JSON.stringify(text).replaceAll('{{', '{{ "{{" }}');
}
