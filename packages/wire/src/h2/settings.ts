/** HTTP/2 settings, RFC 9113 §6.5. */
import { FRAME_BYTES_DEFAULT, FRAME_BYTES_MAX, FRAME_SETTINGS, H2_ERROR, WINDOW_DEFAULT, WINDOW_MAX } from './codes.ts';
import { frameHead, readUint32, writeUint32 } from './frame.ts';

export interface H2Settings {
  readonly headerTableBytes: number;
  readonly enablePush: boolean;
  /** Streams that the other side may have open; `undefined`: no limit. */
  readonly concurrentStreamsMax: number | undefined;
  readonly initialWindowBytes: number;
  readonly frameBytesMax: number;
  /** `undefined`: no limit. */
  readonly headerListBytesMax: number | undefined;
}

/** What holds before any SETTINGS frame. */
export const H2_SETTINGS_INITIAL: H2Settings = {
  headerTableBytes: 4096,
  enablePush: true,
  concurrentStreamsMax: undefined,
  initialWindowBytes: WINDOW_DEFAULT,
  frameBytesMax: FRAME_BYTES_DEFAULT,
  headerListBytesMax: undefined,
};

const ID = { tableBytes: 1, push: 2, streams: 3, window: 4, frameBytes: 5, listBytes: 6 } as const;

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
  const payload = new Uint8Array(pairs.length * 6);
  for (const [index, [id, value]] of pairs.entries()) {
    payload[index * 6 + 1] = id;
    writeUint32(payload, index * 6 + 2, value);
  }
  const head = frameHead(payload.length, FRAME_SETTINGS, 0, 0);
  const frame = new Uint8Array(head.length + payload.length);
  frame.set(head);
  frame.set(payload, head.length);
  return frame;
}

/** `before` changed by a SETTINGS payload (a multiple of 6 bytes), or the connection error that it is. */
export function applySettings(before: H2Settings, payload: Uint8Array): H2Settings | number {
  const next: { -readonly [K in keyof H2Settings]: H2Settings[K] } = { ...before };
  for (let at = 0; at + 6 <= payload.length; at += 6) {
    const id = ((payload[at] ?? 0) << 8) | (payload[at + 1] ?? 0);
    const value = readUint32(payload, at + 2);
    switch (id) {
      case ID.tableBytes:
        next.headerTableBytes = value;
        break;
      case ID.push:
        if (value > 1) return H2_ERROR.protocol;
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
      default: // Unknown settings are ignored, RFC 9113 §6.5.2.
    }
  }
  return next;
}
