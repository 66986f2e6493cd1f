/** The fields of a flat list (name, value, name, value) by the same kinds that heads of HTTP/1 have, and edits of such lists. */
import { HEADER, headerBit, HEADER_NAMES } from '../http1/header-kind.ts';

/** Changes to a flat list on its way to an HTTP/2 peer. */
export interface FieldEdits {
  /** Bits of kinds (`headerBit(HEADER.x)`) to leave out. */
  readonly drop: number;
  /** Fields to append, name (lower case) and value alternating. Made by the caller: not checked again. */
  readonly add: readonly string[];
  /** New `:authority`; a Host field is left out with it. */
  readonly authority: string | undefined;
}

export const NO_FIELD_EDITS: FieldEdits = { drop: 0, add: [], authority: undefined };

const KINDS: ReadonlyMap<string, number> = new Map(HEADER_NAMES);

/** One of HEADER for a field name in lower case. */
export function fieldKind(name: string): number {
  return KINDS.get(name) ?? HEADER.other;
}

/** Bits of the kinds that occur in a flat list: one pass, for decisions that need several of them. */
export function fieldKinds(fields: readonly string[]): number {
  let kinds = 0;
  for (let at = 0; at < fields.length; at += 2) kinds |= 1 << fieldKind(fields[at] as string);
  return kinds & ~1;
}

/** The list for the next HTTP/2 hop: a new list, or the same one when nothing changes. */
export function passFields(fields: readonly string[], edits: FieldEdits): readonly string[] {
  const { add, authority } = edits;
  const drop = authority === undefined ? edits.drop : edits.drop | headerBit(HEADER.host);
  if (add.length === 0 && authority === undefined && (fieldKinds(fields) & drop) === 0) return fields;
  const out: string[] = [];
  let placed = authority === undefined;
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    const value = fields[at + 1] as string;
    if (name.charCodeAt(0) === COLON) {
      if (!placed && name === ':authority') {
        placed = true;
        out.push(name, authority as string);
      } else out.push(name, value);
      continue;
    }
    if (!placed) {
      placed = true;
      out.push(':authority', authority as string);
    }
    if ((drop & (1 << fieldKind(name)) & ~1) === 0) out.push(name, value);
  }
  if (!placed) out.push(':authority', authority as string);
  for (const text of add) out.push(text);
  return out;
}

const COLON = 0x3a;
