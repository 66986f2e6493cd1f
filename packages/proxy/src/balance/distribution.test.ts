import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeMetrics } from '../testing/fakes.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import type { Selectable } from './balancer.ts';
import { Distribution } from './distribution.ts';
import type { EndpointSlot, Waiter } from './endpoint-slot.ts';

/** A backend that can serve a number of requests. */
class FakeBackend implements Selectable {
  readonly balanced = true;
  readonly slot: EndpointSlot;
  places = 0;
  asked = 0;
  readonly #listeners = new Set<() => void>();

  constructor(name: string) {
    this.slot = { program: name } as EndpointSlot;
  }

  /** From now on it can serve so many more. */
  free(places: number): void {
    this.places = places;
    for (const listener of this.#listeners) listener();
  }

  get available(): boolean {
    return this.places > 0;
  }

  pick(): EndpointSlot | undefined {
    if (this.places === 0) return undefined;
    this.places -= 1;
    return this.slot;
  }

  has(tried: ReadonlySet<string> | undefined): boolean {
    return this.available && tried?.has(this.slot.program) !== true;
  }

  hasQuick(tried: ReadonlySet<string> | undefined): boolean {
    return this.has(tried);
  }

  wanted(): void {
    this.asked += 1;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

class FakeWaiter implements Waiter {
  readonly tried: ReadonlySet<string> | undefined;
  outcome = 'waits';

  constructor(tried?: ReadonlySet<string>) {
    this.tried = tried;
  }

  assigned(slot: EndpointSlot): void {
    this.outcome = slot.program;
  }

  refused(code: string): void {
    this.outcome = code;
  }

  rerouted(): void {
    this.outcome = 'rerouted';
  }
}

const STACK = { direction: 'outbound', protocol: 'http', name: 'logical' } as const;

function setup(capacity = 100, ...names: readonly string[]) {
  const clock = new ManualClock();
  const metrics = new FakeMetrics();
  const backends = (names.length === 0 ? ['a'] : names).map((name) => new FakeBackend(name));
  const distribution = new Distribution(
    'first_available',
    backends.map((target) => ({ target, weight: 1, cells: undefined })),
    { capacity, failfastTimeoutMs: 3000 },
    clock,
    () => 0,
    { balancer: metrics.balancer('http', {}), polls: metrics.stackPolls(STACK) },
  );
  const enter = (tried?: ReadonlySet<string>): FakeWaiter => {
    const waiter = new FakeWaiter(tried);
    distribution.acquire(waiter);
    return waiter;
  };
  const counted = (name: string): number => metrics.sum(`outbound_http_balancer_${name}`);
  const polls = (): readonly number[] => [
    ...['true', 'false', 'error'].map((ready) => metrics.sum('stack_poll_total', { ...STACK, ready })),
    metrics.sum('stack_poll_total_ms'),
  ];
  return { clock, backends, backend: backends[0] ?? assert.fail(), distribution, enter, counted, polls };
}

test('who comes while an endpoint is ready is served at once, and counted as having passed the queue', () => {
  const { backend, enter, counted } = setup();
  backend.free(1);
  assert.equal(enter().outcome, 'a');
  assert.equal(counted('queue_requests_total'), 1);
  assert.equal(counted('queue_latency_seconds_count'), 1);
  assert.equal(counted('queue_gate_timeout_seconds'), 3);
});

test('when one place gets free one of the waiting is served, who came first', () => {
  const { backend, enter, counted } = setup();
  const waiters = [enter(), enter(), enter()];
  backend.free(1);
  assert.deepEqual(
    waiters.map((waiter) => waiter.outcome),
    ['a', 'waits', 'waits'],
  );
  assert.equal(counted('queue_length'), 2);
  backend.free(2);
  assert.deepEqual(
    waiters.map((waiter) => waiter.outcome),
    ['a', 'a', 'a'],
  );
  assert.equal(counted('queue_length'), 0);
});

test('nobody passes those who wait', () => {
  const { backend, enter } = setup();
  const first = enter();
  backend.places = 1;
  assert.equal(enter().outcome, 'waits');
  assert.equal(first.outcome, 'waits');
});

test('after the fail-fast timeout those who wait are refused, and so is who comes, until something is ready', () => {
  const { backend, clock, enter, counted } = setup();
  const waiter = enter();
  clock.advance(2999);
  assert.equal(waiter.outcome, 'waits');
  clock.advance(1);
  assert.equal(waiter.outcome, 'failfast');
  assert.equal(enter().outcome, 'failfast');
  assert.equal(counted('queue_gate_shut_total'), 1);
  assert.equal(backend.asked, 2, 'the backend is told that it is wanted');
  backend.free(1);
  assert.equal(enter().outcome, 'a');
  assert.equal(counted('queue_gate_open_total'), 1);
  assert.equal(clock.pending, 0);
});

test('a full queue refuses who comes', () => {
  const { enter } = setup(2);
  const waiters = [enter(), enter(), enter()];
  assert.deepEqual(
    waiters.map((waiter) => waiter.outcome),
    ['waits', 'waits', 'queue_full'],
  );
});

test('who gives up leaves the queue, and with the last one its timer', () => {
  const { clock, distribution, enter, counted } = setup();
  const waiter = enter();
  distribution.cancel(waiter);
  assert.equal(counted('queue_length'), 0);
  assert.equal(clock.pending, 0);
});

test('a route that goes sends those who wait to ask again', () => {
  const { distribution, enter } = setup();
  const waiter = enter();
  distribution.dispose();
  assert.equal(waiter.outcome, 'rerouted');
});

test('the first backend that is ready takes all, and one that was tried only when there is no other', () => {
  const { backends, enter } = setup(100, 'a', 'b');
  backends[1]?.free(5);
  assert.equal(enter().outcome, 'b');
  backends[0]?.free(5);
  assert.equal(enter().outcome, 'a');
  assert.equal(enter(new Set(['a'])).outcome, 'b');
  backends[1]?.free(0);
  assert.equal(enter(new Set(['a'])).outcome, 'a');
});

test('a layer tells how often it was asked, whom it served at once, later or not at all, and how long they waited', () => {
  const { backend, clock, enter, polls } = setup(1);
  backend.free(1);
  enter();
  assert.deepEqual(polls(), [1, 0, 0, 0]);
  enter();
  assert.equal(enter().outcome, 'queue_full');
  clock.advance(40);
  backend.free(1);
  assert.deepEqual(polls(), [1, 1, 1, 40]);
  enter();
  clock.advance(3000);
  assert.deepEqual(polls(), [1, 2, 2, 40]);
});
