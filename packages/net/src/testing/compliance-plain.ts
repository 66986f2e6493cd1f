/** Driver compliance: TCP without TLS. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { freePort } from '@mesh/runtime/testing';
import type { Address, Conn, Driver, Listener } from '../types.ts';
import type { ComplianceCase } from './compliance.ts';
import { recorder, Seen, until } from './recorder.ts';
import type { RecorderHooks } from './recorder.ts';

const LOCALHOST = '127.0.0.1';
const CONNECT_TIMEOUT_MS = 3000;

export const plainCases: readonly ComplianceCase[] = [
  {
    name: 'bytes travel both ways, addresses are known, and FIN closes cleanly on both sides',
    run: (driver) =>
      withPair(driver, { data: (conn, bytes) => conn.write(bytes) }, async ({ client, server }) => {
        client.conn?.write(Buffer.from('hello'));
        await until('echo', () => client.text === 'hello');
        assert.equal(client.conn?.remote.port, server().conn?.local.port);
        assert.equal(client.conn?.local.port, server().conn?.remote.port);
        assert.deepEqual(server().conn?.originalDst(), client.conn?.remote);
        client.conn?.end();
        await until('server sees FIN', () => server().ends === 1);
        assert.equal(client.closes.length, 0);
        server().conn?.end();
        await until('closed', () => client.closes.length === 1 && server().closes.length === 1);
        assert.equal(client.closed?.kind, 'clean');
        assert.equal(server().closed?.kind, 'clean');
        assert.equal(client.ends, 1);
      }),
  },
  {
    name: 'after the peer half-closes, the other direction goes on',
    run: (driver) =>
      withPair(driver, {}, async ({ client, server }) => {
        client.conn?.write(Buffer.from('request'));
        client.conn?.end();
        await until('server sees FIN', () => server().ends === 1 && server().text === 'request');
        server().conn?.write(Buffer.from('late answer'));
        await until('answer', () => client.text === 'late answer');
        server().conn?.end();
        await until('closed', () => client.closes.length === 1 && server().closes.length === 1);
        assert.equal(client.closed?.kind, 'clean');
      }),
  },
  {
    // After FIN both runtimes read no more; only keep-alive probes or a write bring the news.
    name: 'a reset by a peer that had sent FIN is noticed by the next write',
    run: (driver) =>
      withPair(driver, {}, async ({ client, server }) => {
        client.conn?.end();
        await until('FIN seen', () => server().ends === 1);
        client.conn?.reset();
        await until('client closed', () => client.closes.length === 1);
        await until('noticed', () => {
          server().conn?.write(Buffer.from('anybody there?'));
          return server().closes.length === 1;
        });
        assert.equal(server().closed?.kind, 'reset');
      }),
  },
  {
    name: 'reset is seen as a reset by the peer, and as aborted by its author, once',
    run: (driver) =>
      withPair(driver, {}, async ({ client, server }) => {
        client.conn?.write(Buffer.from('x'));
        await until('server has data', () => server().text === 'x');
        server().conn?.reset();
        server().conn?.reset();
        await until('closed', () => client.closes.length > 0 && server().closes.length > 0);
        assert.equal(client.closed?.kind, 'reset');
        assert.equal(server().closed?.kind, 'aborted');
        assert.equal(server().closes.length, 1);
        assert.equal(client.conn?.write(Buffer.from('y')), true);
      }),
  },
  {
    name: 'a refused connect closes with kind refused and never opens',
    run: async (driver) => {
      const port = await freePort();
      const seen = new Seen();
      driver.connect({ address: { ip: LOCALHOST, port }, timeoutMs: CONNECT_TIMEOUT_MS }, recorder(), seen);
      await until('closed', () => seen.closes.length === 1);
      assert.equal(seen.closed?.kind, 'refused');
      assert.equal(seen.opened, false);
    },
  },
  {
    name: 'a connect that nobody answers closes with kind timeout',
    run: async (driver) => {
      // A TCP listener that never speaks TLS: the connect target wants TLS, so opening cannot finish.
      const silent = createServer((socket) => socket.on('error', () => undefined));
      await new Promise<void>((resolve) => silent.listen(0, LOCALHOST, resolve));
      const { TestAnchor } = await import('./certificates.ts');
      const context = driver.context(await (await TestAnchor.create('root')).material({ dns: ['a'] }));
      const seen = new Seen();
      const address = { ip: LOCALHOST, port: (silent.address() as AddressInfo).port };
      driver.connect({ address, timeoutMs: 100, tls: { context, serverName: 'a' } }, recorder(), seen);
      await until('closed', () => seen.closes.length === 1);
      assert.equal(seen.closed?.kind, 'timeout');
      assert.equal(seen.opened, false);
      silent.close();
    },
  },
  {
    name: 'a connect that its owner resets closes with kind aborted',
    run: (driver) =>
      withListener(driver, {}, async (listener) => {
        const seen = new Seen();
        const conn = driver.connect({ address: listener.address, timeoutMs: CONNECT_TIMEOUT_MS }, recorder(), seen);
        conn.reset();
        await until('closed', () => seen.closes.length === 1);
        assert.equal(seen.closed?.kind, 'aborted');
        assert.equal(seen.opened, false);
      }),
  },
  {
    name: 'nothing is delivered while paused, and everything after resume',
    run: (driver) =>
      withPair(
        driver,
        {
          data(conn) {
            if (conn.state.bytes > 5) return;
            conn.state.paused = true;
            conn.pause();
          },
        },
        async ({ client, server }) => {
          client.conn?.write(Buffer.from('first'));
          await until('first', () => server().text === 'first');
          client.conn?.write(Buffer.from('-second'));
          client.conn?.end();
          // Another connection's round trip proves that the loop had its chance to deliver.
          await withPair(driver, { data: (c, b) => c.write(b) }, async (other) => {
            other.client.conn?.write(Buffer.from('ping'));
            await until('pong', () => other.client.text === 'ping');
          });
          assert.equal(server().whilePaused, 0);
          assert.equal(server().ends, 0);
          server().paused = false;
          server().conn?.resume();
          await until('second', () => server().text === 'first-second' && server().ends === 1);
        },
      ),
  },
  {
    name: 'a slow reader costs its writer bounded memory, and drain says when to go on',
    run: (driver) => slowReader(driver, 64),
  },
  {
    name: 'parts written together arrive in order, small and large',
    run: (driver) =>
      withPair(driver, {}, async ({ client, server }) => {
        const large = Buffer.alloc(100_000, 'L');
        client.conn?.writev([Buffer.from('a'), Buffer.from('b'), Buffer.from('c')]);
        client.conn?.writev([Buffer.from('<'), large, Buffer.from('>')]);
        await until('all', () => server().bytes === 100_005);
        assert.equal(server().text, `abc<${large.toString()}>`);
      }),
  },
  {
    name: 'hand-over moves callbacks to the new handlers with the new state',
    run: async (driver) => {
      const later = new Seen();
      await withPair(
        driver,
        {
          data: (conn) => {
            conn.handOver(recorder({ data: (c) => c.write(Buffer.from('from-new')) }), later);
          },
        },
        async ({ client, server }) => {
          client.conn?.write(Buffer.from('one'));
          await until('handed over', () => server().text === 'one');
          client.conn?.write(Buffer.from('two'));
          await until('answered', () => client.text === 'from-new');
          assert.equal(later.text, 'two');
          client.conn?.reset();
          await until('closed', () => later.closes.length === 1);
          assert.equal(server().closes.length, 0);
        },
      );
    },
  },
  {
    name: 'a closed listener frees its port at once while its connections go on',
    run: async (driver) => {
      const accepted: Seen[] = [];
      const listener = await listen(driver, accepted, { data: (conn, bytes) => conn.write(bytes) });
      const client = await dial(driver, listener.address);
      await until('accepted', () => accepted.length === 1 && listener.open === 1);
      await listener.close();
      const again = await driver.listen(listener.address, recorder(), () => new Seen());
      await again.close();
      client.conn?.write(Buffer.from('still here'));
      await until('echo', () => client.text === 'still here');
      client.conn?.reset();
      await until('gone', () => listener.open === 0);
    },
  },
  {
    name: 'a port in use is an error that names address and cause',
    run: (driver) =>
      withListener(driver, {}, async (listener) => {
        await assert.rejects(
          driver.listen(listener.address, recorder(), () => new Seen()),
          (error: Error & { code?: string }) => error.code === 'eaddrinuse',
        );
      }),
  },
  {
    name: 'addresses of the whole loopback network can be listened on and dialled from',
    run: async (driver) => {
      const accepted: Seen[] = [];
      const listener = await driver.listen(
        { ip: '127.9.8.7', port: 0 },
        recorder({ open: (conn) => void accepted.push(conn.state) }),
        () => new Seen(),
      );
      const seen = new Seen();
      driver.connect({ address: listener.address, timeoutMs: 1000, localIp: '127.6.5.4' }, recorder(), seen);
      await until('open', () => seen.opened && accepted.length === 1);
      assert.equal(accepted[0]?.conn?.remote.ip, '127.6.5.4');
      assert.equal(accepted[0]?.conn?.local.ip, '127.9.8.7');
      seen.conn?.reset();
      await listener.close();
    },
  },
];

/** Writes `megabytes` to a reader that pauses for long stretches; the writer stops at each false. */
async function slowReader(driver: Driver, megabytes: number): Promise<void> {
  const chunk = Buffer.alloc(64 * 1024, 'z');
  const total = megabytes * 1024 * 1024;
  let buffered = 0;
  const server = new Seen();
  const pauses: Conn<Seen>[] = [];
  const listener = await driver.listen(
    { ip: LOCALHOST, port: 0 },
    recorder({
      data(conn) {
        conn.state.paused = true;
        conn.pause();
        pauses.push(conn);
      },
    }),
    () => server,
  );
  let sent = 0;
  const pump = (conn: Conn<Seen>): void => {
    while (sent < total) {
      sent += chunk.length;
      const more = conn.write(chunk);
      buffered = Math.max(buffered, conn.buffered);
      if (!more) return;
    }
    conn.end();
  };
  const client = new Seen();
  driver.connect(
    { address: listener.address, timeoutMs: CONNECT_TIMEOUT_MS },
    recorder({ open: pump, drain: pump }),
    client,
  );
  await until('paused with a full pipe', () => pauses.length === 1 && buffered > 0);
  const stalledAt = sent;
  assert.ok(stalledAt < total, 'the writer was stopped');
  while (server.ends === 0) {
    await until('progress', () => pauses.length > 0 || server.ends > 0, 10_000);
    for (const conn of pauses.splice(0)) {
      conn.state.paused = false;
      conn.resume();
    }
  }
  assert.equal(server.bytes, total);
  assert.equal(server.whilePaused, 0);
  assert.ok(buffered < 1024 * 1024, `buffered at most ${buffered}`);
  assert.ok(client.drains > 0);
  server.conn?.end();
  await until('closed', () => client.closes.length === 1);
  await listener.close();
}

