/**
 * Asks for original destinations in a network namespace of its own, and prints what it saw as JSON lines `{ name, error? }`.
 * Runs on either runtime, as root:
 *
 *      unshare --net -- RUNTIME original-dst-main.ts nft|legacy
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { connect } from 'node:net';
import { createNodeDriver } from '../node-driver.ts';
import { createKernelOriginalDst } from '../original-dst/kernel-original-dst.ts';
import type { Address, Listener } from '../types.ts';

const driver = createNodeDriver({ originalDst: createKernelOriginalDst() });
const suffix = process.argv[2] ?? 'nft';

interface Case {
  readonly name: string;
  readonly listen: string;
  readonly dial: Address;
  /** What is expected; the port of the listener where it has none. */
  readonly expected: { readonly ip: string; readonly port?: number };
}

const CASES: readonly Case[] = [
  { name: 'IPv4', listen: '127.0.0.1', dial: { ip: '10.21.3.4', port: 80 }, expected: { ip: '10.21.3.4', port: 80 } },
  {
    name: 'IPv4 on a listener for both versions',
    listen: '::',
    dial: { ip: '10.21.3.4', port: 65_535 },
    expected: { ip: '10.21.3.4', port: 65_535 },
  },
  { name: 'IPv6', listen: '::1', dial: { ip: 'fd21::3:4', port: 80 }, expected: { ip: 'fd21::3:4', port: 80 } },
  {
    name: 'IPv6 on a listener for both versions',
    listen: '::',
    dial: { ip: 'fd21::3:4', port: 443 },
    expected: { ip: 'fd21::3:4', port: 443 },
  },
];
const DIRECT: readonly Case[] = [
  {
    name: 'dialled directly, IPv4',
    listen: '0.0.0.0',
    dial: { ip: '127.0.0.1', port: 0 },
    expected: { ip: '127.0.0.1' },
  },
  { name: 'dialled directly, IPv6', listen: '::', dial: { ip: '::1', port: 0 }, expected: { ip: '::1' } },
  {
    name: 'dialled directly, IPv4 on a listener for both versions',
    listen: '::',
    dial: { ip: '127.0.0.1', port: 0 },
    expected: { ip: '127.0.0.1' },
  },
];

async function seenBy({ listen, dial }: Case): Promise<{ seen: Address | undefined; listener: Listener }> {
  const { promise, resolve, reject } = Promise.withResolvers<Address | undefined>();
  const handlers = {
    open: (conn: { originalDst(): Address | undefined; reset(): void }) => {
      resolve(conn.originalDst());
      conn.reset();
    },
    data() {},
    end() {},
    drain() {},
    close() {},
  };
  const listener = await driver.listen({ ip: listen, port: 0 }, handlers, () => undefined);
  if (dial.port !== 0) redirectTo(listener.address.port);
  const client = connect(dial.port === 0 ? listener.address.port : dial.port, dial.ip);
  client.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ECONNRESET') reject(error);
  });
  const seen = await promise;
  client.destroy();
  return { seen, listener };
}

async function check(group: string, one: Case): Promise<void> {
  const { name } = one;
  try {
    const { seen, listener } = await seenBy(one);
    await listener.close();
    assert.deepEqual(seen, { ip: one.expected.ip, port: one.expected.port ?? listener.address.port });
    print({ name: `${group}: ${name}` });
  } catch (error) {
    print({ name: `${group}: ${name}`, error: String(error) });
  }
}

function print(line: { name: string; error?: string }): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function sh(command: string, ...args: readonly string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

function redirectTo(port: number): void {
  for (const [program, net] of [
    [`iptables-${suffix}`, '10.21.0.0/16'],
    [`ip6tables-${suffix}`, 'fd21::/64'],
  ] as const) {
    sh(program, '-t', 'nat', '-F', 'OUTPUT');
    sh(program, '-t', 'nat', '-A', 'OUTPUT', '-p', 'tcp', '-d', net, '-j', 'REDIRECT', '--to-ports', String(port));
  }
}

sh('ip', 'link', 'set', 'lo', 'up');
sh('ip', 'route', 'add', '10.21.0.0/16', 'dev', 'lo', 'src', '127.0.0.1');
sh('ip', '-6', 'route', 'add', 'fd21::/64', 'dev', 'lo');
for (const one of DIRECT) await check('without rules', one);
for (const one of CASES) await check('redirected', one);
for (const one of DIRECT) await check('with rules', one);
process.exit(0);
