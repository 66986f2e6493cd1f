/** Numbers of HTTP/2 (RFC 9113) that more than one module needs. */

export const FRAME_DATA = 0;
export const FRAME_HEADERS = 1;
export const FRAME_PRIORITY = 2;
export const FRAME_RST_STREAM = 3;
export const FRAME_SETTINGS = 4;
export const FRAME_PUSH_PROMISE = 5;
export const FRAME_PING = 6;
export const FRAME_GOAWAY = 7;
export const FRAME_WINDOW_UPDATE = 8;
export const FRAME_CONTINUATION = 9;

export const FLAG_END_STREAM = 0x1;
/** The same bit on SETTINGS and PING. */
export const FLAG_ACK = 0x1;
export const FLAG_END_HEADERS = 0x4;
export const FLAG_PADDED = 0x8;
export const FLAG_PRIORITY = 0x20;

/** Error codes, RFC 9113 §7. */
export const H2_ERROR = {
  noError: 0x0,
  protocol: 0x1,
  internal: 0x2,
  flowControl: 0x3,
  settingsTimeout: 0x4,
  streamClosed: 0x5,
  frameSize: 0x6,
  refusedStream: 0x7,
  cancel: 0x8,
  compression: 0x9,
  connect: 0xa,
  enhanceYourCalm: 0xb,
  inadequateSecurity: 0xc,
  http11Required: 0xd,
} as const;

/** What a client sends first, RFC 9113 §3.4. */
export const H2_PREFACE: Uint8Array = new TextEncoder().encode('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** Largest value of a flow-control window, RFC 9113 §6.9.1. */
export const WINDOW_MAX = 0x7fff_ffff;
/** Window of every stream and connection until told otherwise, RFC 9113 §6.9.2. */
export const WINDOW_DEFAULT = 65_535;
/** Smallest permitted and initial SETTINGS_MAX_FRAME_SIZE, RFC 9113 §6.5.2. */
export const FRAME_BYTES_DEFAULT = 16_384;
export const FRAME_BYTES_MAX = 0xff_ffff;
export const STREAM_ID_MAX = 0x7fff_ffff;
