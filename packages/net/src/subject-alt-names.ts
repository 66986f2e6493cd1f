/**
 * Reads the subjectAltName of a verified certificate from its DER (RFC 5280 §4.2.1.6).
 *
 * Own reader, because the textual form that the runtimes give joins names with commas and must be
 * unquoted, which has been a source of spoofed identities. The chain was verified before this runs;
 * still, malformed input yields no names, never an exception.
 */

export interface SubjectAltNames {
  readonly dns: readonly string[];
  readonly uri: readonly string[];
}

const NONE: SubjectAltNames = { dns: [], uri: [] };
const SEQUENCE = 0x30;
const EXTENSIONS = 0xa3;
const OID = 0x06;
const BOOLEAN = 0x01;
const OCTET_STRING = 0x04;
const GENERAL_NAME_DNS = 0x82;
const GENERAL_NAME_URI = 0x86;
/** 2.5.29.17 */
const OID_SUBJECT_ALT_NAME = Buffer.from([0x55, 0x1d, 0x11]);

/** One DER element: where its content starts and ends. */
interface Element {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

/** DNS names (lower case) and URIs of a certificate, in order; empty for anything malformed. */
export function readSubjectAltNames(der: Uint8Array): SubjectAltNames {
  const extension = findExtension(der);
  if (extension === undefined) return NONE;
  const names = elementAt(der, extension.start, extension.end);
  if (names?.tag !== SEQUENCE) return NONE;
  const dns: string[] = [];
  const uri: string[] = [];
  for (const name of children(der, names)) {
    if (name.tag !== GENERAL_NAME_DNS && name.tag !== GENERAL_NAME_URI) continue;
    const text = ia5(der, name);
    if (text === undefined) return NONE;
    if (name.tag === GENERAL_NAME_DNS) dns.push(text.toLowerCase());
    else uri.push(text);
  }
  return { dns, uri };
}

/** The content of the subjectAltName extension's OCTET STRING. */
function findExtension(der: Uint8Array): Element | undefined {
  const certificate = elementAt(der, 0, der.length);
  if (certificate?.tag !== SEQUENCE) return undefined;
  const tbs = elementAt(der, certificate.start, certificate.end);
  if (tbs?.tag !== SEQUENCE) return undefined;
  const wrapper = children(der, tbs).find((element) => element.tag === EXTENSIONS);
  if (wrapper === undefined) return undefined;
  const list = elementAt(der, wrapper.start, wrapper.end);
  if (list?.tag !== SEQUENCE) return undefined;
  for (const extension of children(der, list)) {
    const [oid, ...rest] = children(der, extension);
    if (oid?.tag !== OID || !OID_SUBJECT_ALT_NAME.equals(der.subarray(oid.start, oid.end))) continue;
    const value = rest.find((element) => element.tag !== BOOLEAN);
    return value?.tag === OCTET_STRING ? value : undefined;
  }
  return undefined;
}

function children(der: Uint8Array, parent: Element): Element[] {
  const found: Element[] = [];
  let at = parent.start;
  while (at < parent.end) {
    const element = elementAt(der, at, parent.end);
    if (element === undefined) return [];
    found.push(element);
    at = element.end;
  }
  return found;
}

function elementAt(der: Uint8Array, at: number, limit: number): Element | undefined {
  const tag = der[at];
  const first = der[at + 1];
  if (tag === undefined || first === undefined || at + 2 > limit) return undefined;
  let length = first;
  let start = at + 2;
  if (first >= 0x80) {
    const lengthBytes = first & 0x7f;
    // Four bytes are more than any certificate; zero would be BER's indefinite form, not DER.
    if (lengthBytes === 0 || lengthBytes > 4 || start + lengthBytes > limit) return undefined;
    length = 0;
    for (let i = 0; i < lengthBytes; i += 1) length = length * 256 + (der[start + i] ?? 0);
    start += lengthBytes;
  }
  const end = start + length;
  return end > limit ? undefined : { tag, start, end };
}

/** Visible ASCII only: a NUL or a control byte inside a name is an attempt to confuse a reader. */
function ia5(der: Uint8Array, element: Element): string | undefined {
  for (let at = element.start; at < element.end; at += 1) {
    const byte = der[at] ?? 0;
    if (byte <= 0x20 || byte >= 0x7f) return undefined;
  }
  return Buffer.from(der.buffer, der.byteOffset + element.start, element.end - element.start).toString('latin1');
}
