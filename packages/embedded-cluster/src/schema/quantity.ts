/**
 * Kubernetes quantities: parsing, canonical form and comparison, exact for any number of digits.
 * (Kubernetes API reference, "Quantity".) Finer than one nano is rounded up, away from zero.
 */

export const QUANTITY_ERROR =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

export interface Quantity {
  /** The value in nanos. */
  readonly nanos: bigint;
  readonly format: 'decimalSI' | 'binarySI' | 'decimalExponent';
  /** The letter that a decimal exponent was written with. */
  readonly exponentLetter: 'e' | 'E';
}

const NANO = 1_000_000_000n;
const DECIMAL_SUFFIXES: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const SUFFIX_OF: ReadonlyMap<number, string> = new Map(
  Object.entries(DECIMAL_SUFFIXES).map(([suffix, exponent]) => [exponent, suffix]),
);
const BINARY_SUFFIXES = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

/** Parses a quantity, or gives undefined when the text is not one. */
export function parseQuantity(text: string): Quantity | undefined {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(.*)$/s.exec(text);
  if (match === null || text === '') return undefined;
  const [, sign = '', whole = '', fraction = '', suffix = ''] = match;
  if (whole === '' && fraction === '' && (sign !== '' || suffix === '')) return undefined;
  const scale = parseSuffix(suffix);
  if (scale === undefined) return undefined;
  let numerator = BigInt(`${whole}${fraction}` || '0') * NANO;
  let denominator = 10n ** BigInt(fraction.length);
  if (scale.base === 2) numerator *= 1n << BigInt(scale.exponent);
  else if (scale.exponent >= 0) numerator *= 10n ** BigInt(scale.exponent);
  else denominator *= 10n ** BigInt(-scale.exponent);
  const nanos = (numerator + denominator - 1n) / denominator;
  return { nanos: sign === '-' ? -nanos : nanos, format: scale.format, exponentLetter: scale.letter };
}

interface Scale {
  readonly base: 2 | 10;
  readonly exponent: number;
  readonly format: Quantity['format'];
  readonly letter: 'e' | 'E';
}

function parseSuffix(suffix: string): Scale | undefined {
  if (Object.hasOwn(DECIMAL_SUFFIXES, suffix))
    return { base: 10, exponent: DECIMAL_SUFFIXES[suffix] ?? 0, format: 'decimalSI', letter: 'e' };
  const binary = BINARY_SUFFIXES.indexOf(suffix);
  if (binary > 0) return { base: 2, exponent: binary * 10, format: 'binarySI', letter: 'e' };
  const match = /^([eE])([+-]?\d{1,3})$/.exec(suffix);
  if (match === null) return undefined;
  return { base: 10, exponent: Number(match[2]), format: 'decimalExponent', letter: match[1] === 'E' ? 'E' : 'e' };
}

/** The canonical text: the largest suffix that keeps the mantissa an integer. */
export function formatQuantity(quantity: Quantity): string {
  const { nanos } = quantity;
  if (nanos === 0n) return '0';
  const negative = nanos < 0n;
  const size = negative ? -nanos : nanos;
  if (quantity.format === 'binarySI' && size >= 1024n * NANO) return `${negative ? '-' : ''}${binaryText(size)}`;
  if (quantity.format === 'binarySI' && size % NANO === 0n) return `${negative ? '-' : ''}${size / NANO}`;
  let mantissa = size;
  let exponent = -9;
  while (mantissa % 1000n === 0n && (quantity.format === 'decimalExponent' || exponent < 18)) {
    mantissa /= 1000n;
    exponent += 3;
  }
  const suffix =
    quantity.format === 'decimalExponent'
      ? exponent === 0
        ? ''
        : `${quantity.exponentLetter}${exponent}`
      : (SUFFIX_OF.get(exponent) ?? '');
  return `${negative ? '-' : ''}${mantissa}${suffix}`;
}

function binaryText(nanos: bigint): string {
  let mantissa = (nanos + NANO - 1n) / NANO;
  let power = 0;
  while (mantissa % 1024n === 0n && power < BINARY_SUFFIXES.length - 1) {
    mantissa /= 1024n;
    power += 1;
  }
  return `${mantissa}${BINARY_SUFFIXES[power] ?? ''}`;
}

/** The canonical text of a quantity that a client sent, numbers included; undefined when it is not one. */
export function canonicalQuantity(value: unknown): string | undefined {
  if (value === null || value === undefined) return '0';
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const text = String(value).trim();
  const quantity = parseQuantity(text);
  if (quantity === undefined) return undefined;
  // A lone suffix is zero; texts that are canonical but for sign or leading zeros are kept as the API server keeps them.
  if (/^(?:\+|0)\d+$/.test(text)) return text;
  return formatQuantity(quantity);
}

/** Orders two quantities as texts; texts that are not quantities count as zero. */
export function compareQuantities(a: string, b: string): number {
  const left = parseQuantity(a)?.nanos ?? 0n;
  const right = parseQuantity(b)?.nanos ?? 0n;
  return left < right ? -1 : left > right ? 1 : 0;
}
