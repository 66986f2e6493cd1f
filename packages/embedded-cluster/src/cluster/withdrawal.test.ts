import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChangeListener, Informer } from '../controllers/informer.ts';
import type { EndpointSlice } from '../controllers/kinds.ts';
import { Withdrawal } from './withdrawal.ts';

const IP = '127.1.2.3';
const LONG_MS = 60_000;

/** Slices that the test sets, as an informer shows them. */
function fakeSlices(): { slices: Informer<EndpointSlice>; set: (conditions: Record<string, boolean>) => void } {
  const objects = new Map<string, EndpointSlice>();
  const listeners = new Set<ChangeListener<EndpointSlice>>();
  const slices = {
    values: () => objects.values(),
    onChange: (listener: ChangeListener<EndpointSlice>) => void listeners.add(listener),
  } as Partial<Informer<EndpointSlice>> as Informer<EndpointSlice>;
  return {
    slices,
    set(conditions) {
      const slice = {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { name: 'web-a', namespace: 'shop' },
        addressType: 'IPv4',
        endpoints: [{ addresses: [IP], conditions }],
      } as EndpointSlice;
      objects.set('shop/web-a', slice);
      for (const listener of listeners) listener(slice, undefined, 'shop/web-a');
    },
  };
}

test('a pod is out of the way once its endpoints are not ready and the Service proxy has heard of it', async () => {
  const { slices, set } = fakeSlices();
  set({ ready: true });
  const order: string[] = [];
  const withdrawal = new Withdrawal(slices, {
    settled: () => {
      order.push('settled');
      return Promise.resolve();
    },
  });
  const out = withdrawal.of(IP, LONG_MS).then(() => order.push('out'));
  await Promise.resolve();
  assert.deepEqual(order, []);
  set({ ready: false, terminating: true });
  await out;
  assert.deepEqual(order, ['settled', 'out']);
});

test('a pod that no Service offers, or that one offers whatever its state, waits for nothing more', async () => {
  const { slices, set } = fakeSlices();
  const withdrawal = new Withdrawal(slices, { settled: () => Promise.resolve() });
  await withdrawal.of(IP, LONG_MS);
  set({ ready: true, terminating: true });
  await withdrawal.of(IP, LONG_MS);
});

test('endpoints that nobody changes hold a pod no longer than the time given', async () => {
  const { slices, set } = fakeSlices();
  set({ ready: true });
  await new Withdrawal(slices, { settled: () => Promise.resolve() }).of(IP, 1);
});
