/** Reads PEM text: bundles of certificates, and private keys in PKCS#8, PKCS#1 or SEC1 form, encrypted or not. */
import { createPrivateKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

import { Certificate } from './certificate.ts';
import { PkiError } from './errors.ts';

interface PemBlock {
  readonly label: string;
  readonly der: Uint8Array;
  readonly text: string;
}

/**
 * All certificates of a PEM bundle, in order; text and blocks of other kinds between them are skipped.
 * @param what Names the input in errors, for example "ca-bundle.crt of ConfigMap linkerd/linkerd-identity-trust-roots".
 * @throws PkiError `malformed` when there is none or one cannot be read.
 */
export function parseCertificates(text: string, what = 'the certificate bundle'): readonly Certificate[] {
  const blocks = pemBlocks(text).filter(
    (block) => block.label === 'CERTIFICATE' || block.label === 'TRUSTED CERTIFICATE',
  );
  if (blocks.length === 0)
    throw new PkiError({ code: 'malformed', what, detail: 'it holds no "BEGIN CERTIFICATE" block' });
  return blocks.map((block, index) => {
    try {
      return new Certificate(block.der);
    } catch (error) {
      throw new PkiError(
        { code: 'malformed', what, detail: `its certificate number ${index + 1} is not X.509` },
        { cause: error },
      );
    }
  });
}

/** The first certificate of a PEM text. */
export function parseCertificate(text: string, what = 'the certificate'): Certificate {
  const [first] = parseCertificates(text, what);
  if (first === undefined) throw new PkiError({ code: 'malformed', what, detail: 'it is empty' });
  return first;
}

/**
 * A private key.
 * @param password For encrypted keys ("ENCRYPTED PRIVATE KEY" and the older "Proc-Type: 4,ENCRYPTED").
 * @throws PkiError `malformed`, `password_needed` or `wrong_password`.
 */
export function parsePrivateKey(
  text: string,
  options: { readonly what?: string; readonly password?: string } = {},
): KeyObject {
  const { what = 'the private key', password } = options;
  const block = pemBlocks(text).find((one) => one.label.endsWith('PRIVATE KEY'));
  if (block === undefined)
    throw new PkiError({ code: 'malformed', what, detail: 'it holds no "BEGIN … PRIVATE KEY" block' });
  const encrypted = block.label === 'ENCRYPTED PRIVATE KEY' || block.text.includes('Proc-Type: 4,ENCRYPTED');
  if (encrypted && password === undefined) throw new PkiError({ code: 'password_needed', what });
  try {
    return createPrivateKey(encrypted ? { key: block.text, passphrase: password ?? '' } : block.text);
  } catch (error) {
    if (encrypted) throw new PkiError({ code: 'wrong_password', what }, { cause: error });
    throw new PkiError(
      { code: 'malformed', what, detail: `its "${block.label}" block is not a key of a known kind` },
      { cause: error },
    );
  }
}

/** PKCS#8 PEM, unencrypted. */
export function privateKeyPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' });
}

function pemBlocks(text: string): readonly PemBlock[] {
  const blocks: PemBlock[] = [];
  for (const match of text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----([\s\S]*?)-----END \1-----/g)) {
    const label = match[1] ?? '';
    // Header lines of encrypted keys ("Proc-Type: …") are not base64.
    const body = (match[2] ?? '').replaceAll(/^[A-Za-z-]+:.*$/gm, '');
    blocks.push({ label, der: new Uint8Array(Buffer.from(body, 'base64')), text: `${match[0]}\n` });
  }
  return blocks;
}
