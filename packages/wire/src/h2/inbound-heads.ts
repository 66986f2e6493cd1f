/** Header blocks of the peer: decoded, checked as messages (RFC 9113 §8), given to the owner. */
import { fieldClassesOf, fieldKindsOf, HpackDecoder } from '../hpack/decoder.ts';
import { H2_ERROR } from './codes.ts';
import type { InboundLink } from './inbound.ts';
import { MessageRules } from './message-rules.ts';
import type { DecodedList } from './message-rules.ts';
import type { H2Reason } from './reasons.ts';
import type { H2Stream } from './stream.ts';

/** `event`: the owner heard of it. `closed`: the stream is over. `refused`: a new stream was not taken. `error`: dealt with. */
export type BlockOutcome = 'event' | 'closed' | 'refused' | 'error';

const TOO_LARGE_RESPONSE: readonly string[] = [':status', '431', 'content-length', '0'];

export class InboundHeads<S> {
  readonly #link: InboundLink<S>;
  readonly #streamError: (id: number, code: number, reason: H2Reason) => void;
  readonly #decoder: HpackDecoder;
  readonly #rules: MessageRules;

  constructor(link: InboundLink<S>, streamError: (id: number, code: number, reason: H2Reason) => void) {
    this.#link = link;
    this.#streamError = streamError;
    this.#decoder = new HpackDecoder({
      listBytesMax: link.limits.headerListBytes,
      fieldsMax: link.limits.headerFields,
    });
    this.#rules = new MessageRules(link.connectProtocol);
  }

  /** A complete header block. It is always decoded, as the compression state belongs to the connection. */
  block(id: number, end: boolean, bytes: Buffer, from: number, to: number): BlockOutcome {
    const fields: string[] = [];
    const result = this.#decoder.decode(bytes, from, to, fields);
    if (result !== 'ok' && result !== 'too_large' && result !== 'too_many') {
      this.#link.owner.fail(H2_ERROR.compression, 'compression');
      return 'error';
    }
    const excess: H2Reason | undefined =
      result === 'ok' ? undefined : result === 'too_many' ? 'header_fields' : 'header_list_bytes';
    const list: DecodedList = {
      fields,
      kinds: fieldKindsOf(),
      classes: fieldClassesOf(),
      count: this.#decoder.count,
    };
    const stream = this.#link.streams.get(id);
    if (stream === undefined) return this.#openStream(id, end, list, excess);
    if (stream.remoteClosed) return 'closed';
    if (excess !== undefined) return this.#error(id, H2_ERROR.enhanceYourCalm, excess);
    if (stream.headersSeen) return this.#trailers(stream, end, list);
    return this.#response(stream, end, list);
  }

  /** A block for a stream that is not open: a new request (server), or late. */
  #openStream(id: number, end: boolean, list: DecodedList, excess: H2Reason | undefined): BlockOutcome {
    const { streams, owner, out } = this.#link;
    const isNew = !streams.client && id % 2 === 1 && id > streams.lastPeerId;
    if (!isNew) return this.#late(id);
    streams.notePeerId(id);
    const init = this.#link.initStream;
    if (init === undefined) {
      owner.fail(H2_ERROR.internal, 'bad_stream_id');
      return 'error';
    }
    if (streams.closing) return this.#refuse(id, H2_ERROR.refusedStream, 'closing');
    if (streams.size >= this.#link.limits.concurrentStreams)
      return this.#refuse(id, H2_ERROR.refusedStream, 'concurrent_streams');
    if (excess !== undefined) {
      // RFC 6585 §5: this the client understands, and may show.
      const answered = streams.openPeers(id, init());
      out.headers(answered, TOO_LARGE_RESPONSE, true);
      streams.forget(answered);
      return this.#refuse(id, H2_ERROR.noError, excess);
    }
    const rules = this.#rules;
    const problem = rules.request(list) ?? lengthProblem(rules.contentLength, end);
    if (problem !== undefined) return this.#refuse(id, H2_ERROR.protocol, problem);
    const stream = streams.openPeers(id, init());
    stream.headersSeen = true;
    stream.connectRequest = rules.connect;
    stream.bodyBytesExpected = rules.connect ? -1 : rules.contentLength;
    return this.#give(stream, list, 'head', end);
  }

  #late(id: number): BlockOutcome {
    const { streams, owner } = this.#link;
    if (streams.isIdle(id)) {
      owner.fail(H2_ERROR.protocol, 'bad_stream_id');
      return 'error';
    }
    if (streams.wasUsed(id)) return 'closed';
    owner.fail(H2_ERROR.protocol, 'lower_stream_id');
    return 'error';
  }

  #trailers(stream: H2Stream<S>, end: boolean, list: DecodedList): BlockOutcome {
    if (!end) return this.#error(stream.id, H2_ERROR.protocol, 'bad_trailers');
    const problem = this.#rules.trailers(list);
    if (problem !== undefined) return this.#error(stream.id, H2_ERROR.protocol, problem);
    if (stream.bodyBytesExpected >= 0 && stream.bodyBytesSeen !== stream.bodyBytesExpected)
      return this.#error(stream.id, H2_ERROR.protocol, 'body_length');
    return this.#give(stream, list, 'trailers', true);
  }

  #response(stream: H2Stream<S>, end: boolean, list: DecodedList): BlockOutcome {
    const rules = this.#rules;
    const problem = rules.response(list);
    if (problem !== undefined) return this.#error(stream.id, H2_ERROR.protocol, problem);
    const { status, contentLength } = rules;
    if (status < 200) {
      // RFC 9113 §8.1: not the end of anything; RFC 9110 §8.6: without a length.
      if (end) return this.#error(stream.id, H2_ERROR.protocol, 'out_of_order');
      if (contentLength >= 0) return this.#error(stream.id, H2_ERROR.protocol, 'bad_content_length');
      return this.#give(stream, list, 'informational', false);
    }
    stream.headersSeen = true;
    const tunnel = stream.connectRequest && status < 300;
    const empty = stream.headRequest || status === 304 || status === 204;
    if (status === 204 && contentLength > 0) return this.#error(stream.id, H2_ERROR.protocol, 'bad_content_length');
    if (empty) stream.bodyBytesExpected = 0;
    else if (!tunnel) stream.bodyBytesExpected = contentLength;
    if (!empty && !tunnel && end && contentLength > 0) return this.#error(stream.id, H2_ERROR.protocol, 'body_length');
    return this.#give(stream, list, 'head', end);
  }

  #give(
    stream: H2Stream<S>,
    list: DecodedList,
    kind: 'informational' | 'head' | 'trailers',
    end: boolean,
  ): BlockOutcome {
    stream.kinds = this.#rules.kinds;
    if (end) this.#link.streams.closeRemote(stream);
    this.#link.handlers.headers(stream, list.fields, kind, end);
    return 'event';
  }

  #error(id: number, code: number, reason: H2Reason): BlockOutcome {
    this.#streamError(id, code, reason);
    return 'error';
  }

  /** Ends a stream that the owner has not heard of. */
  #refuse(id: number, code: number, reason: H2Reason): BlockOutcome {
    this.#link.out.frames.rstStream(id, code);
    this.#link.streams.over.addReset(id);
    this.#link.handlers.refused?.(this.#link.connection, reason);
    return 'refused';
  }
}

/** A request that ends with its head and announces a body, or the other way round. */
function lengthProblem(contentLength: number, end: boolean): H2Reason | undefined {
  return end && contentLength > 0 ? 'body_length' : undefined;
}
