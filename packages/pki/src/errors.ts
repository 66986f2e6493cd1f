/** Everything that can be wrong with certificates and keys, each with a sentence that says what to do. */
import { MeshError } from '@mesh/runtime';

export type PkiErrorInfo =
  /** The text holds no PEM block of the wanted kind, or bytes are not what they claim to be. */
  | { readonly code: 'malformed'; readonly what: string; readonly detail: string }
  | { readonly code: 'expired'; readonly subject: string; readonly notAfter: string }
  | { readonly code: 'not_yet_valid'; readonly subject: string; readonly notBefore: string }
  | { readonly code: 'not_a_ca'; readonly subject: string }
  /** The certificate may sign others, but not that many levels of them. */
  | { readonly code: 'path_length'; readonly subject: string; readonly allowed: number }
  | { readonly code: 'key_mismatch'; readonly subject: string }
  | { readonly code: 'wrong_key_type'; readonly subject: string; readonly found: string; readonly wanted: string }
  | { readonly code: 'no_san'; readonly subject: string }
  | { readonly code: 'name_mismatch'; readonly wanted: string; readonly found: readonly string[] }
  /** No chain of signatures leads to a trust anchor. */
  | { readonly code: 'untrusted'; readonly subject: string; readonly issuer: string }
  | { readonly code: 'bad_usage'; readonly subject: string; readonly wanted: string }
  | { readonly code: 'wrong_password'; readonly what: string }
  | { readonly code: 'password_needed'; readonly what: string }
  | { readonly code: 'bad_signature'; readonly what: string };

export type PkiErrorCode = PkiErrorInfo['code'];

export class PkiError extends MeshError<PkiErrorInfo> {
  override readonly name = 'PkiError';
  constructor(info: PkiErrorInfo, options?: { readonly cause?: unknown }) {
    super(info, sentenceFor(info), options);
  }
}

export function isPkiError(error: unknown): error is PkiError {
  return error instanceof PkiError;
}

function sentenceFor(info: PkiErrorInfo): string {
  switch (info.code) {
    case 'malformed':
      return `${info.what} cannot be read: ${info.detail}.`;
    case 'expired':
      return `Certificate "${info.subject}" expired on ${info.notAfter}. Issue a new one and install it in its place.`;
    case 'not_yet_valid':
      return `Certificate "${info.subject}" is valid only from ${info.notBefore}. Check the clock of this machine, or issue the certificate again.`;
    case 'not_a_ca':
      return `Certificate "${info.subject}" is not a CA certificate, so it cannot issue others. Create it with basic constraints CA:TRUE and key usage "certificate sign".`;
    case 'path_length':
      return `CA certificate "${info.subject}" allows ${info.allowed} intermediate certificate(s) below it, and the chain has more. Create it with a larger path length.`;
    case 'key_mismatch':
      return `The private key does not belong to certificate "${info.subject}". Give the key that the certificate was created with.`;
    case 'wrong_key_type':
      return `The key of "${info.subject}" is ${info.found}; ${info.wanted} is needed. Create the certificate again with such a key.`;
    case 'no_san':
      return `"${info.subject}" has no subject alternative name. Create it with the identity as its DNS name.`;
    case 'name_mismatch':
      return `The certificate is for ${listOf(info.found)}, not for "${info.wanted}".`;
    case 'untrusted':
      return `Certificate "${info.subject}", issued by "${info.issuer}", does not lead to any of the trust anchors. Use a certificate issued below them, or add its root to the anchors.`;
    case 'bad_usage':
      return `Certificate "${info.subject}" may not be used for ${info.wanted}. Issue it with that extended key usage.`;
    case 'wrong_password':
      return `The password does not open ${info.what}. Give the password that it was protected with.`;
    case 'password_needed':
      return `${capitalised(info.what)} is encrypted. Give its password.`;
    case 'bad_signature':
      return `The signature of ${info.what} is wrong: it was changed, or signed by another key. Create it again.`;
  }
}

function listOf(names: readonly string[]): string {
  return names.length === 0 ? 'no name' : names.map((name) => `"${name}"`).join(', ');
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
