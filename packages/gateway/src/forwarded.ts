/** The `Forwarded` field (RFC 7239): each gateway adds an element, and counts those that are there. */
import { parseWorkloadIdentity } from '@mesh/model';

export const FORWARDED = 'forwarded';
/** A request, or a connection, that has passed more gateways goes in circles (ADR 0020). */
export const HOPS_MAX = 4;

export interface Hop {
  /** Identity of the gateway that forwards. */
  readonly by: string;
  /** Its cluster; empty when it was not told. */
  readonly cluster: string;
  /** Identity of its client. */
  readonly client: string;
  /** `host:port` that was asked for. */
  readonly host: string;
}

/** The element that the next hop gets. Values with a colon must be quoted (RFC 7239 §4); `cluster` is an extension (§5.5). */
export function forwardedElement({ by, cluster, client, host }: Hop): string {
  const place = cluster === '' ? '' : `;cluster=${quoteIfNeeded(cluster)}`;
  return `by=${quoteIfNeeded(by)};for=${quoteIfNeeded(client)};host=${quoteIfNeeded(host)};proto=https${place}`;
}

export interface Passed {
  /** Gateways that the request has passed. */
  readonly hops: number;
  /** Their clusters, as far as they said. */
  readonly clusters: readonly string[];
}

const NOWHERE: Passed = { hops: 0, clusters: [] };

/** @param field All values of `Forwarded`; undefined: there is none. */
export function passedGateways(field: string | undefined): Passed {
  if (field === undefined) return NOWHERE;
  let hops = 0;
  const clusters: string[] = [];
  for (const element of splitOutsideQuotes(field, ',')) {
    const parameters = splitOutsideQuotes(element, ';').map(readParameter);
    // Programs that forward write addresses or names of their own.
    if (!parameters.some(([name, value]) => name === 'by' && isIdentity(value))) continue;
    hops += 1;
    for (const [name, value] of parameters) if (name === 'cluster') clusters.push(value);
  }
  return { hops, clusters };
}

/** One more gateway is one too many. @param ownCluster Empty: not known. */
export function isLoop({ hops, clusters }: Passed, ownCluster: string): boolean {
  return hops >= HOPS_MAX || (ownCluster !== '' && clusters.includes(ownCluster));
}

function isIdentity(value: string): boolean {
  return value.startsWith('spiffe://') || parseWorkloadIdentity(value) !== undefined;
}

/** Name and value in lower case, quotes removed. */
function readParameter(pair: string): readonly [string, string] {
  const equals = pair.indexOf('=');
  if (equals < 0) return ['', ''];
  const value = pair.slice(equals + 1).trim();
  const bare = value.startsWith('"') ? value.replace(/^"|"$/g, '').replace(/\\(.)/g, '$1') : value;
  return [pair.slice(0, equals).trim().toLowerCase(), bare.toLowerCase()];
}

function splitOutsideQuotes(text: string, separator: string): readonly string[] {
  const parts: string[] = [];
  let isQuoted = false;
  let from = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (isQuoted && char === '\\') at += 1;
    else if (char === '"') isQuoted = !isQuoted;
    else if (!isQuoted && char === separator) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  // A quote that nobody closed must not hide what was added behind it.
  if (isQuoted) return text.split(separator);
  parts.push(text.slice(from));
  return parts;
}

/** A token needs no quotes (RFC 9110 §5.6.2). */
function quoteIfNeeded(value: string): string {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`;
}
