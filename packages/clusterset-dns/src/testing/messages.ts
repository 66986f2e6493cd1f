/** The client's side of DNS, for tests: writes queries and reads responses, independently of the code that is tested. */
import { formatIp } from '@mesh/model';
import { TYPE } from '../message.ts';

export interface QueryOptions {
  readonly id?: number;
  readonly type?: number;
  readonly class?: number;
  readonly opcode?: number;
  readonly edns?: { readonly udpBytes: number; readonly version?: number };
}

export function queryBytes(name: string, options: QueryOptions = {}): Buffer {
  const { id = 7, type = TYPE.A, class: asked = 1, opcode = 0, edns } = options;
  const header = Buffer.alloc(12);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE((opcode << 11) | 0x100, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(edns === undefined ? 0 : 1, 10);
  const labels = name === '' ? [] : name.split('.');
  const opt =
    edns === undefined
      ? []
      : [Buffer.of(0, 0, TYPE.OPT), uint16(edns.udpBytes), Buffer.of(0, edns.version ?? 0, 0, 0, 0, 0)];
  return Buffer.concat([
    header,
    ...labels.flatMap((label) => [Buffer.of(label.length), Buffer.from(label, 'latin1')]),
    Buffer.of(0),
    uint16(type),
    uint16(asked),
    ...opt,
  ]);
}

export interface ReadRecord {
  readonly name: string;
  readonly type: number;
  readonly ttl: number;
  /** As in a zone file. */
  readonly data: string;
}

export interface ReadResponse {
  readonly id: number;
  readonly flags: number;
  readonly code: number;
  readonly truncated: boolean;
  readonly authoritative: boolean;
  readonly question: string;
  readonly answers: readonly ReadRecord[];
  readonly authority: readonly ReadRecord[];
  /** Without OPT. */
  readonly additional: readonly ReadRecord[];
  readonly edns: { readonly udpBytes: number } | undefined;
}

/** @throws Error when it is no response, or is not used up to its last byte. */
export function readResponse(bytes: Buffer): ReadResponse {
  const reader = new Reader(bytes);
  const [id, flags, questions, ...counts] = [0, 2, 4, 6, 8, 10].map((at) => bytes.readUInt16BE(at));
  let question = '';
  if (questions === 1) {
    question = reader.name();
    reader.at += 4;
  }
  const [answers = [], authority = [], rest = []] = counts.map((count) =>
    Array.from({ length: count }, () => reader.record()),
  );
  if (reader.at !== bytes.length) throw new Error(`${bytes.length - reader.at} bytes are left`);
  const opt = rest.find((record) => record.type === TYPE.OPT);
  return {
    id: id ?? 0,
    flags: flags ?? 0,
    code: ((flags ?? 0) & 15) | (((opt?.ttl ?? 0) >>> 24) << 4),
    truncated: ((flags ?? 0) & 0x200) !== 0,
    authoritative: ((flags ?? 0) & 0x400) !== 0,
    question,
    answers,
    authority,
    additional: rest.filter((record) => record !== opt),
    edns: opt === undefined ? undefined : { udpBytes: opt.class },
  };
}

class Reader {
  readonly #bytes: Buffer;
  at = 12;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  name(from = this.at): string {
    const labels: string[] = [];
    let at = from;
    let jumped = false;
    for (;;) {
      const length = this.#bytes.readUInt8(at);
      if (length >= 0xc0) {
        const target = this.#bytes.readUInt16BE(at) & 0x3fff;
        if (target >= at) throw new Error(`a pointer at ${at} that does not point back`);
        if (!jumped) this.at = at + 2;
        jumped = true;
        at = target;
        continue;
      }
      at += 1;
      if (length === 0) break;
      labels.push(this.#bytes.toString('latin1', at, at + length));
      at += length;
    }
    if (!jumped) this.at = at;
    return labels.join('.');
  }

  record(): ReadRecord & { readonly class: number } {
    const name = this.name();
    const [type, asked] = [this.#bytes.readUInt16BE(this.at), this.#bytes.readUInt16BE(this.at + 2)];
    const ttl = this.#bytes.readUInt32BE(this.at + 4);
    const end = this.at + 10 + this.#bytes.readUInt16BE(this.at + 8);
    this.at += 10;
    const data = this.#data(type, end);
    if (this.at !== end) throw new Error(`record of ${name} ends at ${end}, its data at ${this.at}`);
    return { name, type, ttl, data, class: asked };
  }

  #data(type: number, end: number): string {
    if (type === TYPE.NS) return this.name();
    if (type === TYPE.SRV) {
      const numbers = [0, 2, 4].map((offset) => this.#bytes.readUInt16BE(this.at + offset));
      this.at += 6;
      return `${numbers.join(' ')} ${this.name()}`;
    }
    if (type === TYPE.SOA) {
      const names = [this.name(), this.name()];
      const numbers = [0, 4, 8, 12, 16].map((offset) => this.#bytes.readUInt32BE(this.at + offset));
      this.at += 20;
      return [...names, ...numbers].join(' ');
    }
    const data = this.#bytes.subarray(this.at, end);
    this.at = end;
    if (type === TYPE.TXT) return data.toString('latin1', 1);
    return type === TYPE.A || type === TYPE.AAAA ? formatIp(data) : data.toString('hex');
  }
}

function uint16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 255);
}
