import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { WatchEvent } from './client.ts';
import { isKubeError } from './errors.ts';
import type { KubeObject } from './object.ts';
import { readWatchStream } from './watch-stream.ts';

async function collect(chunks: readonly Buffer[]): Promise<WatchEvent<KubeObject>[]> {
  const events: WatchEvent<KubeObject>[] = [];
  async function* source(): AsyncGenerator<Buffer> {
    yield* chunks;
  }
  for await (const event of readWatchStream<KubeObject>(source(), 'things')) events.push(event);
  return events;
}

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((start, index) => bytes.subarray(start, at[index] ?? bytes.length));
}

test('a stream split anywhere gives the same events', async () => {
  const names = fc.array(fc.string({ minLength: 1, unit: 'grapheme' }), { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(names, fc.array(fc.nat(2000), { maxLength: 8 }), async (objects, cuts) => {
      const lines = objects.map((name) => JSON.stringify({ type: 'ADDED', object: { metadata: { name } } }));
      const events = await collect(split(Buffer.from(`${lines.join('\n')}\n`), cuts));
      assert.deepEqual(
        events.map((event) => (event.type === 'added' ? event.object.metadata.name : event.type)),
        objects,
      );
    }),
  );
});

test('garbage is a typed error or nothing, never a crash', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }), async (chunks) => {
      try {
        await collect(chunks.map((chunk) => Buffer.from(chunk)));
      } catch (error) {
        assert.ok(isKubeError(error), String(error));
      }
    }),
  );
});

test('an ERROR event with status 410 is gone', async () => {
  const line = JSON.stringify({
    type: 'ERROR',
    object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' },
  });
  await assert.rejects(collect([Buffer.from(`${line}\n`)]), (error) => isKubeError(error, 'gone'));
});
