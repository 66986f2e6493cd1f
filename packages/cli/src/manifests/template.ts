/**
 * Manifests that depend on values, written once and read twice: `evaluate` makes objects of them for the command line, and
 * `chart-template.ts` prints them as templates of the Helm charts. A manifest is plain data in which any value may be an `Expression`
 * and any entry of a map or a list may be `when(…)`.
 */
import type { ControlPlaneValues } from '../values/control-plane.ts';
import type { MulticlusterValues } from '../values/multicluster.ts';
import { isMap } from '../values/spec.ts';
import type { Manifest } from './object.ts';

/** What expressions are evaluated over. */
export interface Scope {
  readonly values: unknown;
  readonly namespace: string;
}

/** One computed value, in both languages. `helm` is an operand of a template pipeline: a path, a literal, or in parentheses. */
export class Expression<T = unknown> {
  readonly evaluate: (scope: Scope) => T;
  readonly helm: string;
  /** Maps and lists are printed as YAML below their key, everything else as JSON beside it. */
  readonly isTree: boolean;

  constructor(evaluate: (scope: Scope) => T, helm: string, isTree = false) {
    this.evaluate = evaluate;
    this.helm = helm;
    this.isTree = isTree;
  }
}

/** A literal, or something computed. */
export type Text = string | Expression<string>;

/** An entry that is there only if `condition` holds; otherwise `otherwise`, if given. */
export class When {
  readonly condition: Expression<boolean>;
  readonly node: unknown;
  readonly otherwise: unknown;

  constructor(condition: Expression<boolean>, node: unknown, otherwise: unknown) {
    this.condition = condition;
    this.node = node;
    this.otherwise = otherwise;
  }
}

export function when(condition: Expression<boolean>, node: unknown, otherwise?: unknown): When {
  return new When(condition, node, otherwise);
}

type Leaf = string | number | boolean | readonly unknown[];
/** Dotted paths of `V`, to typed leaves and to groups. */
type PathOf<V> = {
  [K in keyof V & string]: V[K] extends Leaf ? K : K | `${K}.${PathOf<V[K]>}`;
}[keyof V & string];
type AtPath<V, P extends string> = P extends `${infer K}.${infer Rest}`
  ? K extends keyof V
    ? AtPath<V[K], Rest>
    : never
  : P extends keyof V
    ? V[P]
    : never;

function valueOf<V>() {
  return <P extends PathOf<V>>(path: P): Expression<AtPath<V, P>> =>
    new Expression((scope) => at(scope.values, path) as AtPath<V, P>, `.Values.${path}`);
}

/** A value of the control plane, by its path. */
export const core = valueOf<ControlPlaneValues>();
/** A value of the multi-cluster extension, by its path. */
export const extension = valueOf<MulticlusterValues>();

/** Values that both have, with the same meaning. */
type SharedValues = {
  readonly [K in keyof ControlPlaneValues & keyof MulticlusterValues]: ControlPlaneValues[K];
};
export const shared = valueOf<SharedValues>();

function at(tree: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((node, key) => (isMap(node) ? node[key] : undefined), tree);
}

/** The namespace that the objects go to. */
export const NAMESPACE = new Expression<string>((scope) => scope.namespace, '.Release.Namespace');

function helmOf(part: unknown): string {
  return part instanceof Expression ? part.helm : JSON.stringify(part);
}

function resolve<T>(part: T | Expression<T>, scope: Scope): T {
  return part instanceof Expression ? part.evaluate(scope) : part;
}

/** Text with values in it: text`linkerd-${NAMESPACE}-identity`. */
export function text(strings: TemplateStringsArray, ...parts: readonly (string | number | Expression)[]): Text {
  if (!parts.some((part) => part instanceof Expression)) return String.raw({ raw: strings }, ...parts);
  const format = strings.map((string) => string.replaceAll('%', '%%')).join('%v');
  return new Expression(
    (scope) => strings.reduce((all, string, index) => all + String(resolve(parts[index - 1], scope)) + string),
    `(printf ${JSON.stringify(format)} ${parts.map(helmOf).join(' ')})`,
  );
}

/** Numbers and booleans as text, for environment variables. */
export function asText(value: Expression): Expression<string> {
  return new Expression((scope) => String(value.evaluate(scope)), `(toString ${value.helm})`);
}

/** A text that people may have written as a bare number. */
export function looseText(value: Expression<string>): Expression<string> {
  return new Expression((scope) => value.evaluate(scope), `(toJson ${value.helm} | trimAll "\\"")`);
}

/** A map or a list of the user's. */
export function tree(value: Expression): Expression {
  return new Expression((scope) => value.evaluate(scope), value.helm, true);
}

