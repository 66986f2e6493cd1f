/** Driver compliance: bytes, FIN and RST through TLS. */
import assert from 'node:assert/strict';
import type { Conn, Driver } from '../types.ts';
import { TestAnchor } from './certificates.ts';
import type { ComplianceCase } from './compliance.ts';
import { recorder, Seen, until } from './recorder.ts';
import type { RecorderHooks } from './recorder.ts';
import { ALPN, BOTH, CLIENT, dial, expectAdmitted, finish, serve, SERVER } from './tls-pair.ts';
import type { Served } from './tls-pair.ts';

/** Each is one chunk at least. */
const ROUNDS = 64;
/** At which moments a reader goes on. */
const RESUMES: readonly (readonly [string, (resume: () => void) => void])[] = [
  ['at once', (resume) => resume()],
  ['in the same turn', queueMicrotask],
  ['in the next turn', setImmediate],
];

export const tlsTransferCases: readonly ComplianceCase[] = [
  ...BOTH.map((want) => ({
    name: `mutual TLS after a peek: names, protocol and data on both sides (${want})`,
    run: async (driver: Driver) => {
      const anchor = await TestAnchor.create('root');
      const server = await serve(driver, { want, material: await anchor.material({ dns: [SERVER] }), alpn: ALPN });
      const context = driver.context(await anchor.material({ dns: [CLIENT], uri: ['spiffe://td/client'] }));
      const client = dial(driver, server.listener, { context, serverName: SERVER, alpn: ALPN });
      await until('open', () => client.opened);
      client.conn?.write(Buffer.from('ping'));
      await until('echo', () => client.text === 'ping');
      assert.deepEqual(client.peer?.dns, [SERVER]);
      assert.equal(client.peer?.alpn, ALPN);
      const [accepted] = server.accepted;
      assert.deepEqual(accepted?.peer?.dns, [CLIENT]);
      assert.deepEqual(accepted?.peer?.uri, ['spiffe://td/client']);
      assert.equal(accepted?.peer?.alpn, ALPN);
      assert.equal(accepted?.peer?.sni, SERVER);
      assert.deepEqual(accepted?.conn?.originalDst(), server.listener.address);
      await finish(client, server);
    },
  })),
  {
    name: 'after the client half-closes through TLS, the server goes on',
    run: async (driver) => {
      const hooks = { end: () => undefined };
      const { client, accepted, server } = await pairOf(driver, hooks);
      client.conn?.end();
      await until('server sees the end', () => accepted.ends === 1);
      accepted.conn?.write(Buffer.from('late'));
      accepted.conn?.end();
      await until('late data and close', () => client.text === 'late' && client.closes.length === 1);
      assert.equal(client.closed?.kind, 'clean');
      await until('server closed', () => server.listener.open === 0);
      assert.equal(server.accepted[0]?.closed?.kind, 'clean');
      await server.listener.close();
    },
  },
  {
    name: 'after the server half-closes through TLS, the client goes on',
    run: async (driver) => {
      const { client, accepted, server } = await pairOf(driver);
      accepted.conn?.end();
      await until('client sees the end', () => client.ends === 1);
      client.conn?.write(Buffer.from('late'));
      await until('late data', () => accepted.text === 'late');
      assert.equal(client.closes.length, 0);
      client.conn?.end();
      await until('closed', () => client.closes.length === 1 && server.listener.open === 0);
      assert.equal(client.closed?.kind, 'clean');
      assert.equal(accepted.closed?.kind, 'clean');
      assert.equal(accepted.ends, 1);
      await server.listener.close();
    },
  },
  ...(['client', 'server'] as const).map((who) => ({
    name: `a reset by the ${who} that had seen the other's FIN goes out as RST, and is seen`,
    run: async (driver: Driver) => {
      const { client, accepted, server } = await pairOf(driver);
      const [resetting, ended] = who === 'client' ? [client, accepted] : [accepted, client];
      ended.conn?.end();
      await until('FIN seen', () => resetting.ends === 1);
      resetting.conn?.reset();
      await until('both closed', () => client.closes.length === 1 && accepted.closes.length === 1);
      assert.equal(ended.closed?.kind, 'reset');
      assert.equal(resetting.closed?.kind, 'aborted');
      await until('none open', () => server.listener.open === 0);
      await server.listener.close();
    },
  })),
  {
    name: 'a reset through TLS by a peer that had sent FIN is noticed by the next write',
    run: async (driver) => {
      const { client, accepted, server } = await pairOf(driver);
      client.conn?.end();
      await until('FIN seen', () => accepted.ends === 1);
      client.conn?.reset();
      await until('client closed', () => client.closes.length === 1);
      await until('noticed', () => {
        accepted.conn?.write(Buffer.from('anybody there?'));
        return accepted.closes.length === 1;
      });
      assert.equal(accepted.closed?.kind, 'reset');
      await until('none open', () => server.listener.open === 0);
      await server.listener.close();
    },
  },
  {
    name: 'FIN that comes while the receiver is paused waits for the resume, after the data',
    run: async (driver) => {
      const anchor = await TestAnchor.create('root');
      const hooks: RecorderHooks = {
        data(conn) {
          conn.state.paused = true;
          conn.pause();
        },
        end: () => undefined,
      };
      const material = await anchor.material({ dns: [SERVER] });
      const server = await serve(driver, { want: 'required', material, hooks });
      const context = driver.context(await anchor.material({ dns: [CLIENT] }));
      const client = dial(driver, server.listener, { context, serverName: SERVER });
      await until('open', () => client.opened);
      client.conn?.write(Buffer.from('last words'));
      client.conn?.end();
      await until('paused', () => server.accepted[0]?.paused === true);
      // Another connection's round trip proves that the loop had its chance to deliver.
      const other = await serve(driver, { want: 'required', material });
      await expectAdmitted(driver, other, context);
      await other.listener.close();
      const [accepted] = server.accepted;
      assert.equal(accepted?.ends, 0);
      assert.equal(accepted?.text, 'last words');
      accepted?.conn?.resume();
      await until('end', () => accepted?.ends === 1);
      accepted?.conn?.end();
      await until('closed', () => client.closes.length === 1);
      await server.listener.close();
    },
  },
  ...RESUMES.map(([when, resumeLater]) => ({
    name: `what comes while a reader pauses again and again is whole and in order; it resumes ${when}`,
    run: async (driver: Driver) => {
      let pauses = 0;
      const hooks: RecorderHooks = {
        data(conn) {
          if (conn.state.chunks.length % 3 !== 0) return;
          pauses += 1;
          conn.state.paused = true;
          conn.pause();
          resumeLater(() => {
            conn.state.paused = false;
            conn.resume();
          });
        },
      };
      const { client, accepted, server } = await pairOf(driver, hooks);
      const sent = Buffer.from(Uint8Array.from({ length: 1 << 20 }, (_, at) => (at * 31 + (at >> 8)) & 0xff));
      const step = sent.length / ROUNDS;
      for (let at = 0; at < sent.length; at += step) {
        for (let from = at; from < at + step; from += step / 4)
          client.conn?.write(sent.subarray(from, from + step / 4));
        await until('all came', () => accepted.bytes === at + step, 15_000);
      }
      assert.ok(Buffer.concat(accepted.chunks).equals(sent));
      assert.ok(pauses >= Math.floor(ROUNDS / 3), `${pauses} pauses`);
      assert.equal(accepted.whilePaused, 0);
      client.conn?.reset();
      await until('closed', () => server.listener.open === 0);
      await server.listener.close();
    },
  })),
  {
    name: 'reset goes out as RST below TLS, from both sides',
    run: async (driver) => {
      const anchor = await TestAnchor.create('root');
      const server = await serve(driver, { want: 'required', material: await anchor.material({ dns: [SERVER] }) });
      const context = driver.context(await anchor.material({ dns: [CLIENT] }));
      for (const side of ['client', 'server'] as const) {
        const client = dial(driver, server.listener, { context, serverName: SERVER });
        await until('open', () => client.opened && server.accepted.at(-1)?.peer !== undefined);
        const peer = server.accepted.at(-1);
        assert.ok(peer);
        (side === 'client' ? client : peer).conn?.reset();
        await until(`closed by ${side}`, () => client.closes.length === 1 && peer.closes.length === 1);
        assert.equal((side === 'client' ? peer : client).closed?.kind, 'reset');
        assert.equal((side === 'client' ? client : peer).closed?.kind, 'aborted');
      }
      await server.listener.close();
    },
  },
  {
    name: 'eight megabytes come back through TLS unchanged, against a reader that pauses',
    run: async (driver) => {
      const anchor = await TestAnchor.create('root');
      const blocked: { conn: Conn<Seen> | undefined } = { conn: undefined };
      const server = await serve(driver, {
        want: 'required',
        material: await anchor.material({ dns: [SERVER] }),
        hooks: {
          data(conn, bytes) {
            if (conn.write(bytes)) return;
            conn.pause();
            blocked.conn = conn;
          },
          drain: (conn) => conn.resume(),
        },
      });
      const context = driver.context(await anchor.material({ dns: [CLIENT] }));
      const total = 8 * 1024 * 1024;
      const chunk = Buffer.alloc(32 * 1024, 'q');
      let sent = 0;
      const pump = (conn: Conn<Seen>): void => {
        while (sent < total) {
          sent += chunk.length;
          if (!conn.write(chunk)) return;
        }
      };
      const client = new Seen();
      driver.connect(
        { address: server.listener.address, timeoutMs: 2000, tls: { context, serverName: SERVER } },
        recorder({ open: pump, drain: pump }),
        client,
      );
      await until('all came back', () => client.bytes === total, 15_000);
      client.conn?.reset();
      await until('closed', () => server.listener.open === 0);
      await server.listener.close();
    },
  },
];

/** A connection through TLS. @param hooks Of its server end, which does nothing by itself when absent. */
async function pairOf(
  driver: Driver,
  hooks: RecorderHooks = { data() {}, end() {} },
): Promise<{ client: Seen; accepted: Seen; server: Served }> {
  const anchor = await TestAnchor.create('root');
  const server = await serve(driver, {
    want: 'required',
    material: await anchor.material({ dns: [SERVER] }),
    hooks,
  });
  const context = driver.context(await anchor.material({ dns: [CLIENT] }));
  const client = dial(driver, server.listener, { context, serverName: SERVER });
  await until('open', () => client.opened && server.accepted[0]?.peer !== undefined);
  const [accepted] = server.accepted;
  assert.ok(accepted);
  return { client, accepted, server };
}
