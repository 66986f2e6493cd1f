/** Random conversations through a pair of proxies, cut anywhere, must arrive as they were said. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { httpApp, meshedEndpoint, RawClient, TestAnchor, TestProxy, until } from './harness.ts';

interface Message {
  readonly framing: 'none' | 'length' | 'chunked';
  readonly sizes: readonly number[];
  readonly answer: 'length' | 'chunked';
  readonly answerBytes: number;
}

const size = fc.oneof({ weight: 4, arbitrary: fc.nat(300) }, { weight: 1, arbitrary: fc.nat(100_000) });
const message: fc.Arbitrary<Message> = fc.record({
  framing: fc.constantFrom('none' as const, 'length' as const, 'chunked' as const),
  sizes: fc.array(size, { minLength: 1, maxLength: 4 }),
  answer: fc.constantFrom('length' as const, 'chunked' as const),
  answerBytes: size,
});
const digest = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex');

function payload(index: number, length: number): Buffer {
  return Buffer.alloc(length, `part ${index} of a body; `);
}

/** The request as bytes, and the digest that the program must report. */
function encode(said: Message): { readonly bytes: Buffer; readonly sum: string } {
  const fields = `Host: a\r\nx-answer: ${said.answer}\r\nx-answer-bytes: ${said.answerBytes}\r\n`;
  const start = `POST /echo HTTP/1.1\r\n${fields}`;
  const parts = said.framing === 'none' ? [] : said.sizes.map((length, index) => payload(index, length));
  const body = Buffer.concat(parts);
  const sum = digest(body);
  if (said.framing === 'none') return { bytes: Buffer.from(`${start}\r\n`), sum };
  if (said.framing === 'length') {
    return { bytes: Buffer.concat([Buffer.from(`${start}Content-Length: ${body.length}\r\n\r\n`), body]), sum };
  }
  const chunks = parts
    .filter((part) => part.length > 0)
    .flatMap((part) => [Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]);
  const head = Buffer.from(`${start}Transfer-Encoding: chunked\r\n\r\n`);
  return { bytes: Buffer.concat([head, ...chunks, Buffer.from('0\r\n\r\n')]), sum };
}

test('pipelined conversations survive any segmentation, framing and size', async () => {
  const anchor = await TestAnchor.create('root');
  await using client = await new TestProxy('127.0.34.1', 'web').start(anchor);
  await using server = await new TestProxy('127.0.34.2', 'app').start(anchor);
  const app = await httpApp(server.ip, (req, res) => {
    const hash = createHash('sha1');
    req.on('data', (chunk: Buffer) => hash.update(chunk));
    req.on('end', () => {
      const body = Buffer.alloc(Number(req.headers['x-answer-bytes']), '.');
      res.setHeader('x-sum', hash.digest('hex'));
      if (req.headers['x-answer'] === 'length') res.setHeader('content-length', body.length);
      if (body.length > 0) res.write(body);
      res.end();
    });
  });
  client.routeTo('app.ns.svc.cluster.local:80', meshedEndpoint(server, app.port));
  await fc.assert(
    fc.asyncProperty(
      fc.array(message, { minLength: 1, maxLength: 4 }),
      fc.array(fc.nat(), { maxLength: 10 }),
      async (messages, cuts) => {
        const encoded = messages.map((said) => encode(said));
        const stream = Buffer.concat(encoded.map((one) => one.bytes));
        const raw = new RawClient(client.outbound);
        const points = [...cuts.map((cut) => cut % stream.length), stream.length].toSorted((a, b) => a - b);
        let from = 0;
        for (const to of points) {
          raw.socket.write(stream.subarray(from, to));
          from = to;
          await new Promise((resolve) => setImmediate(resolve));
        }
        const expected = encoded.map((one) => one.sum);
        const sums = (): string[] => [...raw.text.matchAll(/x-sum: ([0-9a-f]{40})/gi)].map((match) => match[1] ?? '');
        const bodies = messages.reduce((total, said) => total + said.answerBytes, 0);
        await until(
          'all answers',
          () => sums().length === messages.length && (raw.text.match(/\./g)?.length ?? 0) >= bodies,
          10_000,
        );
        assert.deepEqual(sums(), expected);
        raw.socket.destroy();
      },
    ),
    { numRuns: 60, endOnFailure: true },
  );
  assert.equal(client.metrics.sum('response_total', { classification: 'failure' }), 0);
  await app.close();
});
