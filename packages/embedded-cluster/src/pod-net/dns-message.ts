/**
 * DNS messages (RFC 1035, SRV of RFC 2782): reads queries, writes responses. No name compression on
 * the way out but for the question's own name, since answers are few and small.
 */

export const DNS_TYPE = { A: 1, CNAME: 5, SOA: 6, PTR: 12, TXT: 16, AAAA: 28, SRV: 33, ANY: 255 } as const;
export const DNS_CODE = {
  ok: 0,
  formatError: 1,
  serverFailure: 2,
  noSuchName: 3,
  notImplemented: 4,
  refused: 5,
} as const;

/** Without EDNS a UDP message has at most this many bytes (RFC 1035 §4.2.1). */
export const UDP_BYTES_MAX = 512;

export interface DnsQuestion {
  /** Lower case, without the last dot. */
  readonly name: string;
  /** As the client wrote it: the response repeats it. */
  readonly asked: string;
  readonly type: number;
  readonly class: number;
}

export interface DnsQuery {
  readonly id: number;
  readonly opcode: number;
  readonly recursionDesired: boolean;
  readonly question: DnsQuestion;
  /** How many bytes the client takes over UDP. */
  readonly udpBytes: number;
  readonly edns: boolean;
}

export type DnsRecord =
  | { readonly type: 'A' | 'AAAA'; readonly name: string; readonly ttl: number; readonly address: string }
  | { readonly type: 'CNAME' | 'PTR'; readonly name: string; readonly ttl: number; readonly target: string }
  | {
      readonly type: 'SRV';
      readonly name: string;
      readonly ttl: number;
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: string;
    }
  | { readonly type: 'SOA'; readonly name: string; readonly ttl: number; readonly zone: string };

export interface DnsAnswer {
  readonly code: number;
  readonly answers: readonly DnsRecord[];
  readonly additional?: readonly DnsRecord[];
  /** The zone whose SOA goes with a negative answer. */
  readonly zone?: string;
}

/** @returns undefined for bytes that are no query with one question */
export function decodeQuery(bytes: Uint8Array): DnsQuery | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 12) return undefined;
  const flags = view.getUint16(2);
  if ((flags & 0x8000) !== 0 || view.getUint16(4) !== 1) return undefined;
  const read = readName(bytes, 12);
  if (read === undefined || read.next + 4 > bytes.length) return undefined;
  const end = read.next + 4;
  const udpBytes = view.getUint16(10) === 1 ? ednsBytes(view, end) : undefined;
  return {
    id: view.getUint16(0),
    opcode: (flags >> 11) & 15,
    recursionDesired: (flags & 0x100) !== 0,
    question: {
      name: read.name.toLowerCase(),
      asked: read.name,
      type: view.getUint16(read.next),
      class: view.getUint16(read.next + 2),
    },
    udpBytes: Math.max(UDP_BYTES_MAX, udpBytes ?? 0),
    edns: udpBytes !== undefined,
  };
}

/** @param bytesMax a longer response is cut to its question with the TC flag set */
export function encodeResponse(query: DnsQuery, answer: DnsAnswer, bytesMax: number): Buffer {
  const negative = answer.answers.length === 0 && answer.zone !== undefined;
  const authority: DnsRecord[] = negative
    ? [{ type: 'SOA', name: answer.zone ?? '', zone: answer.zone ?? '', ttl: 5 }]
    : [];
  const additional = answer.additional ?? [];
  const full = encode(query, answer.code, [answer.answers, authority, additional], false);
  return full.length <= bytesMax ? full : encode(query, answer.code, [[], [], []], true);
}

/** Says only that the answer is too long for UDP. */
export function truncatedResponse(query: DnsQuery): Buffer {
  return encode(query, DNS_CODE.ok, [[], [], []], true);
}

function encode(
  query: DnsQuery,
  code: number,
  sections: readonly [readonly DnsRecord[], readonly DnsRecord[], readonly DnsRecord[]],
  truncated: boolean,
): Buffer {
  const header = Buffer.alloc(12);
  const flags = 0x8480 | (query.recursionDesired ? 0x100 : 0) | (truncated ? 0x200 : 0) | (query.opcode << 11) | code;
  header.writeUInt16BE(query.id, 0);
  header.writeUInt16BE(flags, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(sections[0].length, 6);
  header.writeUInt16BE(sections[1].length, 8);
  header.writeUInt16BE(sections[2].length + (query.edns ? 1 : 0), 10);
  const question = Buffer.concat([
    encodeName(query.question.asked),
    uint16(query.question.type),
    uint16(query.question.class),
  ]);
  const records = sections.flat().map((record) => encodeRecord(record, query.question));
  // OPT pseudo record (RFC 6891): root name, type 41, our UDP size.
  const opt = query.edns ? [Buffer.from([0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0])] : [];
  return Buffer.concat([header, question, ...records, ...opt]);
}

function encodeRecord(record: DnsRecord, question: DnsQuestion): Buffer {
  const data = encodeData(record);
  const name = record.name === question.name ? Buffer.from([0xc0, 12]) : encodeName(record.name);
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(DNS_TYPE[record.type], 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(record.ttl, 4);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([name, fixed, data]);
}

function encodeData(record: DnsRecord): Buffer {
  switch (record.type) {
    case 'A':
      return Buffer.from(record.address.split('.').map(Number));
    case 'AAAA':
      return encodeV6(record.address);
    case 'CNAME':
    case 'PTR':
      return encodeName(record.target);
    case 'SRV':
      return Buffer.concat([
        uint16(record.priority),
        uint16(record.weight),
        uint16(record.port),
        encodeName(record.target),
      ]);
    case 'SOA': {
      const numbers = Buffer.alloc(20);
      [1, 7200, 1800, 86_400, 5].forEach((value, index) => numbers.writeUInt32BE(value, 4 * index));
      return Buffer.concat([encodeName(`ns.dns.${record.zone}`), encodeName(`hostmaster.${record.zone}`), numbers]);
    }
  }
}

function encodeV6(address: string): Buffer {
  const [head = '', tail] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  const groups = tail === undefined ? left : [...left, ...zeros, ...right];
  return Buffer.concat(groups.map((group) => uint16(Number.parseInt(group, 16))));
}

function encodeName(name: string): Buffer {
  const labels = name === '' ? [] : name.split('.');
  return Buffer.concat([
    ...labels.map((label) =>
      Buffer.concat([Buffer.from([Math.min(63, label.length)]), Buffer.from(label.slice(0, 63), 'latin1')]),
    ),
    Buffer.from([0]),
  ]);
}

function readName(bytes: Uint8Array, from: number): { name: string; next: number } | undefined {
  const labels: string[] = [];
  let at = from;
  for (let total = 0; total < 255;) {
    const length = bytes[at];
    // A question's name has nothing before it to point to: compression here is garbage.
    if (length === undefined || length > 63) return undefined;
    at += 1;
    if (length === 0) return { name: labels.join('.'), next: at };
    if (at + length > bytes.length) return undefined;
    labels.push(Buffer.from(bytes.subarray(at, at + length)).toString('latin1'));
    at += length;
    total += length + 1;
  }
  return undefined;
}

function ednsBytes(view: DataView, at: number): number | undefined {
  if (at + 11 > view.byteLength || view.getUint8(at) !== 0 || view.getUint16(at + 1) !== 41) return undefined;
  return view.getUint16(at + 3);
}

function uint16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 255]);
}
