/** What a peer can make grow, and how far. Each limit is an option; going beyond it has a reason code of its own. */
import { HEADERS_MAX } from '../http1/codes.ts';
import { HPACK_LIST_BYTES_DEFAULT } from '../hpack/decoder.ts';
import type { H2Reason } from './reasons.ts';

export interface H2Limits {
  /** Header list, names, values and 32 bytes per field (`header_list_bytes`); announced. As long as a head of HTTP/1 may be: 68 KiB. */
  readonly headerListBytes: number;
  /** Fields of a list (`header_fields`). As in HTTP/1: 128; hyper 100. */
  readonly headerFields: number;
  /** HEADERS and CONTINUATION frames of one block (`header_block_frames`). A list at its limit takes 5; empty frames cost the sender nothing (CVE-2024-27316). 16. */
  readonly headerBlockFrames: number;
  /**
   * From the first byte of a frame, or of a header block in several, to its last one (`frame_timeout`); of body bytes, between two pieces. Looked
   * at by `checkProgress`. 30 s, as for a head of HTTP/1: nothing else moves on the connection meanwhile.
   */
  readonly frameTimeoutMs: number;
  /** Streams that the peer may have open (`concurrent_streams`); announced. At least 100 is advised (RFC 9113 §6.5.2). */
  readonly concurrentStreams: number;
  /**
   * Server: RST_STREAM frames per second (`resets`). Each may throw work of ours away (CVE-2023-44487). 1000, or four times `concurrentStreams`
   * where that is more: a proxy gives up all streams of a client that goes away.
   */
  readonly resetsPerSecond: number;
  /** Streams per second that end by errors of the peer (`stream_error_flood`): each costs an answer. 1000. */
  readonly streamErrorsPerSecond: number;
  /** SETTINGS per second (`settings_flood`): each costs an answer and maybe a new table. One at the start is normal. 30. */
  readonly settingsPerSecond: number;
  /** PING per second (`ping_flood`). gRPC measures bandwidth with one per round trip, which in one machine is short. 10,000. */
  readonly pingsPerSecond: number;
  /** Empty DATA frames that do not end their stream, per second (`empty_data_flood`). Nobody needs any (CVE-2019-9518). 100. */
  readonly emptyDataPerSecond: number;
  /**
   * WINDOW_UPDATE by less than 1 KiB per second (`window_update_flood`), beyond those that give back a DATA frame of ours: they cut what we
   * send into crumbs (CVE-2019-9511). 1000.
   */
  readonly smallWindowUpdatesPerSecond: number;
  /** PRIORITY per second (`priority_flood`): deprecated and ignored (CVE-2019-9513). Some clients send one per stream. 2000. */
  readonly prioritiesPerSecond: number;
  /** Frames of types that we don't know, per second (`unknown_frame_flood`). Browsers send PRIORITY_UPDATE with each request. 2000. */
  readonly unknownFramesPerSecond: number;
  /** Frames in a row that neither bring nor move body or heads, nor end a stream (`no_progress`). 1000; holds also where no time is given. */
  readonly idleFrames: number;
  /** Bytes of answers (ACK, RST_STREAM, WINDOW_UPDATE) while the owner's socket is blocked (`control_backlog`). 64 KiB: 3,800 PINGs (CVE-2019-9512). */
  readonly controlBacklogBytes: number;
  /** Bytes waiting on a stream (`stream_pending_bytes`). An owner that heeds `send` stays far below. 4 MiB. */
  readonly streamPendingBytes: number;
  /** Bytes waiting on the connection (`connection_pending_bytes`). 64 MiB. */
  readonly connectionPendingBytes: number;
}

export const H2_LIMITS_DEFAULT: H2Limits = {
  headerListBytes: HPACK_LIST_BYTES_DEFAULT,
  headerFields: HEADERS_MAX,
  headerBlockFrames: 16,
  frameTimeoutMs: 30_000,
  concurrentStreams: 100,
  resetsPerSecond: 1000,
  streamErrorsPerSecond: 1000,
  settingsPerSecond: 30,
  pingsPerSecond: 10_000,
  emptyDataPerSecond: 100,
  smallWindowUpdatesPerSecond: 1000,
  prioritiesPerSecond: 2000,
  unknownFramesPerSecond: 2000,
  idleFrames: 1000,
  controlBacklogBytes: 65_536,
  streamPendingBytes: 4_194_304,
  connectionPendingBytes: 67_108_864,
};

/** What is counted per second; indexes of {@link FrameRates}. */
export const RATE = {
  resets: 0,
  streamErrors: 1,
  settings: 2,
  pings: 3,
  emptyData: 4,
  smallWindowUpdates: 5,
  priorities: 6,
  unknown: 7,
} as const;

export const RATE_REASONS: readonly H2Reason[] = [
  'resets',
  'stream_error_flood',
  'settings_flood',
  'ping_flood',
  'empty_data_flood',
  'window_update_flood',
  'priority_flood',
  'unknown_frame_flood',
];

/** By RATE. */
const RATE_LIMITS: readonly (keyof H2Limits)[] = [
  'resetsPerSecond',
  'streamErrorsPerSecond',
  'settingsPerSecond',
  'pingsPerSecond',
  'emptyDataPerSecond',
  'smallWindowUpdatesPerSecond',
  'prioritiesPerSecond',
  'unknownFramesPerSecond',
];

const WINDOW_MS = 1000;

/** Counts frames of each kind within a second that begins with the first of them. */
export class FrameRates {
  readonly #limits: H2Limits;
  readonly #counts: number[] = [0, 0, 0, 0, 0, 0, 0, 0];
  #startedMs = 0;

  constructor(limits: H2Limits) {
    this.#limits = limits;
  }

  /** Counts one. False: that is more than the limit. */
  count(kind: number, nowMs: number): boolean {
    if (nowMs - this.#startedMs >= WINDOW_MS) {
      this.#startedMs = nowMs;
      this.#counts.fill(0);
    }
    const count = (this.#counts[kind] as number) + 1;
    this.#counts[kind] = count;
    return count <= this.#limits[RATE_LIMITS[kind] as keyof H2Limits];
  }
}
