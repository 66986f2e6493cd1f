/**
 * Listeners on sockets that know their connection: one function per kind of event, shared by all sockets, so that no connection needs closures
 * of its own.
 */
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';

const OWNER = Symbol('owner');

/** What a connection hears of its sockets. */
export interface SocketOwner {
  onData(bytes: Uint8Array): void;
  onEnd(): void;
  onDrain(): void;
  onError(error: Error): void;
  onClose(): void;
}

/** A socket that knows its connection. */
interface Attached extends Socket {
  [OWNER]?: SocketOwner | undefined;
}

/** Whom the socket was attached to last. */
export function ownerOf(socket: Socket | undefined): SocketOwner | undefined {
  const attached: Attached | undefined = socket;
  return attached?.[OWNER];
}

/** For data at once. */
export function attach(socket: Socket, conn: SocketOwner): void {
  attachUntilOpen(socket, conn);
  attachRest(socket);
}

/** For the time before there is data. */
export function attachUntilOpen(socket: Attached, conn: SocketOwner): void {
  socket[OWNER] = conn;
  socket.on('error', onError);
  socket.on('close', onClose);
}

/** What {@link attachUntilOpen} left out. */
export function attachRest(socket: Socket): void {
  socket.on('end', onEnd);
  socket.on('drain', onDrain);
  socket.on('data', onData);
  socket.push = pushToOwner;
}

/** Only its end is of interest: what is on top of it hears the rest. */
export function attachClose(socket: Attached, conn: SocketOwner): void {
  socket[OWNER] = conn;
  socket.on('close', onClose);
}

/** The socket is heard no more; its errors go nowhere. */
export function detach(socket: Attached): void {
  socket.push = pushToStream;
  socket.off('data', onData);
  socket.off('end', onEnd);
  socket.off('drain', onDrain);
  socket.off('error', onError);
  socket.off('close', onClose);
  // Errors of the lower socket arrive at the upper one too; unheard they would end the process.
  socket.off('error', ignore);
  socket.on('error', ignore);
}

function ignore(): void {}

function onData(this: Attached, bytes: Uint8Array): void {
  this[OWNER]?.onData(bytes);
}

function pushToStream(this: Socket, chunk: Uint8Array | null, encoding?: BufferEncoding): boolean {
  return Readable.prototype.push.call(this, chunk, encoding);
}

/**
 * What both runtimes call for each chunk that arrives. While nothing waits in the stream and it flows, the chunk is for the owner: the stream would
 * emit it as well, and then ask the socket for more, in a tick of its own, though that has never stopped reading.
 */
function pushToOwner(this: Attached, chunk: Uint8Array | null, encoding?: BufferEncoding): boolean {
  const owner = this[OWNER];
  if (chunk === null || owner === undefined || this.readableFlowing !== true || this.readableLength > 0)
    return pushToStream.call(this, chunk, encoding);
  owner.onData(chunk);
  return true;
}
function onEnd(this: Attached): void {
  this[OWNER]?.onEnd();
}
function onDrain(this: Attached): void {
  this[OWNER]?.onDrain();
}
function onError(this: Attached, error: Error): void {
  this[OWNER]?.onError(error);
}
function onClose(this: Attached): void {
  this[OWNER]?.onClose();
}
