import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, test } from 'node:test';
import { createNodeDriver } from '@mesh/net';
import { destination, identity } from '@mesh/proxy-api';
import { silentLogger, systemClock } from '@mesh/runtime';
import type { Clock } from '@mesh/runtime';
import { FakeControlPlane } from '../testing/fake-control-plane.ts';
import { until } from '../testing/until.ts';
import { GrpcChannel } from './channel.ts';
import type { ChannelDeps, ChannelOptions } from './channel.ts';
import { grpcMethod } from './method.ts';
import { silentObserver } from './observer.ts';
import type { ChannelObserver } from './observer.ts';
import { GRPC_STATUS, GrpcError } from './status.ts';
import { Watch } from './watch.ts';

const CERTIFY = grpcMethod(identity.IdentityDefinition, identity.IdentityDefinition.methods.certify);
const GET = grpcMethod(destination.DestinationDefinition, destination.DestinationDefinition.methods.get);
const REQUEST = { identity: 'a', token: new Uint8Array(), certificateSigningRequest: new Uint8Array() };
const LOOKUP = { scheme: 'k8s', path: 'a.b.svc.cluster.local:80', contextToken: '' };
const FAST = { minMs: 5, maxMs: 20, jitterRatio: 0 };

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

function channel(
  port: number,
  options: Partial<ChannelOptions> = {},
  observer: ChannelObserver = silentObserver,
  deps: Partial<Pick<ChannelDeps, 'clock' | 'log'>> = {},
): GrpcChannel {
  const created = new GrpcChannel(
    { target: { host: '127.0.0.1', port }, security: { kind: 'plaintext' }, backoff: FAST, ...options },
    {
      driver: createNodeDriver(),
      clock: systemClock,
      resolve: () => Promise.resolve(['127.0.0.1']),
      log: silentLogger,
      observer,
      ...deps,
    },
  );
  cleanups.push(() => created.close());
  return created;
}

/** A deadline that ends when the test says so, and not while a slow machine is still at it. */
const DEADLINE_MS = 60_000;

class HeldDeadlines implements Clock {
  readonly now = (): number => systemClock.now();
  readonly monotonic = (): number => systemClock.monotonic();
  readonly #held = new Set<() => void>();

