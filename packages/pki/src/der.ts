/**
 * Reads just enough DER (X.690) to see the extensions of a certificate, so that looking at one
 * needs no ASN.1 library. Writing and requests use the library.
 */

/** One element: its tag byte and its contents. */
export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Tag, length and contents. */
  readonly whole: Uint8Array;
}

export const DER_TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  sequence: 0x30,
} as const;

/** The elements that `bytes` consist of, or undefined when they are not DER. Indefinite lengths and long tags are not DER here. */
export function readDer(bytes: Uint8Array): readonly DerElement[] | undefined {
  const elements: DerElement[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at] ?? 0;
    const first = bytes[at + 1];
    if (first === undefined || (tag & 0x1f) === 0x1f) return undefined;
    let length = first;
    let start = at + 2;
    if (first >= 0x80) {
      const count = first & 0x7f;
      if (count === 0 || count > 4) return undefined;
      length = 0;
      for (let index = 0; index < count; index += 1) length = length * 256 + (bytes[start + index] ?? 0);
      start += count;
    }
    if (start + length > bytes.length) return undefined;
    elements.push({ tag, content: bytes.subarray(start, start + length), whole: bytes.subarray(at, start + length) });
    at = start + length;
  }
  return elements;
}

/** The extensions of a certificate (RFC 5280 §4.1) by dotted OID: the bytes inside their OCTET STRING. */
export function certificateExtensions(der: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const extensions = new Map<string, Uint8Array>();
  const tbs = readDer(readDer(der)?.[0]?.content ?? new Uint8Array())?.[0]?.content;
  const wrapper = tbs === undefined ? undefined : readDer(tbs)?.find((element) => element.tag === 0xa3);
  const list = wrapper === undefined ? undefined : readDer(wrapper.content)?.[0];
  for (const extension of list === undefined ? [] : (readDer(list.content) ?? [])) {
    const parts = readDer(extension.content) ?? [];
    const id = parts[0];
    const value = parts.at(-1);
    if (id?.tag === DER_TAG.oid && value?.tag === DER_TAG.octetString)
      extensions.set(formatOid(id.content), value.content);
  }
  return extensions;
}

function formatOid(content: Uint8Array): string {
  const arcs: number[] = [];
  let value = 0;
  for (const byte of content) {
    value = value * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    if (arcs.length === 0) {
      const first = Math.min(2, Math.floor(value / 40));
      arcs.push(first, value - first * 40);
    } else arcs.push(value);
    value = 0;
  }
  return arcs.join('.');
}
