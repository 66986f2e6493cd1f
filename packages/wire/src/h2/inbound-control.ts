/** The peer's SETTINGS, PING, GOAWAY and WINDOW_UPDATE (RFC 9113 §6.5, §6.7 to §6.9). */
import { FLAG_ACK, H2_ERROR, STREAM_ID_MAX, WINDOW_MAX } from './codes.ts';
import type { FrameGuard } from './frame-guard.ts';
import { readUint32 } from './frame-writer.ts';
import type { H2Handlers } from './handlers.ts';
import type { InboundLink, InboundOwner } from './inbound.ts';
import { RATE } from './limits.ts';
import { SMALL_UPDATE_BYTES } from './outbound.ts';
import type { Outbound } from './outbound.ts';
import type { H2Reason } from './reasons.ts';
import { applySettings } from './settings.ts';
import type { StreamTable } from './stream-table.ts';

export class InboundControl<S> {
  /** The peer's first frame came. */
  settingsSeen = false;
  readonly #link: InboundLink<S>;
  readonly #owner: InboundOwner<S>;
  readonly #streams: StreamTable<S>;
  readonly #out: Outbound<S>;
  readonly #handlers: H2Handlers<S>;
  readonly #guard: FrameGuard;
  readonly #streamError: (id: number, code: number, reason: H2Reason) => void;
  /** What the first GOAWAY of the peer said, or the highest id. */
  #peerLastId = STREAM_ID_MAX;

  constructor(
    link: InboundLink<S>,
    guard: FrameGuard,
    streamError: (id: number, code: number, reason: H2Reason) => void,
  ) {
    this.#link = link;
    this.#owner = link.owner;
    this.#streams = link.streams;
    this.#out = link.out;
    this.#handlers = link.handlers;
    this.#guard = guard;
    this.#streamError = streamError;
  }

  settings(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (id !== 0) return this.#owner.fail(H2_ERROR.protocol, 'bad_stream_id');
    if ((flags & FLAG_ACK) !== 0) {
      this.#streams.settingsAcked = true;
      if (to !== from) return this.#owner.fail(H2_ERROR.frameSize, 'frame_size');
      this.#guard.idle();
      return;
    }
    if ((to - from) % 6 !== 0) return this.#owner.fail(H2_ERROR.frameSize, 'frame_size');
    if (!this.#guard.rate(RATE.settings) || !this.#guard.idle()) return;
    const next = applySettings(this.#streams.peer, bytes, from, to, this.#streams.client);
    if (typeof next === 'number') return this.#owner.fail(next, 'bad_settings');
    const growth = next.initialWindowBytes - this.#streams.peer.initialWindowBytes;
    this.#streams.peer = next;
    this.settingsSeen = true;
    this.#link.encoder.setPeerTableSize(next.headerTableBytes);
    this.#out.frameBytesMax = next.frameBytesMax;
    this.#out.frames.settingsAck();
    this.#guard.answered(9, this.#out.blocked);
    if (growth !== 0) this.#shiftWindows(growth);
    if (!this.#owner.isFailed()) this.#handlers.settings(this.#link.connection, next);
  }

  #shiftWindows(growth: number): void {
    for (const stream of this.#streams.all()) {
      stream.sendWindow += growth;
      if (stream.sendWindow > WINDOW_MAX) return this.#owner.fail(H2_ERROR.flowControl, 'window_overflow');
    }
    if (growth > 0) for (const stream of this.#streams.all()) this.#out.enqueue(stream);
  }

  ping(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    if (to - from !== 8) return this.#owner.fail(H2_ERROR.frameSize, 'frame_size');
    if (id !== 0) return this.#owner.fail(H2_ERROR.protocol, 'bad_stream_id');
    if (!this.#guard.rate(RATE.pings) || !this.#guard.idle()) return;
    if ((flags & FLAG_ACK) === 0) {
      this.#out.frames.ping(bytes, from, true);
      this.#guard.answered(17, this.#out.blocked);
    } else if (this.#owner.pinged(bytes, from)) this.#handlers.pong(this.#link.connection);
  }

  goaway(id: number, bytes: Buffer, from: number, to: number): void {
    if (to - from < 8) return this.#owner.fail(H2_ERROR.frameSize, 'frame_size');
    if (id !== 0) return this.#owner.fail(H2_ERROR.protocol, 'bad_stream_id');
    const last = readUint32(bytes, from) & STREAM_ID_MAX;
    if (last > this.#peerLastId) return this.#owner.fail(H2_ERROR.protocol, 'goaway_grew');
    this.#peerLastId = last;
    this.#streams.peerClosing = true;
    this.#guard.idle();
    if (this.#streams.client)
      for (const stream of this.#streams.all()) {
        if (stream.id <= last) continue;
        this.#streams.over.addEnded(stream.id);
        this.#streams.forget(stream);
        this.#handlers.reset(stream, H2_ERROR.refusedStream, true, undefined);
      }
    this.#handlers.goaway(this.#link.connection, last, readUint32(bytes, from + 4));
  }

  windowUpdate(id: number, bytes: Buffer, from: number, to: number): void {
    if (to - from !== 4) return this.#owner.fail(H2_ERROR.frameSize, 'frame_size');
    const increment = readUint32(bytes, from) & WINDOW_MAX;
    // What gives back what was sent is as good as progress.
    const due = this.#out.takeUpdate();
    if (!due) {
      if (increment < SMALL_UPDATE_BYTES && !this.#guard.rate(RATE.smallWindowUpdates)) return;
      if (!this.#guard.idle()) return;
    }
    if (id === 0) {
      if (increment === 0) return this.#owner.fail(H2_ERROR.protocol, 'zero_increment');
      this.#out.window += increment;
      if (this.#out.window > WINDOW_MAX) return this.#owner.fail(H2_ERROR.flowControl, 'window_overflow');
      return this.#out.pump();
    }
    if (this.#streams.isIdle(id)) return this.#owner.fail(H2_ERROR.protocol, 'bad_stream_id');
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    if (increment === 0) return this.#streamError(id, H2_ERROR.protocol, 'zero_increment');
    stream.sendWindow += increment;
    if (stream.sendWindow > WINDOW_MAX) return this.#streamError(id, H2_ERROR.flowControl, 'window_overflow');
    this.#out.enqueue(stream);
  }
}
