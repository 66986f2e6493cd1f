/** Driver compliance: what a renewal of certificate or bundle changes, and what it leaves alone. */
import assert from 'node:assert/strict';
import { connect as tlsConnect } from 'node:tls';
import type { Driver, TlsContext, TlsMaterial } from '../types.ts';
import { TestAnchor } from './certificates.ts';
import type { ComplianceCase } from './compliance.ts';
import { until } from './recorder.ts';
import { BOTH, CLIENT, expectAdmitted, expectOpen, expectRefused, LOCALHOST, serve, SERVER } from './tls-pair.ts';
import type { Served } from './tls-pair.ts';

export const tlsRotationCases: readonly ComplianceCase[] = [
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
    name: 'every connection proves its certificate anew: no session is resumed, and a leaf that has expired since is refused',
    run: async (driver) => {
      const anchor = await TestAnchor.create('root');
      const server = await serve(driver, { want: 'required', material: await anchor.material({ dns: [SERVER] }) });
      // Long enough for a first handshake on a busy machine; certificates count in whole seconds.
      const notAfter = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3000);
      const material = await anchor.material({ dns: [CLIENT], notAfter });
      const { port } = server.listener.address;
      const options = { host: LOCALHOST, port, key: material.key, cert: material.chain, ca: material.trust };
      // Node's server offers sessions that it does not keep: whether they can be used is what counts.
      let session: Buffer | undefined;
      for (const word of ['one', 'two']) {
        const client = tlsConnect({ ...options, checkServerIdentity: () => undefined, ...(session && { session }) });
        let heard = '';
        client.on('session', (offered: Buffer) => (session = offered));
        client.on('error', () => undefined);
        client.on('data', (chunk: Buffer) => (heard += chunk.toString()));
        client.write(word);
        await until(`answer to ${word}`, () => heard === word);
        assert.equal(client.isSessionReused(), false);
        session ??= client.getSession();
        client.destroy();
      }
      await until('expired', () => Date.now() > notAfter.getTime() + 1000, 10_000);
      const count = server.accepted.length;
      const second = tlsConnect({ ...options, ...(session && { session }) });
      let over = false;
      second.on('error', () => (over = true));
      second.on('end', () => (over = true));
      second.on('close', () => (over = true));
      second.write('three');
      await until('refused', () => over && server.accepted[count]?.closes.length === 1);
      assert.equal(server.accepted[count]?.bytes, 0);
      second.destroy();
      await until('closed', () => server.listener.open === 0);
      await server.listener.close();
    },
  },
  {
    name: 'renewals of both sides each 100 ms, under load, lose no connection and no byte',
    run: async (driver) => {
      const anchors = [await TestAnchor.create('a'), await TestAnchor.create('b')] as const;
      const materials: { server: TlsMaterial; client: TlsMaterial }[] = [];
      for (let i = 0; i <= RENEWALS; i += 1) {
        const anchor = anchors[i % 2 === 0 ? 0 : 1];
        const server = await anchor.material({ dns: [SERVER] }, anchors);
        materials.push({ server, client: await anchor.material({ dns: [CLIENT] }, anchors) });
      }
      const [begin] = materials;
      assert.ok(begin);
      const server = await serve(driver, { want: 'required', material: begin.server });
      const now = { client: driver.context(begin.client), renewals: 0 };
      const steady = await Promise.all([1, 2, 3, 4].map(() => expectOpen(driver, server, now.client)));
      const timer = setInterval(() => {
        const next = materials[now.renewals + 1];
        if (next === undefined) return;
        now.renewals += 1;
        server.context = driver.context(next.server);
        now.client = driver.context(next.client);
      }, 100);
      let dialled = 0;
      while (now.renewals < RENEWALS) {
        const round = String(dialled).padStart(8, '0');
        for (const seen of steady) seen.conn?.write(Buffer.from(round));
        await Promise.all([1, 2, 3].map(() => expectAdmittedUnder(driver, server, now.client)));
        dialled += 3;
        await until('echoes on steady connections', () => steady.every((seen) => seen.text.endsWith(round)), 10_000);
      }
      clearInterval(timer);
      for (const seen of steady) {
        assert.equal(seen.closes.length, 0);
        assert.equal(seen.bytes, 'ping'.length + (dialled / 3) * 8);
        seen.conn?.reset();
      }
      assert.ok(dialled >= RENEWALS, `${dialled} connections`);
      await until('closed', () => server.listener.open === 0);
      await server.listener.close();
    },
  },
];

const RENEWALS = 8;

/** Opens a connection, gets an echo and leaves, while others do so too. */
async function expectAdmittedUnder(driver: Driver, server: Served, context: TlsContext): Promise<void> {
  const client = await expectOpen(driver, server, context);
  client.conn?.end();
  await until('closed in order', () => client.closes.length === 1, 10_000);
  assert.equal(client.closed?.kind, 'clean');
}
