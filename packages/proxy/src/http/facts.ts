/** What decisions look at in a request, the same whichever version of HTTP brought it. Strings are made only when somebody asks. */
import { absoluteAuthority, fieldKind, fieldValue } from '@mesh/wire';
import type { Http1Head } from '@mesh/wire';

export interface RequestFacts {
  /** Version of HTTP that the client speaks: which of a policy's route lists rules the request. */
  readonly version: 1 | 2;
  method(): string;
  /** Host and port as the client wrote them: absolute target, Host or `:authority`; empty when there is none. */
  authority(): string;
  /** Path with query, in origin form. */
  path(): string;
  /** Value of the field, several of the same name joined by commas. @param name Lower case. */
  field(name: string): string | undefined;
  /** Value of the first field of a kind (HEADER.x of `@mesh/wire`): cheap when there is none. */
  known(kind: number): string | undefined;
}

/** A view of a head that is reused for request after request. */
export class Http1Facts implements RequestFacts {
  readonly version = 1;
  readonly #head: Http1Head;

  constructor(head: Http1Head) {
    this.#head = head;
  }

  method(): string {
    return this.#head.methodText();
  }

  authority(): string {
    const head = this.#head;
    const absolute = absoluteAuthority(head);
    if (absolute === undefined) return head.host < 0 ? '' : head.value(head.host);
    return head.target().slice(absolute[0] - head.targetStart, absolute[1] - head.targetStart);
  }

  path(): string {
    const head = this.#head;
    const absolute = absoluteAuthority(head);
    return absolute === undefined ? head.target() : head.target().slice(absolute[1] - head.targetStart) || '/';
  }

  field(name: string): string | undefined {
    const head = this.#head;
    let value: string | undefined;
    for (let index = 0; index < head.count; index += 1) {
      if (head.nameEnd(index) - head.nameStart(index) !== name.length || head.name(index) !== name) continue;
      value = value === undefined ? head.value(index) : `${value}, ${head.value(index)}`;
    }
    return value;
  }

  known(kind: number): string | undefined {
    const index = this.#head.find(kind);
    return index < 0 ? undefined : this.#head.value(index);
  }
}

/** A request's field list, pseudo fields first. */
export class Http2Facts implements RequestFacts {
  readonly version = 2;
  readonly #fields: readonly string[];

  constructor(fields: readonly string[]) {
    this.#fields = fields;
  }

  method(): string {
    return fieldValue(this.#fields, ':method') ?? '';
  }

  authority(): string {
    return fieldValue(this.#fields, ':authority') ?? fieldValue(this.#fields, 'host') ?? '';
  }

  path(): string {
    return fieldValue(this.#fields, ':path') ?? '';
  }

  field(name: string): string | undefined {
    let value: string | undefined;
    for (let at = 0; at < this.#fields.length; at += 2) {
      if (this.#fields[at] !== name) continue;
      const next = this.#fields[at + 1] as string;
      value = value === undefined ? next : `${value}, ${next}`;
    }
    return value;
  }

  known(kind: number): string | undefined {
    for (let at = 0; at < this.#fields.length; at += 2) {
      if (fieldKind(this.#fields[at] as string) === kind) return this.#fields[at + 1];
    }
    return undefined;
  }
}
