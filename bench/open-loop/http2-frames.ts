/** The few frames of HTTP/2 (RFC 9113) that a client with one constant request writes and reads. */
import { GRPC_REQUEST } from '../lib/protocols.ts';

export const FRAME = { data: 0, headers: 1, rstStream: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 } as const;
export const FLAG = { ack: 0x1, endStream: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;
export const FRAME_HEAD_BYTES = 9;
/** Identifiers, RFC 9113 §6.5.2. */
const SETTING = { enablePush: 2, maxConcurrentStreams: 3, initialWindowSize: 4 } as const;
const WINDOW_MAX = 2 ** 31 - 1;
const WINDOW_INITIAL = 65_535;
/** CANCEL, RFC 9113 §7. */
const CANCEL = 8;

export function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(FRAME_HEAD_BYTES + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes.writeUInt8(type, 3);
  bytes.writeUInt8(flags, 4);
  bytes.writeUInt32BE(stream, 5);
  bytes.set(payload, FRAME_HEAD_BYTES);
  return bytes;
}

/** What a client begins with: windows as large as they can be, so that only the proxy's own flow control shows. */
export function clientPreface(): Buffer {
  const settings = Buffer.alloc(12);
  settings.writeUInt16BE(SETTING.enablePush, 0);
  settings.writeUInt16BE(SETTING.initialWindowSize, 6);
  settings.writeUInt32BE(WINDOW_MAX, 8);
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frame(FRAME.settings, 0, 0, settings),
    windowUpdate(WINDOW_MAX - WINDOW_INITIAL),
  ]);
}

/** For the connection. */
export function windowUpdate(bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frame(FRAME.windowUpdate, 0, 0, payload);
}

export function cancelStream(stream: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(CANCEL);
  return frame(FRAME.rstStream, 0, stream, payload);
}

/** The peer's limit of streams at a time, if its SETTINGS have one. */
export function maxConcurrentStreams(settings: Buffer): number | undefined {
  for (let at = 0; at + 6 <= settings.length; at += 6) {
    if (settings.readUInt16BE(at) === SETTING.maxConcurrentStreams) return settings.readUInt32BE(at + 2);
  }
  return undefined;
}

/**
 * A request whose stream is set in each copy by {@link setStream}. Fields are literals without indexing or of the static table (RFC 7541), so the
 * same bytes are right at any time on any connection.
 */
export function requestTemplate(request: {
  readonly path: string;
  readonly authority: string;
  readonly isGrpc: boolean;
}): Buffer {
  const fields = Buffer.concat([
    Buffer.of(request.isGrpc ? STATIC_METHOD_POST : STATIC_METHOD_GET, STATIC_SCHEME_HTTP),
    literal(NAME_PATH, request.path),
    literal(NAME_AUTHORITY, request.authority),
    ...(request.isGrpc ? [literal(NAME_CONTENT_TYPE, 'application/grpc'), literal(text('te'), 'trailers')] : []),
  ]);
  const endStream = request.isGrpc ? 0 : FLAG.endStream;
  const head = frame(FRAME.headers, FLAG.endHeaders | endStream, 0, fields);
  return request.isGrpc ? Buffer.concat([head, frame(FRAME.data, FLAG.endStream, 0, GRPC_REQUEST)]) : head;
}

/** Writes the stream's number into each frame of a copy of a template. */
export function setStream(bytes: Buffer, stream: number): void {
  for (let at = 0; at < bytes.length; at += FRAME_HEAD_BYTES + bytes.readUIntBE(at, 3))
    bytes.writeUInt32BE(stream, at + 5);
}

/** Whether a block of fields starts with `:status: 200` of the static table, after updates of the dynamic table's size. */
export function isOk(block: Buffer): boolean {
  let at = 0;
  while (at < block.length && ((block[at] ?? 0) & 0xe0) === 0x20) {
    const isLong = ((block[at] ?? 0) & 0x1f) === 0x1f;
    at += 1;
    if (isLong) while (((block[at++] ?? 0) & 0x80) !== 0);
  }
  return block[at] === STATIC_STATUS_200;
}

/** RFC 7541 Appendix A, as indexed fields. */
const STATIC_METHOD_GET = 0x82;
const STATIC_METHOD_POST = 0x83;
const STATIC_SCHEME_HTTP = 0x86;
const STATIC_STATUS_200 = 0x88;
/** As names of literals without indexing, RFC 7541 §6.2.2. */
const NAME_AUTHORITY = Buffer.of(0x01);
const NAME_PATH = Buffer.of(0x04);
const NAME_CONTENT_TYPE = Buffer.of(0x0f, 31 - 15);

function literal(name: Buffer, value: string): Buffer {
  const isNew = name.length > 2;
  return Buffer.concat([...(isNew ? [Buffer.of(0)] : []), name, text(value)]);
}

/** A string without Huffman coding; all of ours are short. */
function text(value: string): Buffer {
  if (value.length > 126) throw new RangeError(`text: value has ${value.length} characters; at most 126 are supported`);
  return Buffer.concat([Buffer.of(value.length), Buffer.from(value, 'latin1')]);
}
