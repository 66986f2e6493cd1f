import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import fc from 'fast-check';
import { AddressPool, loopbackOf } from './address-block.ts';

interface Target {
  readonly address: string;
  readonly port: number;
  readonly preamble?: Buffer;
  readonly source?: string;
}
interface Rules {
  bind(address: string | undefined, port: number): { addresses: string[]; port: number; announce: boolean } | undefined;
  connect(address: string, port: number): Target;
  unshift(port: number): number;
  ignoresSource(address: string | undefined): boolean;
}
interface Shim {
  createRules: (pod: object) => Rules;
  preambleLength: (header: Buffer) => number;
  decodeDestination: (bytes: Buffer) => { address: string; port: number; family: string };
}

const { createRules, preambleLength, decodeDestination } = createRequire(import.meta.url)('./shim/rules.cjs') as Shim;
const POD = { ip: '127.9.16.2', loopback: '127.9.32.2' };
const REDIRECT = {
  inboundPort: 4143,
  outboundPort: 4140,
  inboundIgnore: [[4190, 4191]],
  outboundIgnore: [[4567, 4568]],
};

test("without redirect, a wildcard bind gets the pod's two addresses and connects go where they say", () => {
  const rules = createRules(POD);
  assert.deepEqual(rules.bind('0.0.0.0', 8080)?.addresses, ['127.9.16.2', '127.9.32.2']);
  assert.deepEqual(rules.bind('127.0.0.1', 8080)?.addresses, ['127.9.32.2']);
  assert.equal(rules.bind('192.0.2.1', 8080), undefined);
  assert.equal(rules.connect('127.0.0.1', 80).address, '127.9.32.2');
  assert.equal(rules.connect('127.9.16.2', 80).address, '127.9.16.2');
  assert.deepEqual(rules.connect('192.0.2.1', 80), { address: '192.0.2.1', port: 80, source: undefined });
});

test('a redirected program listens in private and connects through its proxy, ignored ports excepted', () => {
  const rules = createRules({ ...POD, redirect: REDIRECT });
  assert.deepEqual(rules.bind('::', 8080), { addresses: ['127.9.32.2'], port: 8080, announce: true });
  assert.deepEqual(rules.bind('::', 4191)?.addresses, ['127.9.16.2', '127.9.32.2']);
  const target = rules.connect('127.9.128.1', 80);
  assert.deepEqual([target.address, target.port, target.source], ['127.9.32.2', 4140, '127.9.16.2']);
  assert.equal(rules.connect('127.9.128.1', 4568).preamble, undefined);
  assert.equal(rules.connect('127.9.16.2', 8080).address, '127.9.32.2');
});

test('sources in ignored networks are known by prefix, whatever their length', () => {
  const ignoring = (...sourcesIgnore: readonly string[]): Rules =>
    createRules({ ...POD, exempt: true, redirect: { ...REDIRECT, sourcesIgnore } });
  const rules = ignoring('10.1.2.3/8', '192.0.2.7/32');
  for (const [address, ignored] of [
    ['10.255.0.1', true],
    ['::ffff:10.0.0.1', true],
    ['11.0.0.1', false],
    ['192.0.2.7', true],
    ['192.0.2.8', false],
    ['fd00::1', false],
    [undefined, false],
  ] as const)
    assert.equal(rules.ignoresSource(address), ignored, address ?? 'no address');
  assert.equal(ignoring('0.0.0.0/0').ignoresSource('203.0.113.9'), true);
  assert.equal(createRules({ ...POD, redirect: REDIRECT }).ignoresSource('10.0.0.1'), false);
});

test("the proxy itself is not redirected and reaches the program at the pod's address", () => {
  const rules = createRules({ ...POD, redirect: REDIRECT, exempt: true });
  assert.deepEqual(rules.connect('127.9.128.1', 80), { address: '127.9.128.1', port: 80, source: '127.9.16.2' });
  assert.equal(rules.connect('127.9.16.2', 8080).address, '127.9.32.2');
});

test('ports below 1024 move where the user may not bind them, and programs do not see it', () => {
  const rules = createRules({ ...POD, privilegedOffset: 61_000 });
  assert.equal(rules.bind('0.0.0.0', 80)?.port, 61_080);
  assert.equal(rules.connect('127.9.128.1', 443).port, 61_443);
  assert.equal(rules.connect('192.0.2.1', 443).port, 443);
  assert.equal(rules.connect('127.9.128.1', 8080).port, 8080);
  assert.equal(rules.unshift(61_080), 80);
  assert.equal(rules.unshift(8080), 8080);
});

test('a preamble gives back every destination', () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6());
  fc.assert(
    fc.property(address, fc.integer({ min: 1, max: 65_535 }), (to, port) => {
      const rules = createRules({ ...POD, redirect: { ...REDIRECT, outboundIgnore: [] } });
      const { preamble } = rules.connect(to, port);
      if (preamble === undefined) return;
      assert.equal(preambleLength(preamble), preamble.length);
      const found = decodeDestination(preamble);
      const canonical = to.includes(':') ? new URL(`http://[${to}]`).hostname.slice(1, -1) : to;
      assert.deepEqual([found.address, found.port], [canonical, port]);
    }),
  );
});

test('other first bytes are no preamble', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => preambleLength(Buffer.from(bytes)) === -1),
  );
});

test('addresses are handed out once, freed ones last', () => {
  const pool = new AddressPool('127.9', 16 * 256 + 2, 3);
  const [a, b] = [pool.allocate(), pool.allocate()];
  assert.deepEqual([a, b], ['127.9.16.2', '127.9.16.3']);
  pool.release(a);
  assert.equal(pool.allocate(), '127.9.16.4');
  assert.equal(pool.claim(b), false);
  assert.equal(pool.allocate(), a);
  assert.throws(() => pool.allocate(), { code: 'addresses_exhausted' });
  assert.equal(loopbackOf('127.9.16.2'), '127.9.32.2');
});