/** `base` with the user's entries over it. */
export function overlaid(
  base: Readonly<Record<string, Text>>,
  ...over: readonly Expression<Readonly<Record<string, string>>>[]
): Expression {
  const pairs = Object.entries(base).map(([key, value]) => `${JSON.stringify(key)} ${helmOf(value)}`);
  return new Expression(
    (scope) =>
      Object.fromEntries(
        [evaluate(base, scope) as object, ...over.map((each) => each.evaluate(scope))].flatMap((map) =>
          Object.entries(map),
        ),
      ),
    `(mergeOverwrite (dict ${pairs.join(' ')}) ${over.map((each) => `(deepCopy ${each.helm})`).join(' ')})`,
    true,
  );
}

export function base64(value: Expression<string>): Expression<string> {
  return new Expression(
    (scope) => Buffer.from(value.evaluate(scope), 'utf8').toString('base64'),
    `(b64enc ${value.helm})`,
  );
}

/** `value`, or `fallback` when it is empty. */
export function orElse<T>(value: Expression<T>, fallback: T | Expression<T>): Expression<T> {
  return new Expression(
    (scope) => {
      const given = value.evaluate(scope);
      return isEmpty(given) ? resolve(fallback, scope) : given;
    },
    `(default ${helmOf(fallback)} ${value.helm})`,
  );
}

export function choose<T>(
  condition: Expression<boolean>,
  yes: T | Expression<T>,
  no: T | Expression<T>,
): Expression<T> {
  return new Expression(
    (scope) => resolve(condition.evaluate(scope) ? yes : no, scope),
    `(ternary ${helmOf(yes)} ${helmOf(no)} ${condition.helm})`,
  );
}

/** PEM bundles end with a newline, once. */
export function withNewline(value: Expression<string>): Expression<string> {
  return new Expression((scope) => `${value.evaluate(scope).trim()}\n`, `(printf "%s\\n" (trim ${value.helm}))`);
}

/** Not empty: some text, a number but 0, true, an entry at least. */
export function isSet(value: Expression): Expression<boolean> {
  return new Expression((scope) => !isEmpty(value.evaluate(scope)), `(not (empty ${value.helm}))`);
}

export function not(value: Expression<boolean>): Expression<boolean> {
  return new Expression((scope) => !value.evaluate(scope), `(not ${value.helm})`);
}

export function both(...conditions: readonly Expression<boolean>[]): Expression<boolean> {
  return new Expression(
    (scope) => conditions.every((each) => each.evaluate(scope)),
    `(and ${conditions.map((each) => each.helm).join(' ')})`,
  );
}

export function anyOf(...conditions: readonly Expression<boolean>[]): Expression<boolean> {
  return new Expression(
    (scope) => conditions.some((each) => each.evaluate(scope)),
    `(or ${conditions.map((each) => each.helm).join(' ')})`,
  );
}

export function equals(value: Expression<string>, other: string): Expression<boolean> {
  return new Expression((scope) => value.evaluate(scope) === other, `(eq ${value.helm} ${JSON.stringify(other)})`);
}

/** Helm reads numbers as floats, hence the conversion. */
export function isAbove(value: Expression<number>, limit: number): Expression<boolean> {
  return new Expression(
    (scope) => value.evaluate(scope) > limit,
    `(gt (int ${value.helm}) ${limit < 0 ? `(int "${limit}")` : limit})`,
  );
}

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (isMap(value)) return Object.keys(value).length === 0;
  return value === undefined || value === null || value === '' || value === 0 || value === false;
}

const OMIT = Symbol('omit');

/** The plain data that a template stands for. */
export function evaluate(node: unknown, scope: Scope): unknown {
  const result = evaluateEntry(node, scope);
  return result === OMIT ? undefined : result;
}

/** The objects of a list of manifests, in its order; entries may be `when(…)`. */
export function evaluateManifests(nodes: readonly unknown[], scope: Scope): readonly Manifest[] {
  return evaluate(nodes, scope) as readonly Manifest[];
}

function evaluateEntry(node: unknown, scope: Scope): unknown {
  if (node instanceof Expression) return node.evaluate(scope);
  if (node instanceof When) {
    if (node.condition.evaluate(scope)) return evaluateEntry(node.node, scope);
    return node.otherwise === undefined ? OMIT : evaluateEntry(node.otherwise, scope);
  }
  if (Array.isArray(node)) {
    return node.map((item) => evaluateEntry(item, scope)).filter((item) => item !== OMIT);
  }
  if (!isMap(node)) return node;
  const result: Record<string, unknown> = {};
  for (const [key, child] of Object.entries(node)) {
    const value = evaluateEntry(child, scope);
    if (value !== OMIT && value !== undefined) result[key] = value;
  }
  return result;
}
