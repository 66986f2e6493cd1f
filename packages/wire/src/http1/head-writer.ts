/**
 * Writes a parsed head on: the bytes as they came, in runs, without the fields that go no further and with those that
 * are added. The start line changes only when the authority is overridden.
 */
import { absoluteAuthority } from './head-rules.ts';
import type { Http1Head } from './head.ts';
import { HEADER, headerBit, HOP_BY_HOP } from './header-kind.ts';

const CRLF = Buffer.from('\r\n');
const CONNECTION_UPGRADE = Buffer.from('connection: upgrade\r\n');
const NOTHING = Buffer.alloc(0);
/** Upgrade and, where asked for, its Connection option survive: they are written anew. */
const HOP_BY_HOP_BUT_UPGRADE = HOP_BY_HOP & ~headerBit(HEADER.upgrade);

export interface HeadEdits {
  /** Bits of kinds to drop besides the hop-by-hop fields. */
  readonly drop: number;
  /** Whole field lines, each with CRLF. */
  readonly add: Uint8Array;
  /** New value of Host; an absolute target is reduced to origin form. */
  readonly authority: Uint8Array | undefined;
}

/** Whole field lines from names and values that the caller made itself. Throws on bytes that would break the head. */
export function fieldLines(fields: readonly (readonly [string, string])[]): Uint8Array {
  for (const [name, value] of fields) {
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) || !/^[\t\x20-\x7e\x80-\xff]*$/.test(value)) {
      throw new RangeError(`field ${JSON.stringify(name)} has a name or value that cannot stand in a head`);
    }
  }
  return Buffer.from(fields.map(([name, value]) => `${name}: ${value}\r\n`).join(''), 'latin1');
}

/** Bits of the fields of this head that go no further. */
export function droppedKinds(head: Http1Head, drop: number): number {
  return head.kinds & (drop | (head.upgrade ? HOP_BY_HOP_BUT_UPGRADE : HOP_BY_HOP));
}

/** True when the head may be forwarded byte for byte. */
export function unchanged(head: Http1Head, edits: HeadEdits): boolean {
  return (
    edits.authority === undefined && edits.add.length === 0 && droppedKinds(head, edits.drop) === 0 && !head.upgrade
  );
}

/**
 * The head to send, followed by room for nothing; owned by the caller.
 * @param body Bytes of the body that follow at once, copied behind the head; may be empty.
 */
export function writeHead(head: Http1Head, edits: HeadEdits, body: Uint8Array): Uint8Array {
  const { authority } = edits;
  const dropped = droppedKinds(head, authority === undefined ? edits.drop : edits.drop | headerBit(HEADER.host));
  const hostLine = authority === undefined ? 0 : authority.length + 8;
  const upgrade = head.upgrade ? CONNECTION_UPGRADE : NOTHING;
  const out = Buffer.allocUnsafe(head.end - head.start + edits.add.length + hostLine + upgrade.length + body.length);
  const source = asBuffer(head.bytes);
  let at = authority === undefined ? source.copy(out, 0, head.start, head.fieldsStart) : startLine(head, source, out);
  if (authority !== undefined) {
    at += out.write('host: ', at, 'latin1');
    out.set(authority, at);
    at += authority.length;
    at += CRLF.copy(out, at);
  }
  let run = head.fieldsStart;
  if (dropped !== 0) {
    for (let index = 0; index < head.count; index += 1) {
      if ((dropped & (1 << head.kind(index))) === 0) continue;
      const start = head.nameStart(index);
      if (start > run) at += source.copy(out, at, run, start);
      run = head.lineEnd(index);
    }
  }
  at += source.copy(out, at, run, head.end - 2);
  at += upgrade.copy(out, at);
  if (edits.add.length > 0) {
    out.set(edits.add, at);
    at += edits.add.length;
  }
  at += CRLF.copy(out, at);
  if (body.length > 0) {
    out.set(body, at);
    at += body.length;
  }
  return at === out.length ? out : out.subarray(0, at);
}

/** Start line with an absolute target reduced to origin form. */
function startLine(head: Http1Head, source: Buffer, out: Buffer): number {
  const authority = absoluteAuthority(head);
  if (authority === undefined) return source.copy(out, 0, head.start, head.fieldsStart);
  let at = source.copy(out, 0, head.start, head.targetStart);
  if (source[authority[1]] !== 0x2f) at += out.write('/', at, 'latin1');
  at += source.copy(out, at, authority[1], head.fieldsStart);
  return at;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
