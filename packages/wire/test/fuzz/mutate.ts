/** Damages inputs of the corpus: bits, bytes, runs, joints, ends. */
import type { Random } from './random.ts';

const TELLING_BYTES = [0, 1, 2, 5, 8, 9, 10, 13, 32, 58, 0x30, 0x3b, 0x41, 0x7f, 0x80, 0x82, 0xc0, 0xfe, 0xff];
const LENGTH_MAX = 4096;

/** One input, some changes away from one of the corpus. */
export function mutate(corpus: readonly Buffer[], random: Random): Buffer {
  let bytes = Buffer.from(corpus[random.below(corpus.length)] ?? Buffer.alloc(0));
  for (let changes = random.below(6); changes > 0; changes -= 1) bytes = change(bytes, corpus, random);
  return bytes.length > LENGTH_MAX ? bytes.subarray(0, LENGTH_MAX) : bytes;
}

function change(bytes: Buffer<ArrayBuffer>, corpus: readonly Buffer[], random: Random): Buffer<ArrayBuffer> {
  const at = random.below(bytes.length + 1);
  const length = random.below(Math.min(32, bytes.length - at) + 1);
  switch (random.below(8)) {
    case 0: // One bit.
      if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
      return bytes;
    case 1: // A byte that means something somewhere.
      if (at < bytes.length) bytes[at] = TELLING_BYTES[random.below(TELLING_BYTES.length)] as number;
      return bytes;
    case 2: // Any byte.
      if (at < bytes.length) bytes[at] = random.below(256);
      return bytes;
    case 3: // Something taken out.
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    case 4: // Something twice.
      return Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
    case 5: // Cut off.
      return Buffer.from(bytes.subarray(0, at));
    case 6: // Something put in.
      return Buffer.concat([bytes.subarray(0, at), noise(random), bytes.subarray(at)]);
    default: {
      // Joined with another input.
      const other = corpus[random.below(corpus.length)] ?? bytes;
      return Buffer.concat([bytes.subarray(0, at), other.subarray(random.below(other.length + 1))]);
    }
  }
}

function noise(random: Random): Buffer {
  return Buffer.from(Array.from({ length: random.below(8) }, () => random.below(256)));
}

/** The same bytes in pieces. */
export function pieces(bytes: Buffer, random: Random): Buffer[] {
  const parts: Buffer[] = [];
  const largest = 1 + random.below(bytes.length + 1);
  for (let at = 0; at < bytes.length;) {
    const size = 1 + random.below(largest);
    parts.push(bytes.subarray(at, at + size));
    at += size;
  }
  return parts;
}
