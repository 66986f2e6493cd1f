/** Which key signed a certificate, and which key is its own, as the certificate says (RFC 5280 §4.2.1.1, §4.2.1.2). */
import { certificateExtensions, DER_TAG, readDer } from './der.ts';

const OID_AUTHORITY_KEY_IDENTIFIER = '2.5.29.35';
const OID_SUBJECT_KEY_IDENTIFIER = '2.5.29.14';
/** `keyIdentifier` of an AuthorityKeyIdentifier: context tag 0, primitive. */
const TAG_KEY_IDENTIFIER = 0x80;

/** Lower-case hexadecimal; `undefined` when the certificate does not say, or is no DER. */
export function authorityKeyId(der: Uint8Array): string | undefined {
  const value = certificateExtensions(der).get(OID_AUTHORITY_KEY_IDENTIFIER);
  const sequence = value === undefined ? undefined : readDer(value)?.[0];
  if (sequence?.tag !== DER_TAG.sequence) return undefined;
  return hex(readDer(sequence.content)?.find(({ tag }) => tag === TAG_KEY_IDENTIFIER)?.content);
}

/** Lower-case hexadecimal; `undefined` when the certificate does not say, or is no DER. */
export function subjectKeyId(der: Uint8Array): string | undefined {
  const value = certificateExtensions(der).get(OID_SUBJECT_KEY_IDENTIFIER);
  const element = value === undefined ? undefined : readDer(value)?.[0];
  return element?.tag === DER_TAG.octetString ? hex(element.content) : undefined;
}

function hex(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined || bytes.length === 0 ? undefined : Buffer.from(bytes).toString('hex');
}
