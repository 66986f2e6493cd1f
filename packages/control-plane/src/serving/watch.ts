/** A stream of one value: its state now, then again whenever it differs. */
import type { LiveQueries } from '../live/live-queries.ts';
import type { Reads } from '../live/table.ts';
import { followNewest } from './call.ts';
import type { StatusDetails, Subscriber } from './call.ts';

/** What a stream tells: a message (with its bytes, to compare), or why there is none. */
export type Answer<Message> =
  | { readonly kind: 'message'; readonly message: Message; readonly signature: string }
  | { readonly kind: 'status'; readonly status: StatusDetails };

/** Counts of what is open, for metrics. */
export interface StreamCounts {
  opened(method: string): Disposable;
  sent(method: string, update: string): void;
}

export function answer<Message>(
  type: { encode(message: Message): { finish(): Uint8Array } },
  message: Message,
): Answer<Message> {
  return { kind: 'message', message, signature: Buffer.from(type.encode(message).finish()).toString('latin1') };
}

export function noAnswer(code: StatusDetails['code'], details: string): Answer<never> {
  return { kind: 'status', status: { code, details } };
}

export function sameAnswer(before: Answer<unknown>, after: Answer<unknown>): boolean {
  if (before.kind === 'message' && after.kind === 'message') return before.signature === after.signature;
  if (before.kind === 'status' && after.kind === 'status') return before.status.details === after.status.details;
  return false;
}

export function watchAnswer<Message>(options: {
  readonly method: string;
  readonly queries: LiveQueries;
  /** Subscribers with the same key share one computation. */
  readonly key: string;
  readonly compute: (reads: Reads) => Answer<Message>;
  readonly subscriber: Subscriber<Message>;
  readonly streams: StreamCounts;
}): void {
  const { method, queries, key, compute, subscriber, streams } = options;
  let sent: Answer<Message> | undefined;
  const opened = streams.opened(method);
  subscriber.onClose(() => opened[Symbol.dispose]());
  const value = queries.watch({ key: `${method} ${key}`, compute, same: sameAnswer }, () => advance());
  subscriber.onClose(() => value.stop());
  const advance = followNewest(subscriber, () => {
    const { current } = value;
    if (current === sent) return true;
    sent = current;
    if (current.kind === 'status') {
      subscriber.fail(current.status);
      return true;
    }
    streams.sent(method, 'message');
    return subscriber.send(current.message);
  });
  advance();
}

/** The value now, for unary methods. */
export function answerOnce<Message>(compute: (reads: Reads) => Answer<Message>): Answer<Message> {
  return compute({ add: () => undefined });
}
