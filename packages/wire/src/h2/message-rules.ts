/**
 * What makes a header list malformed, RFC 9113 §8.2 and §8.3. Malformed messages are refused with a stream error, never
 * repaired: a proxy that forwards them opens a door for request smuggling.
 *
 * The decoder has already said of each field what kind it is and which bytes its value has; so this is a loop over small numbers.
 */
import { CLASS_HOST, CLASS_TARGET, CLASS_TOKEN, CLASS_VALUE } from '../http1/codes.ts';
import { HEADER } from '../http1/header-kind.ts';
import { INVALID_NAME, PSEUDO } from '../hpack/name-kind.ts';
import type { H2Reason } from './reasons.ts';

/** A decoded list: `fields` flat, kinds and classes as the decoder left them. */
export interface DecodedList {
  readonly fields: readonly string[];
  readonly kinds: Uint8Array;
  readonly classes: Uint8Array;
  readonly count: number;
}

const bit = (kind: number): number => 1 << kind;
const PSEUDO_FIRST = PSEUDO.method;
const REQUEST_PSEUDO =
  bit(PSEUDO.method) | bit(PSEUDO.scheme) | bit(PSEUDO.authority) | bit(PSEUDO.path) | bit(PSEUDO.protocol);
/** RFC 9113 §8.2.2; TE has a rule of its own. */
const CONNECTION_KINDS =
  bit(HEADER.connection) |
  bit(HEADER.proxyConnection) |
  bit(HEADER.keepAlive) |
  bit(HEADER.transferEncoding) |
  bit(HEADER.upgrade);

/** Checks one list after the other; what it found about the last one stays until the next. */
export class MessageRules {
  /** Bits of the kinds in the list. */
  kinds = 0;
  /** From content-length, or -1. */
  contentLength = -1;
  /** Responses only. */
  status = 0;
  /** The request is CONNECT, plain or extended. */
  connect = false;
  readonly #connectProtocol: boolean;
  #authority: string | undefined = undefined;
  #host: string | undefined = undefined;
  #method = '';
  #path = '';

  /** @param connectProtocol Extended CONNECT was offered (RFC 8441 §3). */
  constructor(connectProtocol: boolean) {
    this.#connectProtocol = connectProtocol;
  }

  request(list: DecodedList): H2Reason | undefined {
    const problem = this.#scan(list, REQUEST_PSEUDO);
    if (problem !== undefined) return problem;
    const { kinds } = this;
    if ((kinds & bit(PSEUDO.method)) === 0 || this.#method === '') return 'missing_pseudo_field';
    this.connect = this.#method === 'CONNECT';
    const extended = (kinds & bit(PSEUDO.protocol)) !== 0;
    if (extended && (!this.connect || !this.#connectProtocol)) return 'bad_pseudo_field';
    const target = bit(PSEUDO.scheme) | bit(PSEUDO.path);
    if (this.connect && !extended) {
      // RFC 9113 §8.5: an authority and nothing else.
      if ((kinds & target) !== 0) return 'bad_pseudo_field';
      return this.#authority === undefined || this.#authority === '' ? 'missing_pseudo_field' : this.#checkHost();
    }
    if ((kinds & target) !== target || this.#path === '') return 'missing_pseudo_field';
    if (this.#path.charCodeAt(0) !== SLASH && (this.#path !== '*' || this.#method !== 'OPTIONS')) return 'bad_path';
    return this.#checkHost();
  }

  response(list: DecodedList): H2Reason | undefined {
    const problem = this.#scan(list, bit(PSEUDO.status));
    if (problem !== undefined) return problem;
    if ((this.kinds & bit(PSEUDO.status)) === 0) return 'missing_pseudo_field';
    // RFC 9113 §8.6: 101 has no meaning here.
    return this.status < 100 || this.status === 101 ? 'bad_status' : undefined;
  }

  trailers(list: DecodedList): H2Reason | undefined {
    const problem = this.#scan(list, 0);
    return problem === 'bad_pseudo_field' ? 'bad_trailers' : problem;
  }

  /** @param pseudo Bits of the pseudo fields that may stand here. */
  #scan(list: DecodedList, pseudo: number): H2Reason | undefined {
    this.kinds = 0;
    this.contentLength = -1;
    this.status = 0;
    this.connect = false;
    this.#authority = undefined;
    this.#host = undefined;
    this.#method = '';
    this.#path = '';
    let regular = false;
    for (let index = 0; index < list.count; index += 1) {
      const kind = list.kinds[index] as number;
      const valueClass = list.classes[index] as number;
      if ((valueClass & CLASS_VALUE) === 0) return 'bad_field_value';
      if (kind === HEADER.other) {
        regular = true;
        continue;
      }
      const value = list.fields[index * 2 + 1] as string;
      if (kind >= PSEUDO_FIRST) {
        if (kind === INVALID_NAME) return 'bad_field_name';
        if (regular || (bit(kind) & pseudo) === 0 || (bit(kind) & this.kinds) !== 0) return 'bad_pseudo_field';
        const problem = this.#pseudo(kind, value, valueClass);
        if (problem !== undefined) return problem;
      } else {
        regular = true;
        const problem = this.#special(kind, value, valueClass);
        if (problem !== undefined) return problem;
      }
      this.kinds |= bit(kind);
    }
    return undefined;
  }

  #pseudo(kind: number, value: string, valueClass: number): H2Reason | undefined {
    switch (kind) {
      case PSEUDO.method:
        this.#method = value;
        return (valueClass & CLASS_TOKEN) === 0 ? 'bad_method' : undefined;
      case PSEUDO.path:
        this.#path = value;
        return (valueClass & CLASS_TARGET) === 0 ? 'bad_path' : undefined;
      case PSEUDO.authority:
        this.#authority = value;
        return (valueClass & CLASS_HOST) === 0 ? 'bad_authority' : undefined;
      case PSEUDO.status:
        this.status = /^[1-5]\d\d$/.test(value) ? Number(value) : 0;
        return undefined;
      default: // :scheme, :protocol
        return (valueClass & CLASS_TOKEN) === 0 || value === '' ? 'bad_pseudo_field' : undefined;
    }
  }

  #special(kind: number, value: string, valueClass: number): H2Reason | undefined {
    if ((bit(kind) & CONNECTION_KINDS) !== 0) return 'connection_field';
    switch (kind) {
      case HEADER.te:
        return value === 'trailers' ? undefined : 'connection_field';
      case HEADER.host:
        if (this.#host !== undefined) return 'host_mismatch';
        this.#host = value;
        return (valueClass & CLASS_HOST) === 0 ? 'bad_authority' : undefined;
      case HEADER.contentLength:
        // 15 digits stay below 2^53. The same length twice is refused too: readers of HTTP/1 differ on it.
        if (this.contentLength >= 0 || !/^\d{1,15}$/.test(value)) return 'bad_content_length';
        this.contentLength = Number(value);
        return undefined;
      default:
        return undefined;
    }
  }

  /** RFC 9113 §8.3.1: Host says what :authority says, or is not there. */
  #checkHost(): H2Reason | undefined {
    if (this.#host === undefined || this.#authority === undefined || this.#host === this.#authority) return undefined;
    return this.#host.toLowerCase() === this.#authority.toLowerCase() ? undefined : 'host_mismatch';
  }
}

const SLASH = 0x2f;

/** First value of `name`, or `undefined`. */
export function fieldValue(fields: readonly string[], name: string): string | undefined {
  for (let at = 0; at + 1 < fields.length; at += 2) if (fields[at] === name) return fields[at + 1];
  return undefined;
}
