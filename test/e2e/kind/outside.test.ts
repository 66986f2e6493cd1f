/** A meshed program and a server outside of every cluster: the mesh adds nothing to the connection and takes nothing from it. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { KindHome, KindMember } from '../../../scripts/home/kind-home.ts';
import { patience, until } from '../federation.ts';
import type { Federation } from '../federation.ts';
import { OutsideServer } from './outside-server.ts';
import { NODE, node } from './programs.ts';
import { deploy, openKindFederation, Shell, SKIP } from './workloads.ts';

const NAMESPACE = 'e2e-outside';
/** How long a client stays connected that nobody tells of the end. */
const UNTOLD_MS = 60_000;

suite('a server outside', { skip: SKIP }, () => {
  let federation: Federation;
  let home: KindHome;
  let east: KindMember;
  let shell: Shell;
  let server: OutsideServer;

  before(async () => {
    ({ federation, home } = await openKindFederation());
    east = home.cluster('east');
    server = await OutsideServer.redis();
    await federation.namespace(east, NAMESPACE, { annotations: { 'linkerd.io/inject': 'enabled' } });
    await deploy(east, [node({ namespace: NAMESPACE })]);
    shell = new Shell(home, east, NAMESPACE, 'node');
  });

  after(async () => {
    await server?.[Symbol.asyncDispose]();
    await federation?.[Symbol.asyncDispose]();
  });

  /** What Redis says until it ends the connection; fails when nobody tells of the end. @param lines Commands. */
  async function ask(...lines: readonly string[]): Promise<string> {
    const program = `
      const socket = require('node:net').connect(6379, '${server.ip}', () => socket.write(${JSON.stringify(lines.map((line) => `${line}\r\n`).join(''))}));
      socket.setTimeout(${UNTOLD_MS}, () => socket.destroy(new Error('nobody ended the connection')));
      socket.on('error', (error) => { console.error(error.message); process.exitCode = 1; });
      socket.pipe(process.stdout);`;
    const { code, stdout, stderr } = await shell.run(NODE, '-e', program);
    assert.equal(code, 0, stderr);
    return stdout;
  }

  async function outboundSeries(metric: string): Promise<readonly string[]> {
    const { code, stdout, stderr } = await east.mesh(['diagnostics', 'proxy-metrics', '-n', NAMESPACE, 'deploy/node']);
    assert.equal(code, 0, stderr);
    return stdout
      .split('\n')
      .filter((line) => line.startsWith(`${metric}{`) && line.includes(`target_addr="${server.ip}:6379"`));
  }

  test('is spoken to in the clear, through the sidecar', async () => {
    assert.match(await ask('SET outside yes', 'GET outside', 'QUIT'), /\+OK\r\n\$3\r\nyes\r\n/);
    const series = await until(
      'the sidecar to have counted the connection',
      async () => {
        const found = await outboundSeries('tcp_open_total');
        return found.length > 0 ? found : undefined;
      },
      { timeoutMs: patience(5000) },
    );
    for (const line of series) assert.match(line, /tls="no_identity"/);
  });

  test('that ends its connections is heard, and found again', async () => {
    const held = ask('PING');
    const open = async (): Promise<boolean> =>
      (await outboundSeries('tcp_open_connections')).some((line) => !line.endsWith(' 0'));
    await until('the connection to be open', open, { timeoutMs: patience(10_000) });
    assert.match(await ask('CLIENT KILL TYPE normal', 'QUIT'), /^:[1-9]/);
    await held;
    await until('the connection to be gone', async () => !(await open()), { timeoutMs: patience(15_000) });
    assert.match(await ask('PING', 'QUIT'), /\+PONG/);
  });
});
