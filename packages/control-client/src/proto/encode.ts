/** The requests that a proxy sends, written field by field. */

/** Fields in the order of their numbers; empty strings and zeros are left out, as proto3 does. */
export class ProtoWriter {
  readonly #parts: Uint8Array[] = [];

  string(number: number, value: string): this {
    return value === '' ? this : this.bytes(number, Buffer.from(value));
  }

  bytes(number: number, value: Uint8Array): this {
    if (value.length > 0) this.message(number, value);
    return this;
  }

  /** A nested message: written also when it is empty. */
  message(number: number, value: Uint8Array): this {
    this.#parts.push(varint((number << 3) | 2), varint(value.length), value);
    return this;
  }

  uint32(number: number, value: number): this {
    if (value !== 0) this.#parts.push(varint(number << 3), varint(value));
    return this;
  }

  /** Written also when zero, for choices of a oneof. */
  fixed32(number: number, value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    this.#parts.push(varint((number << 3) | 5), bytes);
    return this;
  }

  fixed64(number: number, bigEndian: Uint8Array): this {
    if (bigEndian.some((byte) => byte !== 0))
      this.#parts.push(varint((number << 3) | 1), Uint8Array.from(bigEndian).reverse());
    return this;
  }

  finish(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
