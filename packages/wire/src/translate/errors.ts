/** Why a message of one protocol version cannot be said in another. The values double as metric labels. */

export const TRANSLATE_ERRORS = {
  bad_method: ':method is missing or not a token',
  bad_path: ':path is not an origin form, an asterisk with OPTIONS, or has a byte that is not allowed',
  bad_authority: ':authority has a byte that is not allowed, or user information',
  missing_authority: 'neither :authority nor Host is there, and HTTP/1.1 needs one',
  host_mismatch: 'Host differs from :authority, or is there twice',
  bad_status: ':status is not a number of three digits from 100 to 599',
  bad_field: 'a field name or value cannot stand in the other protocol, or belongs to one connection only',
  bad_content_length: 'content-length is not one decimal number, or contradicts the end of the stream',
  bad_trailer: 'a trailer field frames or routes the message, or is malformed',
  length_required: 'a body without content-length cannot be sent to an HTTP/1.0 peer',
  no_tunnel: 'CONNECT and protocol upgrades have no translation here',
} as const;

/** A key of {@link TRANSLATE_ERRORS}: what is ambiguous or dangerous in the other protocol is refused, never repaired. */
export type TranslateError = keyof typeof TRANSLATE_ERRORS;
