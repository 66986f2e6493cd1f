import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';
import { ManualClock } from '../testing/manual-clock.ts';
import { LineWriter, QUEUE_BYTES_MAX } from './line-writer.ts';

type Done = (error: NodeJS.ErrnoException | null, written: number) => void;

/** A reader that takes bytes when the test says so. */
class SlowReader {
  readonly clock = new ManualClock();
  readonly texts: string[] = [];
  readonly counts = { written: 0, dropped: 0 };
  readonly writer: LineWriter;
  #done: Done | undefined;

  constructor() {
    this.writer = new LineWriter({
      write: (bytes, done) => {
        assert.equal(this.#done, undefined, 'one write at a time');
        this.texts.push(Buffer.from(bytes).toString());
        this.#done = done;
      },
      clock: this.clock,
      written: { add: (n) => (this.counts.written += n) },
      dropped: { add: (n) => (this.counts.dropped += n) },
    });
  }

  /** Ends the write that is under way. @param bytes So many were taken; absent: all. */
  answer(error: string | null, bytes = Buffer.byteLength(this.texts.at(-1) ?? '')): void {
    const done = this.#done;
    this.#done = undefined;
    assert.ok(done !== undefined, 'a write is under way');
    if (error === null) done(null, bytes);
    else done(Object.assign(new Error(error), { code: error }), 0);
  }
}

test('lines of one turn go out together, and those that come meanwhile with the next write', async () => {
  const reader = new SlowReader();
  reader.writer.write('a');
  reader.writer.write('b');
  assert.deepEqual(reader.texts, [], 'not within the request');
  await turn();
  reader.writer.write('c');
  await turn();
  assert.deepEqual(reader.texts, ['a\nb\n']);
  reader.answer(null);
  assert.deepEqual(reader.texts, ['a\nb\n', 'c\n']);
  reader.answer(null);
  assert.deepEqual(reader.counts, { written: 3, dropped: 0 });
});

test('what a slow reader leaves behind is bounded, and what is too much is counted', async () => {
  const reader = new SlowReader();
  const line = 'x'.repeat(999);
  reader.writer.write('first');
  await turn();
  for (let count = 0; count < 2000; count += 1) reader.writer.write(line);
  const kept = Math.floor(QUEUE_BYTES_MAX / 1000);
  assert.equal(reader.counts.dropped, 2000 - kept);
  reader.answer(null);
  assert.equal(reader.texts[1]?.length, kept * 1000);
  reader.answer(null);
  reader.writer.write('again');
  await turn();
  assert.equal(reader.texts[2], 'again\n');
  reader.answer(null);
});

test('a full pipe is tried again, a short write continued, and a broken one costs its lines only', async () => {
  const reader = new SlowReader();
  reader.writer.write('whole');
  await turn();
  reader.answer('EAGAIN');
  reader.clock.advance(10);
  reader.answer(null, 2);
  assert.deepEqual(reader.texts, ['whole\n', 'whole\n', 'ole\n']);
  reader.writer.write('next');
  reader.answer('EPIPE');
  assert.equal(reader.texts[3], 'next\n');
  reader.answer(null);
  assert.deepEqual(reader.counts, { written: 1, dropped: 1 });
});

test('closing waits for the last line, but not for a reader that is gone', async () => {
  const reader = new SlowReader();
  await reader.writer.close(1000);
  reader.writer.write('last');
  const closed = reader.writer.close(1000);
  await turn();
  reader.answer(null);
  await closed;
  reader.writer.write('lost');
  await turn();
  const late = reader.writer.close(1000);
  reader.clock.advance(1000);
  await late;
});
