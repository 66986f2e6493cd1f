/** Heads of HTTP/1 as field lists of HTTP/2 (RFC 9113 §8.2, §8.3): what belongs to one connection stays behind. */
import { FRAMING, METHOD, text } from '../http1/head.ts';
import type { Http1Head } from '../http1/head.ts';
import { absoluteAuthority } from '../http1/head-rules.ts';
import { HEADER, headerBit, HOP_BY_HOP } from '../http1/header-kind.ts';
import type { FieldEdits } from './field-kind.ts';

const NEVER = HOP_BY_HOP | headerBit(HEADER.transferEncoding) | headerBit(HEADER.host);
const SLASH = 0x2f;

/**
 * The fields of a request head that the parser accepted. CONNECT has a method and an authority only (RFC 9113 §8.5); a request that asks
 * for an upgrade goes on without that wish, so callers keep those on HTTP/1.
 * @param scheme `http` or `https`: what `:scheme` says.
 */
export function h2RequestFields(head: Http1Head, scheme: string, edits: FieldEdits): string[] {
  const out: string[] = [':method', head.methodText()];
  const absolute = isAbsolute(head) ? absoluteAuthority(head) : undefined;
  if (head.method === METHOD.connect) out.push(':authority', edits.authority ?? head.target());
  else {
    out.push(':scheme', scheme);
    const authority = edits.authority ?? ownAuthority(head, absolute);
    if (authority !== undefined) out.push(':authority', authority);
    out.push(':path', pathOf(head, absolute));
  }
  appendFields(head, edits.drop | NEVER, out);
  if (asksTrailers(head)) out.push('te', 'trailers');
  for (const part of edits.add) out.push(part);
  return out;
}

/** The fields of a response head that the parser accepted. 101 has no translation (RFC 9113 §8.6): callers do not come here with it. */
export function h2ResponseFields(head: Http1Head, edits: FieldEdits): string[] {
  const out: string[] = [':status', String(head.status)];
  appendFields(head, edits.drop | NEVER, out);
  for (const part of edits.add) out.push(part);
  return out;
}

/** True when END_STREAM goes with the HEADERS: no body follows this head. */
export function endsWithHead(head: Http1Head): boolean {
  return head.framing === FRAMING.none;
}

/** True when the target is `http://…`. */
export function isAbsolute(head: Http1Head): boolean {
  const first = head.bytes[head.targetStart];
  return first !== SLASH && first !== 0x2a && head.method !== METHOD.connect;
}

function ownAuthority(head: Http1Head, absolute: readonly [number, number] | undefined): string | undefined {
  if (absolute !== undefined) return text(head.bytes, absolute[0], absolute[1]);
  return head.host < 0 ? undefined : head.value(head.host);
}

/** RFC 9113 §8.3.1: path and query; an asterisk for OPTIONS of the server as a whole. */
function pathOf(head: Http1Head, absolute: readonly [number, number] | undefined): string {
  if (absolute === undefined) return head.target();
  const path = text(head.bytes, absolute[1], head.targetEnd);
  if (path === '') return head.method === METHOD.options ? '*' : '/';
  return path.charCodeAt(0) === SLASH ? path : `/${path}`;
}

function appendFields(head: Http1Head, drop: number, out: string[]): void {
  for (let index = 0; index < head.count; index += 1) {
    const kind = head.kind(index);
    if (kind !== HEADER.other && (drop & (1 << kind)) !== 0) continue;
    out.push(head.name(index), head.value(index));
  }
}

/** TE goes on only as far as it says `trailers` (RFC 9113 §8.2.2). */
function asksTrailers(head: Http1Head): boolean {
  if (!head.has(HEADER.te)) return false;
  for (let index = 0; index < head.count; index += 1) {
    if (head.kind(index) !== HEADER.te) continue;
    for (const part of head.value(index).split(',')) if (/^[ \t]*trailers[ \t]*$/i.test(part)) return true;
  }
  return false;
}
