/**
 * Writes the one certificate request that a workload ever sends: PKCS#10 (RFC 2986) with its name as common name and only
 * DNS (or URI) alternative name, signed with ECDSA and SHA-256.
 *
 * Own writer, some 60 lines of DER, because the X.509 library behind `@mesh/pki` costs a sidecar 20 MB.
 */
import { sign } from 'node:crypto';
import type { KeyPair } from '@mesh/pki';

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const UTF8_STRING = 0x0c;
const ATTRIBUTES = 0xa0;
const SAN_DNS = 0x82;
const SAN_URI = 0x86;

const OID_COMMON_NAME = oid(0x55, 0x04, 0x03);
const OID_SUBJECT_ALT_NAME = oid(0x55, 0x1d, 0x11);
/** 1.2.840.113549.1.9.14, extensionRequest (RFC 2985 §5.4.2). */
const OID_EXTENSION_REQUEST = oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e);
/** 1.2.840.10045.4.3.2, ecdsa-with-SHA256 (RFC 5758 §3.2). */
const OID_ECDSA_SHA256 = oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02);

/** Upper bound of an X.520 common name; longer identities leave it out, as the alternative name is what counts. */
const COMMON_NAME_LENGTH_MAX = 64;

/**
 * DER of the request.
 * @param name A DNS-like identity, or a SPIFFE URI.
 * @param keys ECDSA P-256.
 */
export function createCertificateRequest(keys: KeyPair, name: string): Uint8Array {
  const text = Buffer.from(name, 'latin1');
  const isUri = name.includes('://');
  const subject =
    isUri || text.length > COMMON_NAME_LENGTH_MAX
      ? der(SEQUENCE)
      : der(SEQUENCE, der(SET, der(SEQUENCE, OID_COMMON_NAME, der(UTF8_STRING, text))));
  const altName = der(SEQUENCE, der(isUri ? SAN_URI : SAN_DNS, text));
  const extensions = der(SEQUENCE, der(SEQUENCE, OID_SUBJECT_ALT_NAME, der(OCTET_STRING, altName)));
  const attributes = der(ATTRIBUTES, der(SEQUENCE, OID_EXTENSION_REQUEST, der(SET, extensions)));
  const publicKey = keys.publicKey.export({ type: 'spki', format: 'der' });
  const info = der(SEQUENCE, der(INTEGER, Uint8Array.of(0)), subject, publicKey, attributes);
  const signature = sign('sha256', info, keys.privateKey);
  return der(SEQUENCE, info, der(SEQUENCE, OID_ECDSA_SHA256), der(BIT_STRING, Uint8Array.of(0), signature));
}

/** One DER element (X.690 §8.1). */
function der(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const length = contents.reduce((sum, content) => sum + content.length, 0);
  const head =
    length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >>> 8, length & 0xff];
  return Buffer.concat([Uint8Array.from(head), ...contents]);
}

function oid(...content: readonly number[]): Uint8Array {
  return Uint8Array.of(0x06, content.length, ...content);
}
