/**
 * One line per request, in the two forms of Linkerd's access log: Apache's common log format with the client's identity, and JSON with
 * the same names. What comes from the request is escaped, so that no request can end its line, or its place in it.
 */

export type AccessLogFormat = 'apache' | 'json';

/** What a line tells; empty: unknown. */
export interface AccessRecord {
  /** "ip:port" of who connected, and the identity of its certificate. */
  readonly clientAddress: string;
  readonly clientId: string;
  /** When the request was read, milliseconds since the epoch. */
  readonly atMs: number;
  readonly method: string;
  readonly uri: string;
  /** "HTTP/1.1". */
  readonly version: string;
  readonly host: string;
  readonly userAgent: string;
  readonly traceId: string;
  /** 0: the client was given none. */
  readonly status: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly totalMs: number;
  readonly processingMs: number;
}

/** A line without its end. */
export function formatAccess(format: AccessLogFormat, record: AccessRecord): string {
  return format === 'json' ? formatJson(record) : formatApache(record);
}

/** Longer values are cut: a line must not be as large as a request's head may be. */
const URI_MAX = 8192;
const VALUE_MAX = 1024;

function formatApache(record: AccessRecord): string {
  const { clientAddress, clientId, atMs, method, uri, version, status, responseBytes } = record;
  const request = quoted(`${cut(method, VALUE_MAX)} ${cut(uri, URI_MAX)} ${version}`);
  const time = new Date(atMs).toISOString();
  return `${word(clientAddress)} ${word(clientId)} - [${time}] "${request}" ${status === 0 ? '-' : status} ${responseBytes}`;
}

/** Numbers of nanoseconds and bytes are strings there. */
function formatJson(record: AccessRecord): string {
  return JSON.stringify({
    'client.addr': record.clientAddress,
    'client.id': cut(record.clientId, VALUE_MAX),
    host: cut(record.host, VALUE_MAX),
    method: cut(record.method, VALUE_MAX),
    processing_ns: nanoseconds(record.processingMs),
    request_bytes: String(record.requestBytes),
    response_bytes: String(record.responseBytes),
    status: record.status,
    timestamp: new Date(record.atMs).toISOString(),
    total_ns: nanoseconds(record.totalMs),
    trace_id: cut(record.traceId, VALUE_MAX),
    uri: cut(record.uri, URI_MAX),
    user_agent: cut(record.userAgent, VALUE_MAX),
    version: record.version,
  });
}

function nanoseconds(ms: number): string {
  return String(Math.round(ms * 1e6));
}

function cut(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max)}…` : text;
}

/** As Apache writes what stands in quotes. */
function quoted(text: string): string {
  return text.replaceAll(/["\\]/g, String.raw`\$&`).replaceAll(/[^ -~]/g, escaped);
}

/** A value that is delimited by spaces; "-" for none. */
function word(text: string): string {
  return text === '' ? '-' : cut(text, VALUE_MAX).replaceAll(/[^!-~]|["\\]/g, escaped);
}

function escaped(character: string): string {
  const code = character.charCodeAt(0);
  return code < 0x100
    ? String.raw`\x${code.toString(16).padStart(2, '0')}`
    : String.raw`\u${code.toString(16).padStart(4, '0')}`;
}
