/**
 * The header that a mesh proxy writes first on a TLS connection to another one (ALPN
 * `transport.l5d.io/v1`): for which port of the workload, or which service behind a gateway, the bytes that follow are meant.
 *
 *   "transport.l5d.io/v1" CRLF CRLF | length: 4 bytes, big endian | protobuf Header | application bytes
 *
 *   Header { 1 port: int32, 2 name: string, 3 session_protocol: { oneof 1 http1: {} | 2 http2: {} },
 *            1001 client_identity: string, 1002 client_cluster: string, 1003 hops: uint32 }
 *
 * The last three are ours (ADR 0020): a gateway says with them who its client is. Readers that do not know them skip them.
 */
import { isClientIdentity, isClusterName } from './conveyed-client.ts';

export const TRANSPORT_ALPN = 'transport.l5d.io/v1';
/** Prefix, length and message together. */
export const TRANSPORT_HEADER_BYTES_MAX = 64 * 1024;

export type SessionProtocol = 'http1' | 'http2' | undefined;

export interface TransportHeader {
  /** 1..65535. */
  readonly port: number;
  /** Host of a service behind a gateway; "" for the workload itself. */
  readonly name: string;
  /** undefined: opaque. */
  readonly session: SessionProtocol;
  /** Who the client behind the sending gateway is, by {@link isClientIdentity}; "" when nobody says. To be believed from gateways only. */
  readonly clientIdentity: string;
  /** The cluster of that client, by {@link isClusterName}; "" when nobody says. */
  readonly clientCluster: string;
  /** Gateways that the connection has passed, the sender included: 32 bits, unsigned. */
  readonly hops: number;
}

/** What a sender must say, and what it may leave out. */
export type SentTransportHeader = Pick<TransportHeader, 'port' | 'name' | 'session'> & Partial<TransportHeader>;

export type TransportHeaderError =
  | 'bad_prefix'
  | 'too_large'
  | 'bad_message'
  | 'bad_port'
  | 'bad_name'
  | 'bad_client_identity'
  | 'bad_client_cluster'
  | 'bad_hops';

export type TransportHeaderResult =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'header'; readonly header: TransportHeader; readonly rest: Uint8Array }
  | { readonly kind: 'error'; readonly error: TransportHeaderError };

const PREFIX = Buffer.from(`${TRANSPORT_ALPN}\r\n\r\n`);
const LENGTH_BYTES = 4;
const INCOMPLETE: TransportHeaderResult = { kind: 'incomplete' };

const FIELD = { port: 1, name: 2, session: 3, clientIdentity: 1001, clientCluster: 1002, hops: 1003 } as const;
/** Protobuf's wire types (its encoding guide, "Message Structure"). */
const WIRE = { varint: 0, bytes: 2 } as const;
const HOPS_MAX = 0xffff_ffff;

/** Throws a RangeError for what no receiver would take. */
export function encodeTransportHeader(header: SentTransportHeader): Uint8Array {
  const { port, name, session, clientIdentity = '', clientCluster = '', hops = 0 } = header;
  const problem = checkFields(port, name, clientIdentity, clientCluster, hops);
  if (problem !== undefined) throw new RangeError(`transport header: ${problem}: ${JSON.stringify(header)}`);
  const message: number[] = [];
  putNumber(message, FIELD.port, port);
  putText(message, FIELD.name, name);
  if (session !== undefined) message.push(0x1a, 2, session === 'http1' ? 0x0a : 0x12, 0);
  putText(message, FIELD.clientIdentity, clientIdentity);
  putText(message, FIELD.clientCluster, clientCluster);
  putNumber(message, FIELD.hops, hops);
  const out = Buffer.alloc(PREFIX.length + LENGTH_BYTES + message.length);
  out.set(PREFIX, 0);
  out.writeUInt32BE(message.length, PREFIX.length);
  out.set(message, PREFIX.length + LENGTH_BYTES);
  return out;
}

/** Collects the header from a stream of chunks; one object per connection, thrown away after its result. */
export class TransportHeaderReader {
  #held: Uint8Array = new Uint8Array(0);

  /** @returns `incomplete` until all of it is there; `rest` then holds the application bytes that came with it. */
  feed(bytes: Uint8Array): TransportHeaderResult {
    const all = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    const prefix = Math.min(PREFIX.length, all.length);
    for (let at = 0; at < prefix; at += 1) if (all[at] !== PREFIX[at]) return failed('bad_prefix');
    const start = PREFIX.length + LENGTH_BYTES;
    if (all.length < start) return this.#hold(all);
    const length = new DataView(all.buffer, all.byteOffset).getUint32(PREFIX.length);
    if (start + length > TRANSPORT_HEADER_BYTES_MAX) return failed('too_large');
    if (all.length < start + length) return this.#hold(all);
    const header = decodeMessage(all.subarray(start, start + length));
    if (typeof header === 'string') return failed(header);
    return { kind: 'header', header, rest: all.subarray(start + length) };
  }

