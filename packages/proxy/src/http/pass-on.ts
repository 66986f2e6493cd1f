/** The bytes of a head that goes on, with its edits and what came of the body: as they arrived where nothing changes. */
import { unchanged, writeHead } from '@mesh/wire';
import type { HeadEdits, Http1Head } from '@mesh/wire';

export const NOTHING: Uint8Array = new Uint8Array(0);

/** @param body What of the body came so far; the result holds it. */
export function passOn(head: Http1Head, edits: HeadEdits, body: Uint8Array): Uint8Array {
  return unchanged(head, edits) && adjacent(head, body)
    ? wholeOrPart(head.bytes, head.start, head.end + body.length)
    : writeHead(head, edits, body);
}

/** A view only where it is one: most chunks are passed on whole. */
export function wholeOrPart(bytes: Uint8Array, from: number, to: number): Uint8Array {
  return from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to);
}

/** The body follows its head in the same chunk (or there is none). */
function adjacent(head: Http1Head, body: Uint8Array): boolean {
  return (
    body.length === 0 || (body.buffer === head.bytes.buffer && body.byteOffset === head.bytes.byteOffset + head.end)
  );
}
