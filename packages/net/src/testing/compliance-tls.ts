/** Driver compliance: TLS in place, who is let in, and what rotation changes. */
import assert from 'node:assert/strict';
import { connect as tlsConnect } from 'node:tls';
import type { ClientTls, Conn, Driver, Listener, ServerTls, TlsContext, TlsMaterial } from '../types.ts';
import { TestAnchor } from './certificates.ts';
import type { ComplianceCase } from './compliance.ts';
import { recorder, Seen, until } from './recorder.ts';
import type { RecorderHooks } from './recorder.ts';

const LOCALHOST = '127.0.0.1';
const ALPN = 'transport.l5d.io/v1';
const SERVER = 'server.ns.serviceaccount.identity.linkerd.cluster.local';
const CLIENT = 'client.ns.serviceaccount.identity.linkerd.cluster.local';
const HOUR_MS = 3_600_000;
type Want = ServerTls['clientCertificate'];
const BOTH: readonly Want[] = ['required', 'optional'];

export const tlsCases: readonly ComplianceCase[] = [
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
    name: 'half-close works through TLS, in both orders',
    run: async (driver) => {
      const anchor = await TestAnchor.create('root');
      const hooks = { end: () => undefined };
      const server = await serve(driver, {
        want: 'required',
        material: await anchor.material({ dns: [SERVER] }),
        hooks,
      });
      const context = driver.context(await anchor.material({ dns: [CLIENT] }));
      const client = dial(driver, server.listener, { context, serverName: SERVER });
      await until('open', () => client.opened);
      client.conn?.end();
      await until('server sees the end', () => server.accepted[0]?.ends === 1);
      server.accepted[0]?.conn?.write(Buffer.from('late'));
      server.accepted[0]?.conn?.end();
      await until('late data and close', () => client.text === 'late' && client.closes.length === 1);
      assert.equal(client.closed?.kind, 'clean');
      await until('server closed', () => server.listener.open === 0);
      assert.equal(server.accepted[0]?.closed?.kind, 'clean');
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
  ...BOTH.map((want) => ({
    name: `untrusted, expired, not yet valid and foreign clients are refused and no byte of theirs is delivered (${want})`,
    run: async (driver: Driver) => {
      const anchor = await TestAnchor.create('root');
      const foreign = await TestAnchor.create('foreign');
      const sameName = await TestAnchor.create('root');
      const server = await serve(driver, { want, material: await anchor.material({ dns: [SERVER] }) });
      const bad: Record<string, TlsMaterial> = {
        foreign: await foreign.material({ dns: [CLIENT] }, [anchor]),
        sameName: await sameName.material({ dns: [CLIENT] }, [anchor]),
        expired: await anchor.material({
          dns: [CLIENT],
          notBefore: new Date(Date.now() - 3 * HOUR_MS),
          notAfter: new Date(Date.now() - HOUR_MS),
        }),
        future: await anchor.material({
          dns: [CLIENT],
          notBefore: new Date(Date.now() + HOUR_MS),
          notAfter: new Date(Date.now() + 2 * HOUR_MS),
        }),
      };
      for (const [kind, material] of Object.entries(bad)) {
        await expectRefused(driver, server, driver.context(material), kind);
      }
      await expectAdmitted(driver, server, driver.context(await anchor.material({ dns: [CLIENT] })));
      await server.listener.close();
    },
  })),
  {
    name: 'a client without certificate is refused where one is required, and let in without a name where it is optional',
    run: async (driver) => {
      const anchor = await TestAnchor.create('root');
      for (const want of BOTH) {
        const server = await serve(driver, { want, material: await anchor.material({ dns: [SERVER] }) });
        const { port } = server.listener.address;
        const socket = tlsConnect({ host: LOCALHOST, port, ca: anchor.pem, checkServerIdentity: () => undefined });
        let heard = '';
        let over = false;
        socket.on('data', (chunk: Buffer) => (heard += chunk.toString()));
        socket.on('error', () => (over = true));
        socket.on('end', () => (over = true));
        socket.on('close', () => (over = true));
        socket.write('ping');
        await until(`answered or refused (${want})`, () => heard === 'ping' || over);
        assert.equal(heard, want === 'optional' ? 'ping' : '');
        const [accepted] = server.accepted;
        assert.equal(accepted?.bytes, want === 'optional' ? 4 : 0);
        if (want === 'optional') assert.deepEqual(accepted?.peer?.dns, []);
        socket.destroy();
        await until('closed', () => server.listener.open === 0);
        await server.listener.close();
      }
    },
  },
  {
    name: 'a client refuses a server of another anchor, and an expired one',
    run: async (driver) => {
      const anchor = await TestAnchor.create('root');
      const foreign = await TestAnchor.create('foreign');
      const context = driver.context(await anchor.material({ dns: [CLIENT] }));
      const materials = [
        await foreign.material({ dns: [SERVER] }, [anchor]),
        await anchor.material({
          dns: [SERVER],
          notBefore: new Date(Date.now() - 3 * HOUR_MS),
          notAfter: new Date(Date.now() - HOUR_MS),
        }),
      ];
      for (const material of materials) {
        const server = await serve(driver, { want: 'required', material });
        const client = dial(driver, server.listener, { context, serverName: SERVER });
        await until('closed', () => client.closes.length === 1);
        assert.equal(client.closed?.kind, 'tls');
        assert.equal(client.opened, false);
        await until('server closed', () => server.listener.open === 0);
        await server.listener.close();
      }
    },
  },
  ...BOTH.map((want) => ({
    name: `after rotation new handshakes use the new leaf and bundle: a removed anchor is refused, an added one let in (${want})`,
    run: async (driver: Driver) => {
      const before = await TestAnchor.create('before');
      const after = await TestAnchor.create('after');
      const server = await serve(driver, { want, material: await before.material({ dns: [SERVER] }, [before]) });
      const oldClient = driver.context(await before.material({ dns: [CLIENT] }, [before, after]));
      const newClient = driver.context(await after.material({ dns: [CLIENT] }, [before, after]));
      await expectAdmitted(driver, server, oldClient);
      await expectRefused(driver, server, newClient, 'an anchor that is not trusted yet');
      // Both are trusted while the bundle spreads.
      server.context = driver.context(await before.material({ dns: [SERVER] }, [before, after]));
      await expectAdmitted(driver, server, oldClient);
      const survivor = await expectOpen(driver, server, newClient);
      // The old anchor goes.
      server.context = driver.context(await after.material({ dns: [SERVER] }, [after]));
      await expectRefused(driver, server, oldClient, 'a removed anchor');
      await expectRefused(driver, server, oldClient, 'a removed anchor, again');
      await expectAdmitted(driver, server, newClient);
      // A connection of before the rotation goes on.
      survivor.conn?.write(Buffer.from('alive'));
      await until('survivor', () => survivor.text === 'alive');
      survivor.conn?.reset();
      await until('closed', () => server.listener.open === 0);
      await server.listener.close();
    },
  })),
  {
    name: 'a session of before the rotation cannot be resumed by a client of the removed anchor',
    run: async (driver) => {
      const before = await TestAnchor.create('before');
      const after = await TestAnchor.create('after');
      const server = await serve(driver, {
        want: 'required',
        material: await before.material({ dns: [SERVER] }, [before]),
      });
      const material = await before.material({ dns: [CLIENT] }, [before, after]);
      const { port } = server.listener.address;
      const options = { host: LOCALHOST, port, key: material.key, cert: material.chain, ca: material.trust };
      const sessions: Buffer[] = [];
      const first = tlsConnect({ ...options, checkServerIdentity: () => undefined });
      first.on('session', (session: Buffer) => void sessions.push(session));
      let heard = '';
      first.on('data', (chunk: Buffer) => (heard += chunk.toString()));
      first.write('one');
      await until('first', () => heard === 'one');
      const own = first.getSession();
      if (own !== undefined) sessions.push(own);
      first.destroy();
      await until('closed', () => server.listener.open === 0);
      server.context = driver.context(await after.material({ dns: [SERVER] }, [after]));
      const count = server.accepted.length;
      for (const session of sessions) {
        const second = tlsConnect({ ...options, checkServerIdentity: () => undefined, session });
        let over = false;
        second.on('error', () => (over = true));
        second.on('end', () => (over = true));
        second.on('close', () => (over = true));
        second.write('two');
        await until('refused', () => over);
        second.destroy();
      }
      await until('all closed', () => server.listener.open === 0);
      for (const accepted of server.accepted.slice(count)) assert.equal(accepted.bytes, 0);
      await server.listener.close();
    },
  },
  {
    name: 'a client hello in single bytes is waited for and accepted',
    run: async (driver) => {
      const anchor = await TestAnchor.create('root');
      const server = await serve(driver, {
        want: 'required',
        material: await anchor.material({ dns: [SERVER] }),
        peekBytes: 1,
      });
      const context = driver.context(await anchor.material({ dns: [CLIENT] }));
      await expectAdmitted(driver, server, context);
      await server.listener.close();
    },
  },
  {
    name: 'plain bytes where TLS was started close the connection with kind tls',
    run: async (driver) => {
      const anchor = await TestAnchor.create('root');
      const server = await serve(driver, { want: 'required', material: await anchor.material({ dns: [SERVER] }) });
      const client = new Seen();
      driver.connect({ address: server.listener.address, timeoutMs: 1000 }, recorder(), client);
      await until('open', () => client.opened);
      client.conn?.write(Buffer.from('GET / HTTP/1.1\r\nhost: a\r\n\r\n'));
      await until('closed', () => server.accepted[0]?.closes.length === 1);
      assert.equal(server.accepted[0]?.closed?.kind, 'tls');
      assert.equal(server.accepted[0]?.bytes, 0);
      client.conn?.reset();
      await server.listener.close();
    },
  },
  {
    name: 'a handshake that stalls is cut after its timeout',
    run: async (driver) => {
      const anchor = await TestAnchor.create('root');
      const material = await anchor.material({ dns: [SERVER] });
      const server = await serve(driver, { want: 'required', material, timeoutMs: 50 });
      const client = new Seen();
      driver.connect({ address: server.listener.address, timeoutMs: 1000 }, recorder(), client);
      await until('open', () => client.opened);
      client.conn?.write(Buffer.from([0x16, 0x03, 0x01]));
      await until('cut', () => server.accepted[0]?.closes.length === 1);
      assert.equal(server.accepted[0]?.closed?.kind, 'timeout');
      await until('client told', () => told(client));
      client.conn?.reset();
      await server.listener.close();
    },
  },
  {
    name: 'a client that leaves in the middle of the handshake is closed, not leaked',
    run: async (driver) => {
      const anchor = await TestAnchor.create('root');
      const server = await serve(driver, { want: 'required', material: await anchor.material({ dns: [SERVER] }) });
      for (const leave of ['end', 'reset'] as const) {
        const client = new Seen();
        driver.connect({ address: server.listener.address, timeoutMs: 1000 }, recorder(), client);
        await until('open', () => client.opened);
        client.conn?.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]));
        await until('handed to TLS', () => server.accepted.at(-1)?.opened === true && server.started > 0);
        client.conn?.[leave]();
        await until(`closed after ${leave}`, () => server.accepted.at(-1)?.closes.length === 1);
        client.conn?.reset();
      }
      await until('none open', () => server.listener.open === 0);
      await server.listener.close();
    },
  },
  {
    name: 'an ALPN that the server does not speak fails, and is ignored where the server wants none',
    run: async (driver) => {
      const anchor = await TestAnchor.create('root');
      const material = await anchor.material({ dns: [SERVER] });
      const context = driver.context(await anchor.material({ dns: [CLIENT] }));
      const strict = await serve(driver, { want: 'required', material, alpn: ALPN });
      const refused = dial(driver, strict.listener, { context, serverName: SERVER, alpn: 'h2' });
      await until('refused', () => told(refused));
      refused.conn?.reset();
      const none = dial(driver, strict.listener, { context, serverName: SERVER });
      await until('no offer is fine', () => none.opened);
      assert.equal(none.peer?.alpn, undefined);
      none.conn?.reset();
      await until('closed', () => strict.listener.open === 0);
      await strict.listener.close();
      const open = await serve(driver, { want: 'required', material });
      const ignored = dial(driver, open.listener, { context, serverName: SERVER, alpn: ALPN });
      await until('ignored', () => ignored.opened);
      assert.equal(ignored.peer?.alpn, undefined);
      ignored.conn?.reset();
      await until('closed', () => open.listener.open === 0);
      await open.listener.close();
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
  {
    name: 'unusable material is refused with the field that is wrong',
    run: async (driver) => {
      const anchor = await TestAnchor.create('root');
      const good = await anchor.material({ dns: [SERVER] });
      const other = await anchor.material({ dns: [SERVER] });
      const code = (wanted: string) => (error: Error & { code?: string }) => error.code === wanted;
      assert.throws(() => driver.context({ ...good, key: 'x' }), code('tls_key_unreadable'));
      assert.throws(() => driver.context({ ...good, chain: 'x' }), code('tls_chain_unreadable'));
      assert.throws(() => driver.context({ ...good, trust: 'x' }), code('tls_trust_unreadable'));
      assert.throws(() => driver.context({ ...good, key: other.key }), code('tls_key_mismatch'));
      assert.ok(driver.context(good).generation < driver.context(good).generation);
    },
  },
];

// ---------------------------------------------------------------------------------------------------------------

interface Served {
  readonly listener: Listener;
  readonly accepted: Seen[];
  context: TlsContext;
  started: number;
}

/** A listener that peeks, then starts TLS with the context of the moment, then echoes. */
async function serve(
  driver: Driver,
  options: {
    readonly want: Want;
    readonly material: TlsMaterial;
    readonly alpn?: string;
    readonly hooks?: RecorderHooks;
    readonly timeoutMs?: number;
    readonly peekBytes?: number;
  },
): Promise<Served> {
  const accepted: Seen[] = [];
  const served = { accepted, context: driver.context(options.material), started: 0 } as unknown as {
    -readonly [K in keyof Served]: Served[K];
  };
  const echo = recorder({ data: (conn, bytes) => void conn.write(bytes), end: (conn) => conn.end(), ...options.hooks });
  const peek = recorder({
    open: (conn) => void accepted.push(conn.state),
    data(conn, bytes) {
      const seen = conn.state;
      seen.bytes = 0;
      seen.chunks.length = 0;
      const upgraded = conn.handOver(
        {
          ...echo,
          secure(secured, peer) {
            secured.state.peer = peer;
          },
        },
        seen,
      );
      served.started += 1;
      upgraded.startTls(
        {
          context: served.context,
          clientCertificate: options.want,
          timeoutMs: options.timeoutMs ?? 5000,
          ...(options.alpn === undefined ? {} : { alpn: options.alpn }),
        },
        bytes,
      );
    },
  });
  served.listener = await driver.listen({ ip: LOCALHOST, port: 0 }, peek, () => new Seen());
  return served;
}

function dial(driver: Driver, listener: Listener, tls: ClientTls): Seen {
  const seen = new Seen();
  driver.connect({ address: listener.address, timeoutMs: 5000, tls }, recorder(), seen);
  return seen;
}

async function expectOpen(driver: Driver, server: Served, context: TlsContext): Promise<Seen> {
  const client = dial(driver, server.listener, { context, serverName: SERVER });
  await until('open', () => client.opened);
  client.conn?.write(Buffer.from('ping'));
  await until('echo', () => client.text === 'ping');
  client.chunks.length = 0;
  return client;
}

async function expectAdmitted(driver: Driver, server: Served, context: TlsContext): Promise<void> {
  const open = server.listener.open;
  const client = await expectOpen(driver, server, context);
  client.conn?.reset();
  await until('closed', () => server.listener.open === open);
}

/** In TLS 1.3 the client may believe that it is connected: what counts is that the server delivers nothing and closes. */
async function expectRefused(driver: Driver, server: Served, context: TlsContext, kind: string): Promise<void> {
  const count = server.accepted.length;
  const client = new Seen();
  driver.connect(
    { address: server.listener.address, timeoutMs: 5000, tls: { context, serverName: SERVER } },
    recorder({ open: (conn) => void conn.write(Buffer.from('smuggled')) }),
    client,
  );
  await until(`${kind}: refused`, () => told(client) && server.accepted[count]?.closes.length === 1);
  client.conn?.reset();
  const accepted = server.accepted[count];
  assert.equal(accepted?.bytes, 0, `${kind}: no byte is delivered`);
  assert.equal(accepted?.peer, undefined, `${kind}: never secure`);
  assert.equal(accepted?.closed?.kind, 'tls', kind);
  assert.equal(client.text, '');
}

/** FIN or RST, as the runtime can. */
function told(seen: Seen): boolean {
  return seen.closes.length === 1 || seen.ends === 1;
}

async function finish(client: Seen, server: Served): Promise<void> {
  client.conn?.end();
  await until('both closed', () => client.closes.length === 1 && server.listener.open === 0);
  assert.equal(client.closed?.kind, 'clean');
  await server.listener.close();
}
