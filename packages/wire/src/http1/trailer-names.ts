/**
 * Which names may not come after a body. RFC 9110 §6.5.1: nothing that frames, routes, authenticates, or tells how to process the
 * message; a receiver that merges trailers into the head would otherwise be told two things.
 */
import { HEADER_NAMES } from './header-kind.ts';

const FORBIDDEN: ReadonlySet<string> = new Set([
  ...HEADER_NAMES.map(([name]) => name),
  // Request modifiers and controls, RFC 9110 §10 and §13.
  'cache-control',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'max-forwards',
  'range',
  'pragma',
  // Authentication.
  'authorization',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-authentication-info',
  'authentication-info',
  'www-authenticate',
  'cookie',
  'set-cookie',
  // How to process the content.
  'content-encoding',
  'content-type',
  'content-range',
  'trailer',
  // Where a client goes next. Date, Expires and the like only describe, and servers do send them late.
  'location',
]);

/** @param name In lower case. */
export function isTrailerName(name: string): boolean {
  return !FORBIDDEN.has(name);
}
