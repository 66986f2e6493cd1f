/** A server's HTTP/2 connection whose client is written frame by frame. */
import { H2_PREFACE } from '../h2/codes.ts';
import { H2Connection } from '../h2/connection.ts';
import type { H2Handlers, H2Options } from '../h2/handlers.ts';
import type { H2Limits } from '../h2/limits.ts';
import type { H2Stream } from '../h2/stream.ts';

/** Frame bytes by hand. */
export function frame(type: number, flags: number, id: number, payload: readonly number[] = []): Uint8Array {
  const n = payload.length;
  return Uint8Array.of(n >> 16, n >> 8, n, type, flags, id >>> 24, id >>> 16, id >>> 8, id, ...payload);
}
/** Empty. */
export const SETTINGS = frame(4, 0, 0);
export const PING = frame(6, 0, 0, Array(8).fill(0));
/** :method GET, :scheme http, :path /, all from the static table. */
export const GET = [0x82, 0x86, 0x84];
/** :method POST, the same. */
export const POST = [0x83, 0x86, 0x84];

/** A server, what it told its owner, and what it sent. */
export interface Peer {
  readonly connection: H2Connection<null>;
  readonly log: string[];
  readonly sent: Uint8Array[];
  readonly streams: H2Stream<null>[];
}

/** A server that has had the preface and SETTINGS. */
export function server(limits: Partial<H2Limits> = {}, options: Partial<H2Options<null>> = {}): Peer {
  const log: string[] = [];
  const sent: Uint8Array[] = [];
  const streams: H2Stream<null>[] = [];
  const handlers: H2Handlers<null> = {
    write: (_, parts) => void sent.push(...parts),
    headers(stream, _fields, kind, end) {
      log.push(`${kind} ${stream.id}${end ? ' end' : ''}`);
      streams.push(stream);
    },
    data: (stream, bytes, end) => void log.push(`data ${stream.id} ${bytes.length}${end ? ' end' : ''}`),
    reset: (stream, code, byPeer, reason) => void log.push(`reset ${stream.id} ${code} ${byPeer ? 'peer' : reason}`),
    writable: (stream) => void log.push(`writable ${stream.id}`),
    goaway: (_, last) => void log.push(`goaway ${last}`),
    pong: () => void log.push('pong'),
    settings: () => undefined,
    failed: (_, code, reason) => void log.push(`failed ${code} ${reason}`),
    refused: (_, reason) => void log.push(`refused ${reason}`),
  };
  const connection = new H2Connection<null>({ role: 'server', initStream: () => null, limits, ...options }, handlers);
  connection.start();
  connection.receive(H2_PREFACE, 0);
  connection.receive(SETTINGS, 0);
  sent.length = 0;
  return { connection, log, sent, streams };
}

/** The frames that were sent, as `type flags stream length`. */
export function frames(peer: Peer): string[] {
  const bytes = Buffer.concat(peer.sent);
  const list: string[] = [];
  for (let at = 0; at < bytes.length; at += 9 + bytes.readUIntBE(at, 3))
    list.push(`${bytes[at + 3]} ${bytes[at + 4]} ${bytes.readUInt32BE(at + 5)} ${bytes.readUIntBE(at, 3)}`);
  return list;
}
