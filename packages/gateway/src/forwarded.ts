/** The `Forwarded` field (RFC 7239): written for each request, and read to find out that it was here before. */
import { addedFields } from '@mesh/proxy';
import type { AddedFields, RequestFacts } from '@mesh/proxy';

const NAME = 'forwarded';

export interface Hop {
  /** Identity of the gateway that forwards. */
  readonly by: string;
  /** Identity of its client. */
  readonly client: string;
  /** `host:port` that was asked for. */
  readonly host: string;
}

/** The field that the next hop gets. Values with a colon must be quoted (RFC 7239 §4). */
export function forwardedField(hop: Hop): AddedFields {
  const value = `by=${quoteIfNeeded(hop.by)};for=${quoteIfNeeded(hop.client)};host=${quoteIfNeeded(hop.host)};proto=https`;
  return addedFields([[NAME, value]]);
}

/** True when some hop of the request was `identity`. */
export function wasForwardedBy(request: RequestFacts, identity: string): boolean {
  const value = request.field(NAME);
  return value !== undefined && byValues(value).includes(identity.toLowerCase());
}

/** The `by` parameters of all elements, lower case, quotes removed. */
export function byValues(field: string): readonly string[] {
  const values: string[] = [];
  for (const pair of splitOutsideQuotes(field)) {
    const equals = pair.indexOf('=');
    if (equals < 0 || pair.slice(0, equals).trim().toLowerCase() !== 'by') continue;
    const value = pair.slice(equals + 1).trim();
    values.push((value.startsWith('"') ? value.replace(/^"|"$/g, '').replace(/\\(.)/g, '$1') : value).toLowerCase());
  }
  return values;
}

function splitOutsideQuotes(text: string): readonly string[] {
  const parts: string[] = [];
  let isQuoted = false;
  let from = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (isQuoted && char === '\\') at += 1;
    else if (char === '"') isQuoted = !isQuoted;
    else if (!isQuoted && (char === ',' || char === ';')) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  parts.push(text.slice(from));
  return parts;
}

/** A token needs no quotes (RFC 9110 §5.6.2). */
function quoteIfNeeded(value: string): string {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`;
}
