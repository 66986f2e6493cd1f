/**
 * Writes responses (RFC 1035 §4.1) with compressed names, into a buffer that is used again.
 *
 *   header | question as asked | answers | authority | additional | OPT
 *
 * Records that do not fit are left out: answers with the TC flag over UDP, so that the client asks again over TCP, yet with as many as
 * fit, for resolvers that never do; additional ones silently (RFC 2181 §9).
 */
import { CLASS_IN, RCODE, TYPE } from './message.ts';
import type { Query, Reply, ResourceRecord, ResponseCode } from './message.ts';

export interface EncodeLimit {
  readonly bytesMax: number;
  /** Over TCP what does not fit is cut without a flag: there is nothing better to try, and a subset of endpoints is an answer. */
  readonly stream: boolean;
}

export interface EncodedResponse {
  /** Not shared with the encoder. */
  readonly bytes: Buffer;
  readonly truncated: boolean;
}

/** What we take over UDP ourselves, and the most that we send: fits the smallest MTU of IPv6 with its headers (DNS flag day 2020). */
export const UDP_PAYLOAD_BYTES = 1232;
const HEADER_BYTES = 12;
const OPT_BYTES = 11;
/** The root's length octet, type and class. */
const QUESTION_TAIL_BYTES = 5;
const MESSAGE_BYTES_MAX = 65_535;
/** Compression pointers have 14 bits. */
const POINTER_MAX = 0x3fff;
/**
 * Additional records are for small answers. Resolvers such as c-ares write what they got anew, with fewer pointers, and fail when that
 * grows over 64 KiB: within the reach of pointers it cannot.
 */
const ADDITIONAL_END_MAX = POINTER_MAX;
const DNSSEC_OK = 0x8000;

export class ResponseEncoder {
  readonly #buffer = Buffer.allocUnsafe(MESSAGE_BYTES_MAX);
  /** Where names, and what follows their first labels, were written. */
  readonly #offsets = new Map<string, number>();
  #at = 0;
  #limit = 0;

  encode(query: Query, reply: Reply, { bytesMax, stream }: EncodeLimit): EncodedResponse {
    const optBytes = query.edns === undefined ? 0 : OPT_BYTES;
    const limit = Math.min(bytesMax, MESSAGE_BYTES_MAX) - optBytes;
    this.#limit = limit;
    this.#offsets.clear();
    this.#at = HEADER_BYTES;
    this.#buffer.set(query.questionBytes, this.#at);
    this.#at += query.questionBytes.length;
    this.#noteQuestion(query.question.labels);
    const answers = this.#records(reply.answers);
    const complete = answers === reply.answers.length;
    const authority = complete ? this.#records(reply.authority) : 0;
    this.#limit = Math.min(this.#limit, ADDITIONAL_END_MAX);
    const additional = complete ? this.#records(reply.additional) : 0;
    this.#limit = limit;
    const truncated = !complete && !stream;
    if (query.edns !== undefined) this.#writeOpt(reply.code, query.edns.dnssecOk);
    this.#header(query, reply, truncated);
    this.#buffer.writeUInt16BE(1, 4);
    this.#buffer.writeUInt16BE(answers, 6);
    this.#buffer.writeUInt16BE(authority, 8);
    this.#buffer.writeUInt16BE(additional + (query.edns === undefined ? 0 : 1), 10);
    return { bytes: Buffer.from(this.#buffer.subarray(0, this.#at)), truncated };
  }

  #header(query: Query, { code, authoritative }: Reply, truncated: boolean): void {
    const flags =
      0x8000 |
      (query.opcode << 11) |
      (authoritative ? 0x400 : 0) |
      (truncated ? 0x200 : 0) |
      (query.recursionDesired ? 0x100 : 0) |
      (query.checkingDisabled ? 0x10 : 0) |
      (code & 15);
    this.#buffer.writeUInt16BE(query.id, 0);
    this.#buffer.writeUInt16BE(flags, 2);
  }

  #writeOpt(code: ResponseCode, dnssecOk: boolean): void {
    const at = this.#at;
    this.#buffer.writeUInt8(0, at);
    this.#buffer.writeUInt16BE(TYPE.OPT, at + 1);
    this.#buffer.writeUInt16BE(UDP_PAYLOAD_BYTES, at + 3);
    this.#buffer.writeUInt16BE((code >> 4) << 8, at + 5);
    this.#buffer.writeUInt16BE(dnssecOk ? DNSSEC_OK : 0, at + 7);
    this.#buffer.writeUInt16BE(0, at + 9);
    this.#at += OPT_BYTES;
  }

