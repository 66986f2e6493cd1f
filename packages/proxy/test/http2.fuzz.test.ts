/** Whatever a request and its answer are made of, they cross two proxies as they were. */
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { meshedEndpoint, TestAnchor, TestProxy } from './harness.ts';
import { h2App, H2Client } from './http2-harness.ts';

const PATH = 'app.ns.svc.cluster.local:80';

const fieldName = fc.stringMatching(/^x-[a-z0-9][a-z0-9-]{0,20}$/);
const fieldValue = fc.stringMatching(/^[!-~](?:[ -~]{0,60}[!-~])?$/);
const fields = fc.dictionary(fieldName, fieldValue, { maxKeys: 8, noNullPrototype: true });
/** Sizes around frames and windows, in pieces of any size. */
const pieces = fc.array(
  fc.oneof(
    fc.integer({ min: 1, max: 300 }),
    fc.integer({ min: 16_000, max: 17_000 }),
    fc.integer({ min: 60_000, max: 70_000 }),
  ),
  { maxLength: 5 },
);
const message = fc.record({ fields, pieces, trailers: fields });
type Message = typeof message extends fc.Arbitrary<infer M> ? M : never;

const bodyOf = (sizes: readonly number[]): Buffer =>
  Buffer.concat(sizes.map((size, at) => Buffer.alloc(size, String.fromCharCode(97 + (at % 26)))));

function own(headers: IncomingHttpHeaders): Record<string, unknown> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('x-')));
}

test('requests and answers of any shape cross two proxies unchanged', async () => {
  const anchor = await TestAnchor.create('root');
  await using near = await new TestProxy('127.0.47.1', 'web').start(anchor);
  await using far = await new TestProxy('127.0.47.2', 'app').start(anchor);
  let answer: Message = { fields: {}, pieces: [], trailers: {} };
  let seen: { headers: Record<string, unknown>; body: Buffer; trailers: Record<string, unknown> } | undefined;
  const app = await h2App(far.ip, (stream, headers) => {
    const chunks: Buffer[] = [];
    let trailers: Record<string, unknown> = {};
    stream.on('trailers', (got: IncomingHttpHeaders) => (trailers = own(got)));
    stream.on('data', (chunk: Buffer) => void chunks.push(chunk));
    stream.on('end', () => {
      seen = { headers: own(headers), body: Buffer.concat(chunks), trailers };
      const hasTrailers = Object.keys(answer.trailers).length > 0;
      stream.respond({ ':status': 200, ...answer.fields }, { waitForTrailers: hasTrailers });
      if (hasTrailers) stream.on('wantTrailers', () => stream.sendTrailers(answer.trailers));
      for (const size of answer.pieces) stream.write(Buffer.alloc(size, 'z'));
      stream.end();
    });
  });
  near.routeTo(PATH, meshedEndpoint(far, app.port));
  const client = new H2Client(near.outbound);
  await fc.assert(
    fc.asyncProperty(message, message, async (request, response) => {
      answer = response;
      const headers: OutgoingHttpHeaders = { ':method': 'POST', ...request.fields };
      const trailers = Object.keys(request.trailers).length > 0 ? request.trailers : undefined;
      const got = await client.ask(headers, bodyOf(request.pieces), trailers);
      assert.deepEqual(seen?.headers, request.fields);
      assert.ok(seen.body.equals(bodyOf(request.pieces)));
      assert.deepEqual(seen.trailers, request.trailers);
      assert.deepEqual(own(got.headers), response.fields);
      assert.equal(
        got.body.length,
        response.pieces.reduce((sum, size) => sum + size, 0),
      );
      assert.deepEqual(own(got.trailers), response.trailers);
    }),
    { numRuns: 100 },
  );
  client.close();
  await app.close();
});
