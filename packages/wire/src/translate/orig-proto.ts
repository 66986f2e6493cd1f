/**
 * HTTP/1 carried as HTTP/2 between two proxies: the field that tells the receiver which version, and which form of target, the
 * message had. Linkerd's `l5d-orig-proto`.
 */

export const ORIG_PROTO_FIELD = 'l5d-orig-proto';

/** What the message was before it travelled as HTTP/2. */
export interface OrigProto {
  /** Minor version of HTTP/1: 0 or 1. */
  readonly minor: number;
  /** The target was in absolute form. */
  readonly absolute: boolean;
}

const ABSOLUTE = '; absolute-form';
/** How messages are written when no `l5d-orig-proto` says otherwise. */
export const HTTP_1_1: OrigProto = { minor: 1, absolute: false };
const HTTP_11_ABSOLUTE: OrigProto = { minor: 1, absolute: true };
const HTTP_10: OrigProto = { minor: 0, absolute: false };
const HTTP_10_ABSOLUTE: OrigProto = { minor: 0, absolute: true };

/** The field's value. Responses never have an absolute form. */
export function formatOrigProto(minor: number, absolute: boolean): string {
  if (minor === 0) return absolute ? 'HTTP/1.0; absolute-form' : 'HTTP/1.0';
  return absolute ? 'HTTP/1.1; absolute-form' : 'HTTP/1.1';
}

/** `undefined`: the value is none that a proxy writes; the message is then refused, as nobody knows how it was meant. */
export function parseOrigProto(value: string): OrigProto | undefined {
  const absolute = value.endsWith(ABSOLUTE);
  const version = absolute ? value.slice(0, -ABSOLUTE.length) : value;
  if (version === 'HTTP/1.1') return absolute ? HTTP_11_ABSOLUTE : HTTP_1_1;
  if (version === 'HTTP/1.0') return absolute ? HTTP_10_ABSOLUTE : HTTP_10;
  return undefined;
}
