/** The reader of {@link Schema}s: bytes to objects, for any bytes either a message or a `ProtoError`, within bounded work. */
import { Schema } from './schema.ts';
import type { FieldType } from './schema.ts';

/** Bytes that are no such message. */
export class ProtoError extends Error {
  override readonly name = 'ProtoError';
}

const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;
/** Nesting of real messages stays below 20. */
const DEPTH_MAX = 50;

const TIMESTAMP = new Schema({ seconds: [1, 'int64'], nanos: [2, 'int32'] });
const MAP_ENTRY = new Schema({ key: [1, 'string'], value: [2, 'string'] });

/** @throws ProtoError */
export function decodeMessage(schema: Schema, bytes: Uint8Array): Record<string, unknown> {
  return new Decoder(bytes).message(schema, bytes.length, 0);
}

class Decoder {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  message(schema: Schema, end: number, depth: number): Record<string, unknown> {
    if (depth > DEPTH_MAX) throw new ProtoError('nested too deeply');
    const message = schema.empty();
    while (this.#at < end) {
      const tag = Number(this.#varint(end) & 0xffff_ffffn);
      const field = schema.field(tag >>> 3);
      if (field === undefined || (tag & 7) !== wireType(field.type)) {
        this.#skip(tag & 7, end);
        continue;
      }
      const value = this.#value(field.type, end, depth);
      if (field.oneof !== '') message[field.oneof] = { $case: field.name, value };
      else if (field.repeated) (message[field.name] as unknown[]).push(value);
      else if (field.type === 'map') addEntry(message[field.name] as Record<string, string>, value);
      else message[field.name] = value;
    }
    return message;
  }

  #value(type: FieldType, end: number, depth: number): unknown {
    if (type instanceof Schema) return this.#nested(type, end, depth);
    if (typeof type === 'function') return this.#nested(type(), end, depth);
    switch (type) {
      case 'uint32':
        return Number(this.#varint(end) & 0xffff_ffffn);
      case 'int32':
        return Number(BigInt.asIntN(32, this.#varint(end)));
      case 'int64':
        return BigInt.asIntN(64, this.#varint(end));
      case 'bool':
        return this.#varint(end) !== 0n;
      case 'fixed32':
        return this.#view.getUint32(this.#take(4, end), true);
      case 'float':
        return this.#view.getFloat32(this.#take(4, end), true);
      case 'fixed64':
        return this.#view.getBigUint64(this.#take(8, end), true);
      case 'double':
        return this.#view.getFloat64(this.#take(8, end), true);
      case 'string':
        return this.#blob(end).toString('utf8');
      case 'bytes':
        return Uint8Array.from(this.#blob(end));
      case 'map':
        return this.#nested(MAP_ENTRY, end, depth);
      case 'timestamp': {
        const { seconds, nanos } = this.#nested(TIMESTAMP, end, depth) as { seconds: bigint; nanos: number };
        return new Date(Number(seconds) * 1000 + nanos / 1e6);
      }
    }
  }

  #nested(schema: Schema, end: number, depth: number): Record<string, unknown> {
    return this.message(schema, this.#length(end), depth + 1);
  }

  #blob(end: number): Buffer {
    const to = this.#length(end);
    const { buffer, byteOffset } = this.#bytes;
    const blob = Buffer.from(buffer, byteOffset + this.#at, to - this.#at);
    this.#at = to;
    return blob;
  }

  /** Reads a length; returns where it ends. */
  #length(end: number): number {
    const length = Number(this.#varint(end));
    return this.#checked(this.#at + length, end);
  }

  #checked(to: number, end: number): number {
    if (to > end) throw new ProtoError('a field is longer than its message');
    return to;
  }

  #take(size: number, end: number): number {
    const from = this.#at;
    this.#at = this.#checked(from + size, end);
    return from;
  }

  /** Up to 64 bits. */
  #varint(end: number): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#take(1, end)] ?? 0;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new ProtoError('a number is longer than ten bytes');
  }

  #skip(wire: number, end: number): void {
    if (wire === WIRE.varint) this.#varint(end);
    else if (wire === WIRE.fixed64) this.#take(8, end);
    else if (wire === WIRE.fixed32) this.#take(4, end);
    else if (wire === WIRE.bytes) this.#at = this.#length(end);
    else throw new ProtoError(`unknown wire type ${wire}`);
  }
}

function wireType(type: FieldType): number {
  switch (type) {
    case 'uint32':
    case 'int32':
    case 'int64':
    case 'bool':
      return WIRE.varint;
    case 'fixed32':
    case 'float':
      return WIRE.fixed32;
    case 'fixed64':
    case 'double':
      return WIRE.fixed64;
    default:
      return WIRE.bytes;
  }
}

function addEntry(map: Record<string, string>, entry: unknown): void {
  const { key, value } = entry as { key: string; value: string };
  // A key such as __proto__ must become an own property and nothing else.
  Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
}
