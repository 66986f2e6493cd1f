/** Driver compliance: handshakes that are slow, broken or no TLS at all. */
import assert from 'node:assert/strict';
import { TestAnchor } from './certificates.ts';
import type { ComplianceCase } from './compliance.ts';
import { recorder, Seen, until } from './recorder.ts';
import { CLIENT, dribbling, LOCALHOST, serve, SERVER, told } from './tls-pair.ts';

export const tlsHandshakeCases: readonly ComplianceCase[] = [
  {
    name: 'a client hello in single bytes is waited for and accepted',
    run: async (driver) => {
      const anchor = await TestAnchor.create('root');
      const server = await serve(driver, { want: 'required', material: await anchor.material({ dns: [SERVER] }) });
      const relay = await dribbling(server.listener.address.port);
      const context = driver.context(await anchor.material({ dns: [CLIENT] }));
      const client = new Seen();
      driver.connect(
        { address: { ip: LOCALHOST, port: relay.port }, timeoutMs: 10_000, tls: { context, serverName: SERVER } },
        recorder({ open: (conn) => void conn.write(Buffer.from('ping')) }),
        client,
      );
      await until('echo', () => client.text === 'ping', 10_000);
      client.conn?.reset();
      await until('closed', () => server.listener.open === 0);
      relay.server.close();
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
];
