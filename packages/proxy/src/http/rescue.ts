/**
 * The one place where a failure becomes something that a client can see.
 *
 * Every failure of the data path has a code; the code is the label of the error counters and the field of the log.
 */

export const FAILURES = {
  unauthorized: { status: 403, close: false, text: 'unauthorized request on route' },
  no_route: { status: 404, close: false, text: 'no matching route' },
  // The gateway's own two.
  not_exported: { status: 404, close: false, text: 'the service is not exported' },
  gateway_domain_invalid: { status: 404, close: false, text: 'the name is not that of a service of this cluster' },
  route_failure: { status: 500, close: false, text: 'route is configured to fail' },
  loop: { status: 508, close: true, text: 'request loop' },
  failfast: { status: 504, close: true, text: 'service in fail-fast' },
  connect_timeout: { status: 504, close: true, text: 'connect timed out' },
  request_timeout: { status: 504, close: false, text: 'request timed out' },
  discovery_timeout: { status: 504, close: true, text: 'discovery timed out' },
  queue_full: { status: 503, close: true, text: 'service queue is full' },
  overloaded: { status: 503, close: true, text: 'too many requests in flight' },
  io: { status: 502, close: true, text: 'connection closed before the response' },
  connect: { status: 502, close: true, text: 'connect failed' },
  identity_mismatch: { status: 502, close: true, text: 'the server is not the required identity' },
  invalid_backend: { status: 502, close: true, text: 'the route has no valid backend' },
  bad_response: { status: 502, close: true, text: 'the response is not valid HTTP/1.1' },
  bad_request: { status: 400, close: true, text: 'the request is not valid HTTP/1.1' },
  head_too_large: { status: 431, close: true, text: 'the request head is too large' },
  bad_version: { status: 505, close: true, text: 'the HTTP version is not supported' },
  head_timeout: { status: 408, close: true, text: 'the request head did not arrive in time' },
  unexpected: { status: 500, close: true, text: 'unexpected error' },
} as const;
export type FailureCode = keyof typeof FAILURES;

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
  508: 'Loop Detected',
};

export interface Synthesized {
  readonly status: number;
  /** The client's connection ends after this response. */
  readonly close: boolean;
  readonly bytes: Uint8Array;
}

/** With these nothing of the request went to the program, unless an earlier try of the same request did. */
const UNDELIVERED: ReadonlySet<FailureCode> = new Set(['connect', 'connect_timeout', 'failfast']);

/** Whether a failure of this kind proves by itself that no program saw the request. */
export function neverDelivered(code: FailureCode): boolean {
  return UNDELIVERED.has(code);
}

/** Responses are few and never change: made once each. */
const made = new Map<string, Synthesized>();

/**
 * @param details Tell the client what happened (`l5d-proxy-error`): meshed peers and the own application only.
 * @param mustClose The connection cannot go on whatever the table says (its request body was not read).
 * @param status Overrides the table's status: a route may be configured to fail with a given one.
 * @param undelivered Tell the proxy that asked that it may send the request elsewhere (`mesh-undelivered`): peers only.
 */
export function rescue(
  code: FailureCode,
  details: boolean,
  mustClose: boolean,
  status?: number,
  undelivered = false,
): Synthesized {
  const failure = FAILURES[code];
  const close = failure.close || mustClose;
  const key = `${code} ${details} ${close} ${status ?? ''} ${undelivered}`;
  const known = made.get(key);
  if (known !== undefined) return known;
  const shown = status ?? failure.status;
  const lines = [`HTTP/1.1 ${shown} ${REASONS[shown] ?? 'Error'}`, 'content-length: 0'];
  if (details) {
    lines.push(`l5d-proxy-error: ${failure.text}`);
    if (close) lines.push('l5d-proxy-connection: close');
  }
  if (undelivered) lines.push(`mesh-undelivered: ${code}`);
  if (close) lines.push('connection: close');
  const synthesized = { status: shown, close, bytes: Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1') };
  // Bounded: codes x 2 x 2 x 2, times the few statuses that configured failures use.
  if (made.size < 1000) made.set(key, synthesized);
  return synthesized;
}
