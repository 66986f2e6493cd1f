/** The X.509 library behind issuing and requests, loaded on first use: it costs 110 ms and 20 MB (Node 26, 2026-11). */
import { webcrypto } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

import type * as x509 from '@peculiar/x509';

export type Engine = typeof x509;
export type { Extension } from '@peculiar/x509';

let loading: Promise<Engine> | undefined;

export function loadEngine(): Promise<Engine> {
  loading ??= (async () => {
    // The library's dependency injection needs the polyfill before it is evaluated.
    await import('reflect-metadata');
    return import('@peculiar/x509');
  })();
  return loading;
}

/** How a key of this kind signs: ECDSA with the curve's usual hash, or RSA PKCS#1 v1.5 with SHA-256. */
export function signingAlgorithm(
  key: KeyObject,
): webcrypto.EcdsaParams & webcrypto.EcKeyImportParams & { hash: string } {
  if (key.asymmetricKeyType === 'ec') {
    const [namedCurve, hash] = CURVES[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? ['P-256', 'SHA-256'];
    return { name: 'ECDSA', namedCurve, hash };
  }
  if (key.asymmetricKeyType === 'ed25519') return { name: 'Ed25519', namedCurve: '', hash: '' };
  return { name: 'RSASSA-PKCS1-v1_5', namedCurve: '', hash: 'SHA-256' };
}

export async function toCryptoKey(key: KeyObject): Promise<CryptoKey> {
  const algorithm = signingAlgorithm(key);
  if (key.type === 'private') {
    return webcrypto.subtle.importKey('pkcs8', exportDer(key, 'pkcs8'), algorithm, false, ['sign']);
  }
  return webcrypto.subtle.importKey('spki', exportDer(key, 'spki'), algorithm, true, ['verify']);
}

function exportDer(key: KeyObject, type: 'pkcs8' | 'spki'): Uint8Array<ArrayBuffer> {
  return new Uint8Array(key.export({ type, format: 'der' }));
}

const CURVES: Readonly<Record<string, readonly [string, string]>> = {
  prime256v1: ['P-256', 'SHA-256'],
  secp384r1: ['P-384', 'SHA-384'],
  secp521r1: ['P-521', 'SHA-512'],
};
