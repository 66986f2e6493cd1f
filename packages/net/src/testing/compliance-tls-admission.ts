/** Driver compliance: who is let in through TLS, and who is refused. */
import assert from 'node:assert/strict';
import { connect as tlsConnect } from 'node:tls';
import type { Driver, TlsMaterial } from '../types.ts';
import { TestAnchor } from './certificates.ts';
import type { ComplianceCase } from './compliance.ts';
import { until } from './recorder.ts';
import {
  ALPN,
  BOTH,
  CLIENT,
  dial,
  expectAdmitted,
  expectRefused,
  HOUR_MS,
  LOCALHOST,
  serve,
  SERVER,
  told,
} from './tls-pair.ts';

export const tlsAdmissionCases: readonly ComplianceCase[] = [
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
