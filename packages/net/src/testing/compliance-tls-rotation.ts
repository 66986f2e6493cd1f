/** Driver compliance: what a renewal of certificate or bundle changes, and what it leaves alone. */
import assert from 'node:assert/strict';
import { connect as tlsConnect } from 'node:tls';
import type { Driver } from '../types.ts';
import { TestAnchor } from './certificates.ts';
import type { ComplianceCase } from './compliance.ts';
import { until } from './recorder.ts';
import { BOTH, CLIENT, expectAdmitted, expectOpen, expectRefused, LOCALHOST, serve, SERVER } from './tls-pair.ts';

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
];
