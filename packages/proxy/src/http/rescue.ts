/**
 * The one place where a failure becomes something that a client can see.
 *
 * Every failure of the data path has a code; the code is the label of the error counters and the field of the log. gRPC clients get its
 * own status in a response that says 200, as gRPC over HTTP/2 has it.
 */

export const FAILURES = {
  unauthorized: { status: 403, grpc: 7, close: false, text: 'unauthorized request on route' },
  no_route: { status: 404, grpc: 5, close: false, text: 'no matching route' },
  // The gateway's own three.
  not_exported: { status: 404, grpc: 5, close: false, text: 'the service is not exported' },
  not_exported_to_peer: { status: 403, grpc: 7, close: false, text: 'the service is not exported to this cluster' },
  gateway_domain_invalid: {
    status: 404,
    grpc: 5,
    close: false,
    text: 'the name is not that of a service of this cluster',
  },
  // What a gateway says of its client.
  bad_client_identity: {
    status: 400,
    grpc: 3,
    close: false,
    text: 'l5d-client-identity or l5d-client-cluster is not one valid name',
  },
  // Of `l5d-dst-override`, for proxies of ingresses.
  bad_override: { status: 400, grpc: 3, close: false, text: 'l5d-dst-override is not one name:port' },
  unknown_destination: {
    status: 404,
    grpc: 5,
    close: false,
    text: 'l5d-dst-override is not the name of an HTTP service of this cluster',
  },
  route_failure: { status: 500, grpc: 9, close: false, text: 'route is configured to fail' },
  loop: { status: 508, grpc: 10, close: true, text: 'request loop' },
  failfast: { status: 504, grpc: 4, close: true, text: 'service in fail-fast' },
  connect_timeout: { status: 504, grpc: 4, close: true, text: 'connect timed out' },
  request_timeout: { status: 504, grpc: 4, close: false, text: 'request timed out' },
  response_timeout: { status: 504, grpc: 4, close: false, text: 'response timed out' },
  idle_timeout: { status: 504, grpc: 4, close: false, text: 'stream was idle for too long' },
  // One try of a request that may be sent again.
  try_timeout: { status: 504, grpc: 4, close: false, text: 'response headers timed out' },
  discovery_timeout: { status: 504, grpc: 4, close: true, text: 'discovery timed out' },
  queue_full: { status: 503, grpc: 14, close: true, text: 'service queue is full' },
  overloaded: { status: 503, grpc: 14, close: true, text: 'too many requests in flight' },
  io: { status: 502, grpc: 14, close: true, text: 'connection closed before the response' },
  // The upstream's RST_STREAM: passed on to clients that have streams.
  reset: { status: 502, grpc: 14, close: true, text: 'the server reset the stream' },
  connect: { status: 502, grpc: 14, close: true, text: 'connect failed' },
  identity_mismatch: { status: 502, grpc: 14, close: true, text: 'the server is not the required identity' },
  invalid_backend: { status: 502, grpc: 14, close: true, text: 'the route has no valid backend' },
  bad_response: { status: 502, grpc: 14, close: true, text: 'the response is not valid HTTP' },
  response_head_timeout: { status: 504, grpc: 4, close: true, text: 'the response head did not arrive in time' },
  bad_request: { status: 400, grpc: 13, close: true, text: 'the request is not valid HTTP' },
  head_too_large: { status: 431, grpc: 8, close: true, text: 'the request head is too large' },
  body_timeout: { status: 408, grpc: 4, close: true, text: 'the request body stopped before its end' },
  unread_timeout: { status: 408, grpc: 4, close: true, text: 'the response was not read in time' },
  bad_version: { status: 505, grpc: 12, close: true, text: 'the HTTP version is not supported' },
  head_timeout: { status: 408, grpc: 4, close: true, text: 'the request head did not arrive in time' },
  unexpected: { status: 500, grpc: 13, close: true, text: 'unexpected error' },
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

/** How a client wants to be told. */
export type AnswerForm = 'http1' | 'http2' | 'grpc';

export interface Synthesized {
  readonly status: number;
  /** Of an answer in gRPC's form. */
  readonly grpcStatus: number | undefined;
  /** The client's connection ends after this response. HTTP/1 only: streams of HTTP/2 end alone. */
  readonly close: boolean;
  /** The response for an HTTP/1 client; empty in the other forms. */
  readonly bytes: Uint8Array;
  /** The response for an HTTP/2 client, name and value alternating; empty for HTTP/1. */
  readonly fields: readonly string[];
}

export interface AnswerOptions {
  readonly form: AnswerForm;
  /** Tell the client what happened (`l5d-proxy-error`): meshed peers and the own application only. */
  readonly details: boolean;
  /** The connection cannot go on whatever the table says (its request body was not read). */
  readonly mustClose: boolean;
  /** Overrides the table's status: a route may be configured to fail with a given one. */
  readonly status: number | undefined;
  /** Instead of the table's words. */
  readonly text?: string | undefined;
  /** Tell the proxy that asked that it may send the request elsewhere (`mesh-undelivered`): peers only. */
  readonly undelivered: boolean;
}

/** With these nothing of the request went to the program, unless an earlier try of the same request did. */
const UNDELIVERED: ReadonlySet<FailureCode> = new Set(['connect', 'connect_timeout', 'failfast']);

/** Whether a failure of this kind proves by itself that no program saw the request. */
export function neverDelivered(code: FailureCode): boolean {
  return UNDELIVERED.has(code);
}

/** Responses are few and never change: made once each. */
const made = new Map<string, Synthesized>();

export function rescue(code: FailureCode, options: AnswerOptions): Synthesized {
  const { form, details, mustClose, status, undelivered, text } = options;
  const close = form === 'http1' && (FAILURES[code].close || mustClose);
  if (details && text !== undefined) return make(code, options, close);
  const key = `${code} ${form} ${details} ${close} ${status ?? ''} ${undelivered}`;
  const known = made.get(key);
  if (known !== undefined) return known;
  const synthesized = make(code, options, close);
  // Bounded: codes x 3 x 2 x 2 x 2, times the few statuses that configured failures use.
  if (made.size < 2000) made.set(key, synthesized);
  return synthesized;
}

/** The end of a gRPC response that broke in its middle: trailers. */
export function rescueTrailers(
  code: FailureCode,
  details: boolean,
  text: string = FAILURES[code].text,
): readonly string[] {
  const { grpc } = FAILURES[code];
  return details ? ['grpc-status', String(grpc), 'grpc-message', text] : ['grpc-status', String(grpc)];
}

function make(code: FailureCode, options: AnswerOptions, close: boolean): Synthesized {
  const failure = FAILURES[code];
  const { form, details, undelivered } = options;
  const status = form === 'grpc' ? 200 : (options.status ?? failure.status);
  const fields: string[] = ['content-length', '0'];
  if (form === 'grpc') fields.push('content-type', 'application/grpc', ...rescueTrailers(code, details, options.text));
  if (details) {
    fields.push('l5d-proxy-error', options.text ?? failure.text);
    if (close) fields.push('l5d-proxy-connection', 'close');
  }
  if (undelivered) fields.push('mesh-undelivered', code);
  const grpcStatus = form === 'grpc' ? failure.grpc : undefined;
  if (form !== 'http1') {
    return { status, grpcStatus, close, bytes: NOTHING, fields: [':status', String(status), ...fields] };
  }
  if (close) fields.push('connection', 'close');
  let text = `HTTP/1.1 ${status} ${REASONS[status] ?? 'Error'}\r\n`;
  for (let at = 0; at < fields.length; at += 2) text += `${fields[at]}: ${fields[at + 1]}\r\n`;
  return { status, grpcStatus, close, bytes: Buffer.from(`${text}\r\n`, 'latin1'), fields: [] };
}

const NOTHING = new Uint8Array(0);