  #hold(all: Uint8Array): TransportHeaderResult {
    this.#held = all;
    return INCOMPLETE;
  }
}

function failed(error: TransportHeaderError): TransportHeaderResult {
  return { kind: 'error', error };
}

function decodeMessage(bytes: Uint8Array): TransportHeader | TransportHeaderError {
  const reader = new FieldReader(bytes);
  let port = 0;
  let name = '';
  let session: SessionProtocol;
  let clientIdentity = '';
  let clientCluster = '';
  let hops = 0;
  while (reader.next()) {
    if (reader.wire === WIRE.varint) {
      if (reader.field === FIELD.port) port = reader.number;
      else if (reader.field === FIELD.hops) hops = reader.number;
    } else if (reader.wire === WIRE.bytes) {
      if (reader.field === FIELD.name) name = textOf(reader.payload);
      else if (reader.field === FIELD.clientIdentity) clientIdentity = textOf(reader.payload);
      else if (reader.field === FIELD.clientCluster) clientCluster = textOf(reader.payload);
      else if (reader.field === FIELD.session) {
        const found = decodeSession(reader.payload);
        if (found === 'bad_message') return found;
        session = found ?? session;
      }
    }
  }
  if (reader.broken) return 'bad_message';
  const problem = checkFields(port, name, clientIdentity, clientCluster, hops);
  return problem ?? { port, name, session, clientIdentity, clientCluster, hops };
}

function decodeSession(bytes: Uint8Array): SessionProtocol | 'bad_message' {
  const reader = new FieldReader(bytes);
  let session: SessionProtocol;
  while (reader.next()) {
    if (reader.field === 1 && reader.wire === WIRE.bytes) session = 'http1';
    else if (reader.field === 2 && reader.wire === WIRE.bytes) session = 'http2';
  }
  return reader.broken ? 'bad_message' : session;
}

function checkFields(
  port: number,
  name: string,
  clientIdentity: string,
  clientCluster: string,
  hops: number,
): TransportHeaderError | undefined {
  if (!isPort(port)) return 'bad_port';
  if (name !== '' && !isName(name)) return 'bad_name';
  if (clientIdentity !== '' && !isClientIdentity(clientIdentity)) return 'bad_client_identity';
  if (clientCluster !== '' && !isClusterName(clientCluster)) return 'bad_client_cluster';
  return Number.isInteger(hops) && hops >= 0 && hops <= HOPS_MAX ? undefined : 'bad_hops';
}

/** Absent when it is 0, as proto3 has it. */
function putNumber(message: number[], field: number, value: number): void {
  if (value !== 0) message.push(...varint(field * 8 + WIRE.varint), ...varint(value));
}

function putText(message: number[], field: number, text: string): void {
  if (text === '') return;
  const bytes = Buffer.from(text, 'latin1');
  message.push(...varint(field * 8 + WIRE.bytes), ...varint(bytes.length), ...bytes);
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
}

/** Walks protobuf fields; unknown ones are skipped, as the format wants. */
class FieldReader {
  field = 0;
  wire = 0;
  number = 0;
  payload: Uint8Array = new Uint8Array(0);
  broken = false;
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  next(): boolean {
    if (this.broken || this.#at >= this.#bytes.length) return false;
    const key = this.#varint();
    this.field = Math.floor(key / 8);
    this.wire = key % 8;
    if (this.field === 0) this.broken = true;
    else if (this.wire === 0) this.number = this.#varint();
    else if (this.wire === 2) this.#take(this.#varint());
    else if (this.wire === 1) this.#take(8);
    else if (this.wire === 5) this.#take(4);
    else this.broken = true;
    return !this.broken;
  }

  #varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count += 1) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) break;
      this.#at += 1;
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 0x80) return value;
    }
    this.broken = true;
    return 0;
  }

  #take(length: number): void {
    if (length > this.#bytes.length - this.#at) {
      this.broken = true;
      return;
    }
    this.payload = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
  }
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return bytes;
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65535;
}

/** A DNS name, with or without the final dot. */
function isName(name: string): boolean {
  return name.length <= 254 && /^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?$/.test(name);
}