  /** From the end, as far as the labels are free of dots: such a label would look like two. */
  #noteQuestion(labels: readonly string[]): void {
    let at = this.#at - QUESTION_TAIL_BYTES;
    let suffix = '';
    for (let index = labels.length - 1; index >= 0; index -= 1) {
      const label = labels[index] ?? '';
      if (label.includes('.')) return;
      at -= 1 + label.length;
      suffix = suffix === '' ? label : `${label}.${suffix}`;
      this.#offsets.set(suffix, at);
    }
  }

  /** @returns how many fitted, from the first */
  #records(records: readonly ResourceRecord[]): number {
    let count = 0;
    for (const record of records) {
      const start = this.#at;
      if (!this.#record(record)) {
        this.#at = start;
        for (const [name, at] of this.#offsets) if (at >= start) this.#offsets.delete(name);
        break;
      }
      count += 1;
    }
    return count;
  }

  /** @returns false when there was no room; `#at` is anywhere then */
  #record(record: ResourceRecord): boolean {
    if (!this.#name(record.name, true) || !this.#has(10)) return false;
    const at = this.#at;
    this.#buffer.writeUInt16BE(record.type, at);
    this.#buffer.writeUInt16BE(CLASS_IN, at + 2);
    this.#buffer.writeUInt32BE(record.ttl, at + 4);
    this.#at += 10;
    if (!this.#data(record)) return false;
    this.#buffer.writeUInt16BE(this.#at - at - 10, at + 8);
    return true;
  }

  #data(record: ResourceRecord): boolean {
    switch (record.type) {
      case TYPE.A:
      case TYPE.AAAA:
        return this.#bytes(record.address);
      case TYPE.NS:
        return this.#name(record.target, true);
      case TYPE.TXT: {
        const text = Buffer.from(record.text, 'latin1').subarray(0, 255);
        return this.#bytes(Uint8Array.of(text.length)) && this.#bytes(text);
      }
      case TYPE.SRV:
        // The target is written whole (RFC 2782), but others may point at it.
        return this.#numbers16(record.priority, record.weight, record.port) && this.#name(record.target, false);
      case TYPE.SOA:
        return (
          this.#name(record.primary, true) &&
          this.#name(record.mailbox, true) &&
          this.#numbers32(record.serial, record.refresh, record.retry, record.expire, record.minimum)
        );
    }
  }

  #name(name: string, compress: boolean): boolean {
    let rest = name;
    while (rest !== '') {
      const known = compress ? this.#offsets.get(rest) : undefined;
      if (known !== undefined) return this.#numbers16(0xc000 | known);
      const dot = rest.indexOf('.');
      const label = dot === -1 ? rest : rest.slice(0, dot);
      if (!this.#has(1 + label.length)) return false;
      if (this.#at <= POINTER_MAX && !this.#offsets.has(rest)) this.#offsets.set(rest, this.#at);
      this.#buffer.writeUInt8(label.length, this.#at);
      this.#buffer.write(label, this.#at + 1, 'latin1');
      this.#at += 1 + label.length;
      rest = dot === -1 ? '' : rest.slice(dot + 1);
    }
    if (!this.#has(1)) return false;
    this.#buffer.writeUInt8(0, this.#at);
    this.#at += 1;
    return true;
  }

  #bytes(bytes: Uint8Array): boolean {
    if (!this.#has(bytes.length)) return false;
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
    return true;
  }

  #numbers16(...values: readonly number[]): boolean {
    if (!this.#has(2 * values.length)) return false;
    for (const value of values) this.#at = this.#buffer.writeUInt16BE(value, this.#at);
    return true;
  }

  #numbers32(...values: readonly number[]): boolean {
    if (!this.#has(4 * values.length)) return false;
    for (const value of values) this.#at = this.#buffer.writeUInt32BE(value, this.#at);
    return true;
  }

  #has(bytes: number): boolean {
    return this.#at + bytes <= this.#limit;
  }
}

/** FORMERR with nothing but a header: what can be said to a message that cannot be read. */
export function formatErrorResponse(header: {
  readonly id: number;
  readonly opcode: number;
  readonly recursionDesired: boolean;
}): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.writeUInt16BE(header.id, 0);
  const flags = 0x8000 | (header.opcode << 11) | (header.recursionDesired ? 0x100 : 0) | RCODE.formatError;
  bytes.writeUInt16BE(flags, 2);
  return bytes;
}
