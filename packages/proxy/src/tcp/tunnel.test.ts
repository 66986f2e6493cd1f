import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { CLEAN } from '@mesh/net';
import type { Closed, Conn, Handlers } from '@mesh/net';
import { joinTunnel } from './tunnel.ts';

const NOTHING = new Uint8Array(0);
const IDLE_MS = 300_000;

/** A connection without a socket: it records what it is told, and a test plays its peer. */
class FakeConn {
  handlers: Handlers<unknown> | undefined;
  state: unknown;
  closed = false;
  paused = false;
  ended = false;
  full = false;
  text = '';
  readonly closes: Closed[] = [];
  readBytes = 0;
  writeBytes = 0;

  handOver(handlers: Handlers<unknown>, state: unknown): this {
    this.handlers = handlers;
    this.state = state;
    return this;
  }
  write(bytes: Uint8Array): boolean {
    this.text += Buffer.from(bytes).toString();
    return !this.full;
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  end(): void {
    this.ended = true;
  }
  reset(): void {
    this.close({ kind: 'aborted', code: 'aborted' });
  }
  close(why: Closed): void {
    if (this.closed) return;
    this.closed = true;
    this.handlers?.close(this.conn, why);
  }
  data(text: string): void {
    this.handlers?.data(this.conn, Buffer.from(text));
  }
  get conn(): Conn<unknown> {
    return this as unknown as Conn<unknown>;
  }
}

function tunnel(t: TestContext, fromA = ''): { a: FakeConn; b: FakeConn } {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const [a, b] = [new FakeConn(), new FakeConn()];
  const end = (of: FakeConn) => {
    const counter = { add() {} };
    const cells = {
      openTotal: counter,
      openConnections: { add() {}, set() {} },
      readBytes: { add: (n: number) => (of.readBytes += n) },
      writeBytes: { add: (n: number) => (of.writeBytes += n) },
      closeTotal: () => counter,
    };
    return { conn: of.conn, cells, onClose: (why: Closed) => void of.closes.push(why) };
  };
  joinTunnel(end(a), end(b), Buffer.from(fromA), NOTHING);
  return { a, b };
}

test('bytes pass both ways, what had been read first, and are counted where they come and go', (t) => {
  const { a, b } = tunnel(t, 'early ');
  a.data('hello');
  b.data('hi');
  assert.equal(b.text, 'early hello');
  assert.equal(a.text, 'hi');
  assert.deepEqual([a.readBytes, a.writeBytes, b.readBytes, b.writeBytes], [5, 2, 2, 11]);
});

test('a full receiver stops its writer until it has drained', (t) => {
  const { a, b } = tunnel(t);
  b.full = true;
  a.data('x');
  assert.equal(a.paused, true);
  b.full = false;
  b.handlers?.drain(b.conn);
  assert.equal(a.paused, false);
});

test('FIN passes alone, and the other direction goes on', (t) => {
  const { a, b } = tunnel(t);
  a.handlers?.end(a.conn);
  assert.equal(b.ended, true);
  assert.equal(a.ended, false);
  b.data('still');
  assert.equal(a.text, 'still');
});

test('a side that does not end cleanly takes the other with it, by a reset', (t) => {
  const { a, b } = tunnel(t);
  a.close({ kind: 'reset', code: 'econnreset' });
  assert.equal(b.closed, true);
  assert.deepEqual(
    b.closes.map((why) => why.kind),
    ['aborted'],
  );
});

test('a clean end of one side lets the other finish', (t) => {
  const { a, b } = tunnel(t);
  a.close(CLEAN);
  assert.equal(b.closed, false);
  assert.equal(b.ended, true);
});

test('a half-closed tunnel without bytes is over after five minutes, one that is open both ways is not', (t) => {
  const { a, b } = tunnel(t);
  t.mock.timers.tick(10 * IDLE_MS);
  assert.equal(a.closed || b.closed, false);
  a.handlers?.end(a.conn);
  t.mock.timers.tick(IDLE_MS - 1);
  assert.equal(a.closed || b.closed, false);
  t.mock.timers.tick(1);
  assert.equal(a.closed && b.closed, true);
});
