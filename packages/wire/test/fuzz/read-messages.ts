import { MessageReader } from '../../src/http1/message-reader.ts';

/**
 * What a reader makes of HTTP/1 messages that come in these pieces, as text: heads, bodies that are complete, and the error that ended it.
 *
 * @param requestMethod Of the request that the messages answer; undefined: they are requests.
 */
export function readMessages(chunks: readonly Uint8Array[], requestMethod?: number): string[] {
  const reader = new MessageReader();
  if (requestMethod !== undefined) reader.expectResponse(requestMethod);
  const seen: string[] = [];
  let inBody = false;
  let body = '';
  for (const chunk of chunks) {
    reader.feed(chunk);
    for (;;) {
      if (!inBody) {
        if (!reader.readHead()) {
          if (reader.head.error !== undefined) return [...seen, `error ${reader.head.error}`];
          break;
        }
        const { head } = reader;
        seen.push(`head ${Buffer.from(head.bytes.subarray(head.start, head.end)).toString('latin1')}`);
        inBody = true;
        body = '';
      }
      const from = reader.at;
      const end = reader.readBody();
      if (end < 0) return [...seen, `error ${reader.body.error}`];
      body += Buffer.from(reader.bytes.subarray(from, end)).toString('latin1');
      if (!reader.body.done) break;
      seen.push(`body ${body}`);
      inBody = false;
    }
  }
  return seen;
}
