/** HTTP/2 settings, RFC 9113 §6.5. */
import { FRAME_BYTES_DEFAULT, FRAME_BYTES_MAX, FRAME_SETTINGS, H2_ERROR, WINDOW_DEFAULT, WINDOW_MAX } from './codes.ts';
import { FRAME_HEAD_BYTES, readUint32, writeFrameHead, writeUint32 } from './frame-writer.ts';

export interface H2Settings {
  readonly headerTableBytes: number;
  readonly enablePush: boolean;
  /** Streams that the other side may have open; `undefined`: no limit. */
  readonly concurrentStreamsMax: number | undefined;
  readonly initialWindowBytes: number;
  readonly frameBytesMax: number;
  /** `undefined`: no limit. */
  readonly headerListBytesMax: number | undefined;
  /** A server takes extended CONNECT, RFC 8441 §3. */
  readonly connectProtocol: boolean;
}

/** What holds before any SETTINGS frame. */
export const H2_SETTINGS_INITIAL: H2Settings = {
  headerTableBytes: 4096,
  enablePush: true,
  concurrentStreamsMax: undefined,
  initialWindowBytes: WINDOW_DEFAULT,
  frameBytesMax: FRAME_BYTES_DEFAULT,
  headerListBytesMax: undefined,
  connectProtocol: false,
};

const ID = { tableBytes: 1, push: 2, streams: 3, window: 4, frameBytes: 5, listBytes: 6, connectProtocol: 8 } as const;

/** The SETTINGS frame that announces what differs from the initial values. */
export function settingsFrame(settings: H2Settings): Uint8Array {
  const pairs: [number, number][] = [];
  const put = (id: number, value: number | undefined, initial: number | undefined): void => {
    if (value !== undefined && value !== initial) pairs.push([id, value]);
  };
  put(ID.tableBytes, settings.headerTableBytes, H2_SETTINGS_INITIAL.headerTableBytes);
  put(ID.push, settings.enablePush ? 1 : 0, 1);
  put(ID.streams, settings.concurrentStreamsMax, undefined);
  put(ID.window, settings.initialWindowBytes, H2_SETTINGS_INITIAL.initialWindowBytes);
  put(ID.frameBytes, settings.frameBytesMax, H2_SETTINGS_INITIAL.frameBytesMax);
  put(ID.listBytes, settings.headerListBytesMax, undefined);
  put(ID.connectProtocol, settings.connectProtocol ? 1 : 0, 0);
  const frame = new Uint8Array(FRAME_HEAD_BYTES + pairs.length * 6);
  writeFrameHead(frame, 0, pairs.length * 6, FRAME_SETTINGS, 0, 0);
  for (const [index, [id, value]] of pairs.entries()) {
    const at = FRAME_HEAD_BYTES + index * 6;
    frame[at + 1] = id;
    writeUint32(frame, at + 2, value);
  }
  return frame;
}

/**
 * `before` changed by a SETTINGS payload, `bytes[from, to)` (a multiple of 6 bytes), or the code of the connection error that it is.
 * @param fromServer The sender is a server, which may not allow pushes (RFC 9113 §6.5.2).
 */
export function applySettings(
  before: H2Settings,
  bytes: Uint8Array,
  from: number,
  to: number,
  fromServer: boolean,
): H2Settings | number {
  const next: { -readonly [K in keyof H2Settings]: H2Settings[K] } = { ...before };
  for (let at = from; at + 6 <= to; at += 6) {
    const id = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
    const value = readUint32(bytes, at + 2);
    switch (id) {
      case ID.tableBytes:
        next.headerTableBytes = value;
        break;
      case ID.push:
        if (value > 1 || (fromServer && value === 1)) return H2_ERROR.protocol;
        next.enablePush = value === 1;
        break;
      case ID.streams:
        next.concurrentStreamsMax = value;
        break;
      case ID.window:
        if (value > WINDOW_MAX) return H2_ERROR.flowControl;
        next.initialWindowBytes = value;
        break;
      case ID.frameBytes:
        if (value < FRAME_BYTES_DEFAULT || value > FRAME_BYTES_MAX) return H2_ERROR.protocol;
        next.frameBytesMax = value;
        break;
      case ID.listBytes:
        next.headerListBytesMax = value;
        break;
      case ID.connectProtocol:
        // Once offered it stays, RFC 8441 §3.
        if (value > 1 || (value === 0 && next.connectProtocol)) return H2_ERROR.protocol;
        next.connectProtocol = value === 1;
        break;
      default: // Unknown settings are ignored, RFC 9113 §6.5.2.
    }
  }
  return next;
}
