/** Bodies from the framing of HTTP/1 to the frames of HTTP/2 and back. */
import { BodyCursor, CHUNK_END, CHUNKED_END, chunkedEnd, chunkHead, FRAMING } from '@mesh/wire';
import { NOTHING, wholeOrPart } from './pass-on.ts';

/** Where a body goes on as HTTP/2. */
export interface PayloadSink {
  /** False: hold back. @param end Nothing follows; with it `bytes` may be empty, where the end was not known with the last payload. */
  dataFromH2(bytes: Uint8Array, end: boolean): boolean;
  trailersFromH2(fields: readonly string[]): void;
}

/** Takes the payload out of raw body bytes whose framing was checked before. */
export class PayloadReader {
  readonly #cursor = new BodyCursor();

  /** @param framing One of FRAMING. */
  reset(framing: number, length: number): void {
    this.#cursor.reset(framing, length);
  }

  /** True when no body follows the head, or all of it was passed. */
  get done(): boolean {
    return this.#cursor.done;
  }

  /** @param ended The bytes are the last ones: also the end of a body that ends with its connection. */
  pass(bytes: Uint8Array, ended: boolean, sink: PayloadSink): boolean {
    const cursor = this.#cursor;
    let more = true;
    let at = 0;
    while (at < bytes.length && !cursor.done) {
      at = cursor.segment(bytes, at, bytes.length);
      if (at < 0) return more;
      if (cursor.dataEnd > cursor.dataStart) {
        more = sink.dataFromH2(wholeOrPart(bytes, cursor.dataStart, cursor.dataEnd), cursor.done);
      } else if (cursor.done) {
        if (cursor.trailers.length > 0) sink.trailersFromH2(cursor.trailers);
        else sink.dataFromH2(NOTHING, true);
      }
    }
    if (ended && !cursor.done) {
      cursor.reset(FRAMING.none, 0);
      sink.dataFromH2(NOTHING, true);
    }
    return more;
  }
}

/** Parts to write for payload in this framing. @param framing One of FRAMING. */
export function framed(framing: number, payload: Uint8Array, end: boolean): readonly Uint8Array[] {
  if (framing !== FRAMING.chunked) return payload.length > 0 ? [payload] : [];
  if (payload.length === 0) return end ? [CHUNKED_END] : [];
  const head = chunkHead(payload.length);
  return end ? [head, payload, CHUNK_END, CHUNKED_END] : [head, payload, CHUNK_END];
}

/** The end of a body. Trailers that HTTP/1 cannot carry are left out, as RFC 9110 §6.5.1 allows. */
export function framedEnd(framing: number, trailers: readonly string[]): readonly Uint8Array[] {
  return framing === FRAMING.chunked ? [chunkedEnd(trailers) ?? CHUNKED_END] : [];
}
