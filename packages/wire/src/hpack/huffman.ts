/**
 * The Huffman code of HPACK, RFC 7541 §5.2 and Appendix B.
 *
 * The code is canonical: within one length, codes ascend with the symbol, and each length continues where the shorter one
 * ended. So the 257 lengths define it, and decoding needs, per length, only the first code and the place of its symbol in
 * the sorted list. Codes of up to 8 bits (all of printable ASCII that is common) are found by one table look-up.
 */

const EOS = 256;
const LENGTH_MAX = 30;

// prettier-ignore
const LENGTHS = Uint8Array.of(
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
);

/** Symbols ordered by length, then value. */
const sorted = new Uint16Array(257);
/** Per length: the first code of that length. */
const firstCode = new Uint32Array(LENGTH_MAX + 2);
/** Per length: where its first symbol stands in `sorted`. */
const firstAt = new Uint16Array(LENGTH_MAX + 2);
/** Per symbol: its code. */
const codes = new Uint32Array(257);
/** Per leading byte: `length << 8 | symbol` for codes of up to 8 bits, else 0. */
const short = new Uint16Array(256);

function build(): void {
  let code = 0;
  let at = 0;
  for (let length = 1; length <= LENGTH_MAX; length += 1) {
    code <<= 1;
    firstCode[length] = code;
    firstAt[length] = at;
    for (let symbol = 0; symbol <= EOS; symbol += 1) {
      if (LENGTHS[symbol] !== length) continue;
      sorted[at] = symbol;
      codes[symbol] = code;
      if (length <= 8) short.fill((length << 8) | symbol, code << (8 - length), (code + 1) << (8 - length));
      at += 1;
      code += 1;
    }
  }
  firstAt[LENGTH_MAX + 1] = at;
}
build();

/** Bytes that {@link huffmanEncode} will write for `text` (Latin-1). */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let at = 0; at < text.length; at += 1) bits += LENGTHS[text.charCodeAt(at) & 0xff] ?? 0;
  return (bits + 7) >> 3;
}

/** Writes the code of `text` (Latin-1) into `out` from `at`; returns the position after it. `out` must have room. */
export function huffmanEncode(text: string, out: Uint8Array, at: number): number {
  // Up to 7 bits are pending; a code of up to 30 bits is added in two steps, to stay within 32-bit arithmetic.
  let pending = 0;
  let bits = 0;
  const put = (value: number, length: number): void => {
    pending = (pending << length) | value;
    bits += length;
    while (bits >= 8) {
      bits -= 8;
      out[at] = pending >>> bits;
      at += 1;
      pending &= (1 << bits) - 1;
    }
  };
  for (let index = 0; index < text.length; index += 1) {
    const symbol = text.charCodeAt(index) & 0xff;
    const length = LENGTHS[symbol] ?? 0;
    const code = codes[symbol] ?? 0;
    if (length > 16) {
      put(code >>> 16, length - 16);
      put(code & 0xffff, 16);
    } else put(code, length);
  }
  if (bits > 0) put((1 << (8 - bits)) - 1, 8 - bits);
  return at;
}

/**
 * Decodes `bytes[from, to)` into `out` from 0.
 * @returns how many bytes were written, or -1 when the code is invalid: EOS inside, padding of more than 7 bits or not all
 * ones (RFC 7541 §5.2), or more than `out` can hold.
 */
export function huffmanDecode(bytes: Uint8Array, from: number, to: number, out: Uint8Array): number {
  const end = to * 8;
  let written = 0;
  let at = from * 8; // position in bits
  while (at < end) {
    const entry = short[byteAtBit(bytes, at, to)] ?? 0;
    let length = entry >>> 8;
    let symbol = entry & 0xff;
    if (entry === 0) {
      length = longLength(bytes, at, to);
      symbol = length === 0 ? EOS : symbolAt(bytes, at, length, to);
    }
    if (length === 0 || at + length > end) return isPadding(bytes, at, to) ? written : -1;
    if (symbol === EOS || written === out.length) return -1;
    out[written] = symbol;
    written += 1;
    at += length;
  }
  return written;
}

/** The 8 bits from bit `at`; bits beyond `to` read as ones, as padding does. */
function byteAtBit(bytes: Uint8Array, at: number, to: number): number {
  const index = at >> 3;
  const high = bytes[index] ?? 0xff;
  const low = index + 1 < to ? (bytes[index + 1] ?? 0xff) : 0xff;
  return (((high << 8) | low) >>> (8 - (at & 7))) & 0xff;
}

/** The length (9..30) of the code at bit `at`, or 0 when the bytes end inside it. */
function longLength(bytes: Uint8Array, at: number, to: number): number {
  let code = byteAtBit(bytes, at, to);
  for (let length = 9; length <= LENGTH_MAX && at + length <= to * 8; length += 1) {
    code = (code << 1) | bitAt(bytes, at + length - 1);
    const count = (firstAt[length + 1] ?? 0) - (firstAt[length] ?? 0);
    const offset = code - (firstCode[length] ?? 0);
    if (offset >= 0 && offset < count) return length;
  }
  return 0;
}

function symbolAt(bytes: Uint8Array, at: number, length: number, to: number): number {
  let code = byteAtBit(bytes, at, to);
  for (let bit = 8; bit < length; bit += 1) code = (code << 1) | bitAt(bytes, at + bit);
  return sorted[(firstAt[length] ?? 0) + code - (firstCode[length] ?? 0)] ?? EOS;
}

function bitAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at >> 3] ?? 0) >>> (7 - (at & 7))) & 1;
}

function isPadding(bytes: Uint8Array, at: number, to: number): boolean {
  const bits = to * 8 - at;
  return bits < 8 && byteAtBit(bytes, at, to) === 0xff;
}
