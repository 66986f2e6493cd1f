/** Why a certificate was not installed or could not be asked for. */
import { MeshError } from '@mesh/runtime';

export type IdentityErrorInfo =
  | { readonly code: 'token_unreadable'; readonly path: string }
  | { readonly code: 'token_empty'; readonly path: string }
  | { readonly code: 'no_validity' }
  | { readonly code: 'already_expired'; readonly validUntil: string }
  | { readonly code: 'foreign_key' }
  | { readonly code: 'bad_anchors' }
  | { readonly code: 'stopped' };

export class IdentityError extends MeshError<IdentityErrorInfo> {
  override readonly name = 'IdentityError';
}
