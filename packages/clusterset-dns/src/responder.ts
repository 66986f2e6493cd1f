/** From the bytes of a message to those of its answer; no I/O. */
import { answer } from './answer.ts';
import { decodeQuery } from './decode-query.ts';
import { formatErrorResponse, ResponseEncoder, UDP_PAYLOAD_BYTES } from './encode-response.ts';
import { RCODE } from './message.ts';
import type { Query, Reply, ResponseCode } from './message.ts';
import type { DnsObserver, Transport } from './metrics.ts';
import type { ZoneData } from './zone.ts';

/** Without EDNS (RFC 1035 §4.2.1), and the least with it (RFC 6891 §6.2.3). */
const UDP_BYTES_MIN = 512;
const TCP_BYTES_MAX = 65_535;
const OPCODE_QUERY = 0;
const TURN_MAX = 2 ** 30;

export class Responder {
  readonly #zone: ZoneData;
  readonly #isCurrent: () => boolean;
  readonly #observer: DnsObserver;
  readonly #encoder = new ResponseEncoder();
  #turn = 0;

  /** @param isCurrent false before the zone was ever complete: until then nothing is denied */
  constructor(zone: ZoneData, isCurrent: () => boolean, observer: DnsObserver) {
    this.#zone = zone;
    this.#isCurrent = isCurrent;
    this.#observer = observer;
  }

  /** @returns undefined for what is no query */
  respond(message: Uint8Array, transport: Transport): Buffer | undefined {
    const decoded = decodeQuery(message);
    if (decoded.kind === 'ignored') {
      this.#observer.dropped('no_query');
      return undefined;
    }
    if (decoded.kind === 'malformed') {
      this.#observer.answered(transport, undefined, RCODE.formatError, false);
      return formatErrorResponse(decoded);
    }
    const { query } = decoded;
    const reply = this.#reply(query);
    const { bytes, truncated } = this.#encoder.encode(query, reply, limitOf(query, transport));
    this.#observer.answered(transport, query.question.type, reply.code, truncated);
    return bytes;
  }

  #reply(query: Query): Reply {
    if (query.opcode !== OPCODE_QUERY) return plain(RCODE.notImplemented);
    if (query.edns !== undefined && query.edns.version > 0) return plain(RCODE.badVersion);
    if (!this.#isCurrent()) return plain(RCODE.serverFailure);
    this.#turn = (this.#turn + 1) % TURN_MAX;
    return answer(query.question, this.#zone, this.#turn);
  }
}

function limitOf({ edns }: Query, transport: Transport): { readonly bytesMax: number; readonly stream: boolean } {
  if (transport === 'tcp') return { bytesMax: TCP_BYTES_MAX, stream: true };
  const accepted = Math.max(UDP_BYTES_MIN, edns?.udpBytes ?? 0);
  return { bytesMax: Math.min(accepted, UDP_PAYLOAD_BYTES), stream: false };
}

function plain(code: ResponseCode): Reply {
  return { code, authoritative: false, answers: [], authority: [], additional: [] };
}