// ---------------------------------------------------------------------------------------------------------------

async function listen(driver: Driver, accepted: Seen[], hooks: RecorderHooks): Promise<Listener> {
  const handlers = recorder({
    ...hooks,
    open(conn) {
      accepted.push(conn.state);
      hooks.open?.(conn);
    },
  });
  return driver.listen({ ip: LOCALHOST, port: 0 }, handlers, () => new Seen());
}

async function dial(driver: Driver, address: Address): Promise<Seen> {
  const seen = new Seen();
  driver.connect({ address, timeoutMs: CONNECT_TIMEOUT_MS }, recorder(), seen);
  await until('open', () => seen.opened);
  return seen;
}

async function withListener(
  driver: Driver,
  hooks: RecorderHooks,
  run: (listener: Listener) => Promise<void>,
): Promise<void> {
  const listener = await listen(driver, [], hooks);
  try {
    await run(listener);
  } finally {
    await listener.close();
  }
}

interface Pair {
  readonly client: Seen;
  readonly server: () => Seen;
}

async function withPair(driver: Driver, hooks: RecorderHooks, run: (pair: Pair) => Promise<void>): Promise<void> {
  const accepted: Seen[] = [];
  const listener = await listen(driver, accepted, hooks);
  const client = await dial(driver, listener.address);
  try {
    await until('accepted', () => accepted.length === 1);
    const [server] = accepted;
    assert.ok(server);
    await run({ client, server: () => server });
  } finally {
    client.conn?.reset();
    // A socket that has seen FIN does not read on, and so does not notice the reset by itself.
    for (const seen of accepted) seen.conn?.reset();
    await until('server closed', () => listener.open === 0);
    await listener.close();
  }
}
