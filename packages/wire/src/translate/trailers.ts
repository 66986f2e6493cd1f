/** Trailer sections between the versions (RFC 9110 §6.5, RFC 9112 §7.1.2, RFC 9113 §8.1), and the framing of chunked bodies. */
import { BYTE_CLASS, CLASS_TOKEN, CLASS_VALUE } from '../http1/codes.ts';
import { isTrailerName } from '../http1/trailer-names.ts';

/** The last chunk and the end of an empty trailer section. */
export const CHUNKED_END: Uint8Array = Buffer.from('0\r\n\r\n');
/** What follows the data of a chunk. */
export const CHUNK_END: Uint8Array = Buffer.from('\r\n');

/** What goes before the data of a chunk of this many bytes, above 0. */
export function chunkHead(bytes: number): Buffer {
  return Buffer.from(`${bytes.toString(16)}\r\n`, 'latin1');
}

/**
 * The last chunk with the trailers of an HTTP/2 message behind it; `undefined` when a field may not stand in a trailer section.
 * @param fields Name and value alternating, as `headers` gave them.
 */
export function chunkedEnd(fields: readonly string[]): Uint8Array | undefined {
  if (fields.length === 0) return CHUNKED_END;
  let out = '0\r\n';
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] as string;
    const value = fields[at + 1] as string;
    if (!areAll(name, CLASS_TOKEN) || name === '' || !areAll(value, CLASS_VALUE) || !isTrailerName(name))
      return undefined;
    out += `${name}: ${value}\r\n`;
  }
  return Buffer.from(`${out}\r\n`, 'latin1');
}

function areAll(text: string, byteClass: number): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const byte = text.charCodeAt(at);
    if (byte > 0xff || (BYTE_CLASS[byte]! & byteClass) === 0) return false;
  }
  return true;
}