  after(delayMs: number, callback: () => void): ReturnType<Clock['after']> {
    if (delayMs !== DEADLINE_MS) return systemClock.after(delayMs, callback);
    this.#held.add(callback);
    return { cancel: () => void this.#held.delete(callback) };
  }

  end(): void {
    const due = [...this.#held];
    this.#held.clear();
    for (const callback of due) callback();
  }
}

async function fake(port = 0): Promise<{ readonly plane: FakeControlPlane; readonly port: number }> {
  const plane = new FakeControlPlane();
  const bound = await plane.listen(port);
  cleanups.push(() => plane.stop());
  return { plane, port: bound };
}

const update = (port: number): destination.Update => ({
  update: { $case: 'add', value: destination.WeightedAddrSet.fromPartial({ addrs: [{ addr: { port } }] }) },
});
const portOf = (message: destination.Update): number =>
  message.update?.$case === 'add' ? (message.update.value.addrs[0]?.addr?.port ?? 0) : -1;

test('a unary call gives the response, and its status and latency to the observer', async () => {
  const { plane, port } = await fake();
  plane.certify = (request) =>
    Promise.resolve(identity.CertifyResponse.fromPartial({ leafCertificate: Buffer.from(request.identity) }));
  const seen: string[] = [];
  const observed = channel(port, {}, { ...silentObserver, response: (http, grpc) => seen.push(`${http} ${grpc}`) });
  const response = await observed.unary(CERTIFY, REQUEST, { timeoutMs: DEADLINE_MS });
  assert.equal(Buffer.from(response.leafCertificate).toString(), 'a');
  assert.deepEqual(seen, ['200 0']);
});

test('a failed call rejects with the server’s status and message', async () => {
  const { plane, port } = await fake();
  plane.certify = () => Promise.reject(Object.assign(new Error('no'), { code: 9, details: 'naïve: no' }));
  await assert.rejects(channel(port).unary(CERTIFY, REQUEST, { timeoutMs: DEADLINE_MS }), (error: unknown) => {
    assert.ok(error instanceof GrpcError);
    assert.equal(error.info.status, GRPC_STATUS.FAILED_PRECONDITION);
    assert.match(error.message, /Certify.*FAILED_PRECONDITION: naïve: no/);
    return true;
  });
});

test('a call to a port where nothing listens ends at its deadline and says why', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const clock = new HeldDeadlines();
  let failures = 0;
  const log = { ...silentLogger, warn: () => void (failures += 1) };
  const call = channel(port, {}, silentObserver, { clock, log }).unary(CERTIFY, REQUEST, { timeoutMs: DEADLINE_MS });
  const rejected = assert.rejects(call, /DEADLINE_EXCEEDED.*refused/);
  await until('a failed connection', () => failures > 0);
  clock.end();
  await rejected;
});

test('a call waits for a server that comes late', async () => {
  const { plane, port } = await fake();
  await plane.stop();
  const waiting = channel(port).unary(CERTIFY, REQUEST, { timeoutMs: DEADLINE_MS });
  const late = await fake(port);
  late.plane.certify = () => Promise.resolve(identity.CertifyResponse.fromPartial({}));
  await waiting;
});

test('a warmed channel has its connection before the first call', async () => {
  const { plane, port } = await fake();
  plane.certify = () => Promise.resolve(identity.CertifyResponse.fromPartial({}));
  let ups = 0;
  const warmed = channel(port, {}, { ...silentObserver, connected: (up) => (ups += up ? 1 : 0) });
  warmed.warm();
  await until('the connection', () => ups === 1);
  await warmed.unary(CERTIFY, REQUEST, { timeoutMs: DEADLINE_MS });
  assert.deepEqual([ups, plane.connections], [1, 1]);
});

test('cancelling a stream tells the server and calls nothing back', async () => {
  const { plane, port } = await fake();
  const open: { cancelled: boolean }[] = [];
  plane.get = (stream) => {
    open.push(stream);
    stream.send(update(1));
  };
  const events: string[] = [];
  const call = channel(port).serverStream(GET, LOOKUP, {
    opened: () => events.push('opened'),
    message: (message) => events.push(`message ${portOf(message)}`),
    end: () => events.push('end'),
  });
  await until('the first message', () => events.length === 2);
  call.cancel();
  await until('the server sees the cancellation', () => open[0]?.cancelled === true);
  assert.deepEqual(events, ['opened', 'message 1']);
});

test('a peer that does not speak HTTP/2 ends calls, and the next connection is tried', async () => {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.on('error', () => undefined);
    socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
  }).listen(0, '127.0.0.1');
  cleanups.push(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const clock = new HeldDeadlines();
  const call = channel(port, {}, silentObserver, { clock }).unary(CERTIFY, REQUEST, { timeoutMs: DEADLINE_MS });
  const rejected = assert.rejects(call, /HTTP\/2|closed/);
  await until('several connections', () => connections > 2);
  clock.end();
  await rejected;
});

test('a server that falls silent is left after an unanswered PING', async () => {
  const silent = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.write(Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0, 0)); // SETTINGS, and never a word more
  }).listen(0, '127.0.0.1');
  cleanups.push(() => silent.close());
  await new Promise((resolve) => silent.once('listening', resolve));
  const { port } = silent.address() as AddressInfo;
  const ends: number[] = [];
  const silentChannel = channel(port, { keepAliveIntervalMs: 20, keepAliveTimeoutMs: 20 });
  silentChannel.serverStream(GET, LOOKUP, {
    opened: () => undefined,
    message: () => undefined,
    end: (status) => ends.push(status.code),
  });
  await until('the call ends', () => ends.length === 1);
  assert.deepEqual(ends, [GRPC_STATUS.UNAVAILABLE]);
});

