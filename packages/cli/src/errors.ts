/** What the CLI refuses, with the sentence a person reads: what is wrong, on which object, and what to do about it. */
import { MeshError } from '@mesh/runtime';

export type CliErrorInfo =
  | { readonly code: 'usage'; readonly flag?: string }
  | { readonly code: 'bad_manifest'; readonly source: string }
  | { readonly code: 'bad_value'; readonly field: string }
  | { readonly code: 'bad_certificate'; readonly file?: string }
  | { readonly code: 'cluster'; readonly cause?: string }
  | { readonly code: 'missing_object'; readonly kind: string; readonly name: string }
  | { readonly code: 'no_gateway_address'; readonly service: string }
  | { readonly code: 'links_exist'; readonly links: readonly string[] }
  | { readonly code: 'already_installed'; readonly namespace: string };

/** The command fails with exit code 1 and this message on standard error. */
export class CliError extends MeshError<CliErrorInfo> {
  override readonly name = 'CliError';
}
