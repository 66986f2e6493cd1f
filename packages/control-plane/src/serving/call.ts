/** Streams towards one subscriber: only the newest state counts, so nothing is queued behind a slow reader. */
import { status } from '@grpc/grpc-js';
import type {
  handleServerStreamingCall,
  handleUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
} from '@grpc/grpc-js';

import { messageOf } from '@mesh/runtime';

export interface StatusDetails {
  readonly code: status;
  readonly details: string;
}

/** What a watch needs of its call. */
export interface Subscriber<Message> {
  /** False: the reader is slow; do not send before `onDrain`. The message itself is accepted. */
  send(message: Message): boolean;
  /** Ends the stream with a status. */
  fail(error: StatusDetails): void;
  onDrain(callback: () => void): void;
  /** Called once, when the client goes away or the stream ends. */
  onClose(callback: () => void): void;
}

export function subscriberOf<Request, Message>(call: ServerWritableStream<Request, Message>): Subscriber<Message> {
  let closed = false;
  const onClose: (() => void)[] = [];
  const close = (): void => {
    if (closed) return;
    closed = true;
    for (const callback of onClose) callback();
  };
  if (call.cancelled) closed = true;
  call.on('cancelled', close);
  call.on('close', close);
  call.on('error', close);
  return {
    send: (message) => closed || call.write(message),
    fail: (error) => {
      // The library turns an emitted error into the stream's status; destroying the stream would drop it.
      if (!closed) call.emit('error', Object.assign(new Error(error.details), error));
      close();
    },
    onDrain: (callback) => void call.on('drain', callback),
    onClose: (callback) => {
      if (closed) callback();
      else onClose.push(callback);
    },
  };
}

/** Starts a watch; a failure to compute its first answer ends this stream and no other. */
export function guarded<Message>(
  subscriber: Subscriber<Message>,
  watch: (subscriber: Subscriber<Message>) => void,
): void {
  try {
    watch(subscriber);
  } catch (error) {
    subscriber.fail({ code: status.INTERNAL, details: messageOf(error) });
  }
}

/**
 * Keeps a subscriber at the newest state: `step` sends what is missing and says whether the reader keeps up. Between a
 * full buffer and its drain, changes only mark the state as newer.
 */
export function followNewest(subscriber: Pick<Subscriber<unknown>, 'onDrain'>, step: () => boolean): () => void {
  let blocked = false;
  let newer = false;
  const advance = (): void => {
    if (blocked) {
      newer = true;
      return;
    }
    newer = false;
    blocked = !step();
  };
  subscriber.onDrain(() => {
    blocked = false;
    if (newer) advance();
  });
  return advance;
}

/** A method of a service as ts-proto describes it. */
interface MethodDescription<Request, Response> {
  readonly name: string;
  readonly requestType: Codec<Request>;
  readonly requestStream: boolean;
  readonly responseType: Codec<Response>;
  readonly responseStream: boolean;
}

interface Codec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

/** The generic description of a service in the form of the gRPC library. */
export function serviceDefinition(description: {
  readonly fullName: string;
  readonly methods: Readonly<Record<string, unknown>>;
}): ServiceDefinition {
  return Object.fromEntries(
    Object.entries(description.methods).map(([key, value]) => {
      const method = value as MethodDescription<unknown, unknown>;
      const encode = (codec: Codec<unknown>) => (message: unknown) => encodeOnce(codec, message as object);
      const decode = (codec: Codec<unknown>) => (bytes: Buffer) => codec.decode(bytes);
      return [
        key,
        {
          path: `/${description.fullName}/${method.name}`,
          requestStream: method.requestStream,
          responseStream: method.responseStream,
          requestSerialize: encode(method.requestType),
          requestDeserialize: decode(method.requestType),
          responseSerialize: encode(method.responseType),
          responseDeserialize: decode(method.responseType),
          originalName: key,
        },
      ];
    }),
  );
}

/** Watches send one message to many clients; messages are never changed after they were sent. */
const ENCODED = new WeakMap<object, Buffer>();

function encodeOnce(codec: Codec<unknown>, message: object): Buffer {
  const known = ENCODED.get(message);
  if (known !== undefined) return known;
  const bytes = Buffer.from(codec.encode(message).finish());
  ENCODED.set(message, bytes);
  return bytes;
}

export type StreamHandler<Request, Response> = handleServerStreamingCall<Request, Response>;
export type UnaryHandler<Request, Response> = handleUnaryCall<Request, Response>;
export { status };
