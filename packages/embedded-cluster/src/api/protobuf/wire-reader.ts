/** Walks one protobuf message: field by field, values on demand. All reads are bounds-checked and throw RangeError. */

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

export class WireReader {
  readonly #data: Uint8Array;
  #offset = 0;
  #wireType = VARINT;
  #value: bigint = 0n;
  #bytes: Uint8Array = new Uint8Array();
  /** The number of the present field. */
  field = 0;

  constructor(data: Uint8Array) {
    this.#data = data;
  }

  /** Reads the next field whole; false at the end. */
  next(): boolean {
    if (this.#offset >= this.#data.length) return false;
    const key = this.#varint();
    this.field = Number(key >> 3n);
    this.#wireType = Number(key & 7n);
    switch (this.#wireType) {
      case VARINT:
        this.#value = this.#varint();
        return true;
      case FIXED64:
        this.#bytes = this.#take(8);
        return true;
      case BYTES:
        this.#bytes = this.#take(Number(this.#varint()));
        return true;
      case FIXED32:
        this.#bytes = this.#take(4);
        return true;
      default:
        throw new RangeError(`wire type ${this.#wireType} at byte ${this.#offset}`);
    }
  }

  integer(): number {
    this.#expect(VARINT);
    return Number(BigInt.asIntN(64, this.#value));
  }

  bytes(): Uint8Array {
    this.#expect(BYTES);
    return this.#bytes;
  }

  text(): string {
    return Buffer.from(this.bytes()).toString('utf8');
  }

  double(): number {
    this.#expect(FIXED64);
    return Buffer.from(this.#bytes).readDoubleLE(0);
  }

  #expect(wireType: number): void {
    if (this.#wireType !== wireType)
      throw new RangeError(`field ${this.field} has wire type ${this.#wireType}, expected ${wireType}`);
  }

  #varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#data[this.#offset];
      if (byte === undefined) throw new RangeError('the message ends inside a number');
      this.#offset += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError('a number is longer than ten bytes');
  }

  #take(length: number): Uint8Array {
    if (length > this.#data.length - this.#offset) throw new RangeError('the message ends inside a field');
    const bytes = this.#data.subarray(this.#offset, this.#offset + length);
    this.#offset += length;
    return bytes;
  }
}
