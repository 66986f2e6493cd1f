/** Opens PKCS#12 files (.p12, .pfx) as certificate authorities export them. The library is loaded on first use. */
import { createPrivateKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

import type { asn1, pkcs12 } from 'node-forge';

import { Certificate } from './certificate.ts';
import { PkiError } from './errors.ts';

export interface Pkcs12Content {
  readonly key: KeyObject | undefined;
  /** In the file's order, except that the one that belongs to the key comes first. */
  readonly certificates: readonly Certificate[];
}

/**
 * @param der The file.
 * @throws PkiError `malformed` or `wrong_password`.
 */
export async function readPkcs12(der: Uint8Array, password: string, what = 'the PKCS#12 file'): Promise<Pkcs12Content> {
  const { default: forge } = await import('node-forge');
  const toDer = (element: asn1.Asn1): Uint8Array =>
    new Uint8Array(Buffer.from(forge.asn1.toDer(element).getBytes(), 'latin1'));

  let parsed: asn1.Asn1;
  try {
    parsed = forge.asn1.fromDer(Buffer.from(der).toString('latin1'));
  } catch (error) {
    throw new PkiError({ code: 'malformed', what, detail: 'it is not DER' }, { cause: error });
  }
  let bags: pkcs12.Bag[];
  try {
    // Not strict: files with an elliptic-curve key are otherwise refused, as the library itself knows RSA only.
    const pfx = forge.pkcs12.pkcs12FromAsn1(parsed, false, password);
    bags = pfx.safeContents.flatMap((contents) => contents.safeBags);
  } catch (error) {
    if (error instanceof Error && /password|MAC/i.test(error.message))
      throw new PkiError({ code: 'wrong_password', what }, { cause: error });
    throw new PkiError(
      { code: 'malformed', what, detail: 'it is not a PKCS#12 file of a supported kind' },
      { cause: error },
    );
  }

  const certificates: Certificate[] = [];
  let key: KeyObject | undefined;
  for (const bag of bags) {
    if (bag.type === forge.pki.oids['certBag']) {
      certificates.push(
        new Certificate(
          toDer(bag.cert === undefined || bag.cert === null ? bag.asn1 : forge.pki.certificateToAsn1(bag.cert)),
        ),
      );
    } else if (bag.type === forge.pki.oids['keyBag'] || bag.type === forge.pki.oids['pkcs8ShroudedKeyBag']) {
      const element =
        bag.key === undefined || bag.key === null
          ? bag.asn1
          : forge.pki.wrapRsaPrivateKey(forge.pki.privateKeyToAsn1(bag.key));
      key ??= createPrivateKey({ key: Buffer.from(toDer(element)), format: 'der', type: 'pkcs8' });
    }
  }
  const own = key;
  if (own !== undefined)
    certificates.sort((a, b) => Number(b.x509.checkPrivateKey(own)) - Number(a.x509.checkPrivateKey(own)));
  return { key, certificates };
}
