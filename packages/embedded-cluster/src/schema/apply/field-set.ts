/**
 * Sets of field paths: who owns what. A set is a tree; a node that is owned is a member of the set.
 *
 *     f:spec ── f:replicas (owned)
 *            └─ f:containers ── k:{"name":"a"} (owned) ── f:image (owned)
 *
 * Steps are written as in `fieldsV1`: `f:` a field, `k:` a list item by its keys, `v:` a set item by its value.
 * (Kubernetes documentation, "Server-Side Apply", field management.)
 */
import { canonicalJson, isObject, setOwn, type JsonObject } from '../json.ts';

export class FieldSet {
  owned = false;
  readonly children = new Map<string, FieldSet>();

  /** Reads the `fieldsV1` of a managed fields entry. */
  static from(fieldsV1: unknown): FieldSet {
    const set = new FieldSet();
    if (!isObject(fieldsV1)) return set;
    for (const step of Object.keys(fieldsV1)) {
      if (step === '.') {
        set.owned = true;
        continue;
      }
      const child = FieldSet.from(fieldsV1[step]);
      if (child.children.size === 0) child.owned = true;
      set.children.set(step, child);
    }
    return set;
  }

  /** Writes `fieldsV1`. */
  toJson(): JsonObject {
    const json: JsonObject = {};
    if (this.owned && this.children.size > 0) json['.'] = {};
    for (const step of [...this.children.keys()].sort()) setOwn(json, step, this.children.get(step)?.toJson());
    return json;
  }

  isEmpty(): boolean {
    return !this.owned && this.children.size === 0;
  }

  /** The node of a step, made if it is not there. */
  descend(step: string): FieldSet {
    let child = this.children.get(step);
    if (child === undefined) {
      child = new FieldSet();
      this.children.set(step, child);
    }
    return child;
  }

  /** Marks a path as a member. */
  insert(path: readonly string[]): void {
    const [step, ...rest] = path;
    if (step === undefined) this.owned = true;
    else this.descend(step).insert(rest);
  }

  has(step: string): boolean {
    return this.children.get(step)?.owned === true;
  }

  union(other: FieldSet): FieldSet {
    const result = this.#copy();
    if (other.owned) result.owned = true;
    for (const [step, child] of other.children) {
      const mine = result.children.get(step);
      result.children.set(step, mine === undefined ? child.#copy() : mine.union(child));
    }
    return result;
  }

  /** The members that the other set has not. */
  difference(other: FieldSet): FieldSet {
    const result = new FieldSet();
    result.owned = this.owned && !other.owned;
    for (const [step, child] of this.children) {
      const theirs = other.children.get(step);
      const rest = theirs === undefined ? child.#copy() : child.difference(theirs);
      if (!rest.isEmpty()) result.children.set(step, rest);
    }
    return result;
  }

  /** Like `difference`; a member of the other set takes everything below it away, too. */
  without(other: FieldSet): FieldSet {
    const result = new FieldSet();
    result.owned = this.owned && !other.owned;
    for (const [step, child] of this.children) {
      const theirs = other.children.get(step);
      if (theirs?.owned === true) continue;
      const rest = theirs === undefined ? child.#copy() : child.without(theirs);
      if (!rest.isEmpty()) result.children.set(step, rest);
    }
    return result;
  }

  intersection(other: FieldSet): FieldSet {
    const result = new FieldSet();
    result.owned = this.owned && other.owned;
    const [fewer, more] = this.children.size <= other.children.size ? [this, other] : [other, this];
    for (const [step, child] of fewer.children) {
      const theirs = more.children.get(step);
      if (theirs === undefined) continue;
      const common = child.intersection(theirs);
      if (!common.isEmpty()) result.children.set(step, common);
    }
    return result;
  }

  equals(other: FieldSet): boolean {
    return (
      this.owned === other.owned &&
      this.children.size === other.children.size &&
      [...this.children].every(([step, child]) => other.children.get(step)?.equals(child) === true)
    );
  }

  /** The members as texts such as `.spec.containers[name="a"].image`, in order. */
  paths(prefix = ''): string[] {
    const result: string[] = [];
    for (const step of [...this.children.keys()].sort()) {
      const path = prefix + stepText(step);
      const child = this.children.get(step);
      if (child?.owned === true) result.push(path);
      result.push(...(child?.paths(path) ?? []));
    }
    return result;
  }

  #copy(): FieldSet {
    const result = new FieldSet();
    result.owned = this.owned;
    for (const [step, child] of this.children) result.children.set(step, child.#copy());
    return result;
  }
}

export function fieldStep(name: string): string {
  return `f:${name}`;
}

/** The step of a list item by its keys; keys in order of their names. */
export function keyStep(keys: JsonObject): string {
  return `k:${canonicalJson(keys)}`;
}

export function valueStep(value: unknown): string {
  return `v:${canonicalJson(value)}`;
}

/** How a step appears in a conflict's path. */
export function stepText(step: string): string {
  const rest = step.slice(2);
  switch (step[0]) {
    case 'f':
      return `.${rest}`;
    case 'k':
      return `[${Object.entries(JSON.parse(rest) as JsonObject)
        .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
        .join(',')}]`;
    case 'v':
      return `[=${rest}]`;
    default:
      return `[${rest}]`;
  }
}
