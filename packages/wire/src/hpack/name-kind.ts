/** Kinds of field names as small numbers: those of HTTP/1 heads (`HEADER`), and the pseudo fields of HTTP/2 behind them. */
import { CLASS_LOWER } from '../http1/codes.ts';
import { HEADER, HEADER_NAMES } from '../http1/header-kind.ts';
import { classOf } from './string-reader.ts';

/** All kinds stay below 31, so that a set of them is one integer. */
export const PSEUDO = {
  method: 22,
  scheme: 23,
  authority: 24,
  path: 25,
  protocol: 26,
  status: 27,
  /** A name with a colon in front that nobody defined. */
  unknown: 28,
} as const;
/** A name with a byte that is not allowed, upper case included. */
export const INVALID_NAME = 29;

const KINDS: ReadonlyMap<string, number> = new Map([
  ...HEADER_NAMES,
  [':method', PSEUDO.method],
  [':scheme', PSEUDO.scheme],
  [':authority', PSEUDO.authority],
  [':path', PSEUDO.path],
  [':protocol', PSEUDO.protocol],
  [':status', PSEUDO.status],
]);

/** One of HEADER, {@link PSEUDO} or {@link INVALID_NAME}. */
export function nameKind(name: string): number {
  const kind = KINDS.get(name);
  if (kind !== undefined) return kind;
  if (name.charCodeAt(0) === 0x3a) return PSEUDO.unknown;
  return name !== '' && (classOf(name) & CLASS_LOWER) !== 0 ? HEADER.other : INVALID_NAME;
}