function watch(
  source: GrpcChannel,
  limits: { initialTimeoutMs?: number; idleTimeoutMs?: number; lifetimeMs?: number } = {},
  clock: Clock = systemClock,
): { readonly events: string[]; readonly watch: Watch<destination.GetDestination, destination.Update> } {
  const events: string[] = [];
  const created = new Watch(
    {
      channel: source,
      method: GET,
      request: LOOKUP,
      terminal: new Set([GRPC_STATUS.INVALID_ARGUMENT]),
      limits: { initialTimeoutMs: undefined, idleTimeoutMs: undefined, lifetimeMs: undefined, ...limits },
      backoff: FAST,
      clock,
    },
    {
      opened: () => events.push('opened'),
      message: (message) => events.push(`message ${portOf(message)}`),
      terminal: (status) => events.push(`terminal ${status.code}`),
      interrupted: (status) => events.push(`interrupted ${status.code}`),
    },
  );
  cleanups.push(() => created.stop());
  created.start();
  return { events, watch: created };
}

test('a watch survives the end of its stream and of its server', async () => {
  const { plane, port } = await fake();
  let streams = 0;
  plane.get = (stream) => {
    streams += 1;
    stream.send(update(streams));
    if (streams === 1) stream.end();
  };
  const { events } = watch(channel(port));
  await until('the second stream', () => events.includes('message 2'));
  await plane.stop();
  await until('the interruption', () => events.includes(`interrupted ${GRPC_STATUS.UNAVAILABLE}`));
  const again = await fake(port);
  again.plane.get = (stream) => stream.send(update(7));
  await until('the answer of the new server', () => events.includes('message 7'));
  assert.deepEqual(events.slice(0, 3), ['opened', 'message 1', 'interrupted 0']);
});

test('a watch ends for good at a terminal status', async () => {
  const { plane, port } = await fake();
  let streams = 0;
  plane.get = (stream) => {
    streams += 1;
    stream.fail(GRPC_STATUS.INVALID_ARGUMENT);
  };
  const { events } = watch(channel(port));
  await until('the terminal status', () => events.length > 0);
  assert.deepEqual(events, [`terminal ${GRPC_STATUS.INVALID_ARGUMENT}`]);
  assert.equal(streams, 1);
});

test('a silent stream is dialled again after the initial timeout, an idle and an old one too', async () => {
  const { plane, port } = await fake();
  let streams = 0;
  plane.get = (stream) => {
    streams += 1;
    if (streams > 2) stream.send(update(streams));
  };
  const source = channel(port);
  const clock = new HeldDeadlines();
  const silent = watch(source, { initialTimeoutMs: DEADLINE_MS }, clock);
  for (const count of [1, 2]) {
    await until(`stream ${count}`, () => streams >= count);
    clock.end();
  }
  await until('a stream that answers', () => silent.events.includes('message 3'));
  assert.equal(silent.events[0], `interrupted ${GRPC_STATUS.DEADLINE_EXCEEDED}`);
  silent.watch.stop();
  const idle = watch(source, { idleTimeoutMs: 30 });
  await until('renewal after idleness', () => idle.events.filter((event) => event === 'interrupted 0').length >= 2);
  idle.watch.stop();
  const old = watch(source, { lifetimeMs: 30 });
  await until('renewal at the end of life', () => old.events.filter((event) => event === 'interrupted 0').length >= 2);
});

test('a client that has no trust anchors yet tries again without complaint', async () => {
  const { plane, port } = await fake();
  plane.certify = () => Promise.resolve(identity.CertifyResponse.fromPartial({}));
  const lines: string[] = [];
  const note = (message: string): void => void lines.push(message);
  let asked = 0;
  const waiting = new GrpcChannel(
    {
      target: { host: 'identity.example', port },
      security: {
        kind: 'tls',
        serverName: 'identity.example',
        context: () => {
          asked += 1;
          return undefined;
        },
      },
      backoff: FAST,
    },
    {
      driver: createNodeDriver(),
      clock: systemClock,
      resolve: () => Promise.resolve(['127.0.0.1']),
      log: { ...silentLogger, warn: note, error: note, info: note },
      observer: silentObserver,
    },
  );
  cleanups.push(() => waiting.close());
  const call = waiting.unary(CERTIFY, REQUEST, { timeoutMs: 60_000 });
  await until('several attempts', () => asked >= 3, 60_000);
  waiting.close();
  await assert.rejects(call, (error: unknown) => error instanceof GrpcError);
  assert.deepEqual(lines, []);
});
