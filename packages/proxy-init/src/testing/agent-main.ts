/**
 * Stands in a network namespace for the programs of a pod, and does what it is told, a JSON object per line:
 *
 *   { become: uid }                           gives up root for this user
 *   { listen: ip, port, name }                answers each connection with `NAME ORIGINAL-DESTINATION`
 *   { dial: ip, port }                        what came back, or the error's code
 */
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { createKernelOriginalDst, createNodeDriver } from '@mesh/net';
import type { Conn } from '@mesh/net';

export type AgentOrder =
  | { readonly become: number }
  | { readonly listen: string; readonly port: number; readonly name: string }
  | { readonly dial: string; readonly port: number };

/** Where the test runs, this is far more than a connection takes. */
const DIAL_TIMEOUT_MS = 10_000;
const driver = createNodeDriver({ originalDst: createKernelOriginalDst() });

async function obey(order: AgentOrder): Promise<string> {
  if ('become' in order) {
    process.setgroups?.([]);
    process.setgid?.(order.become);
    process.setuid?.(order.become);
    return 'ok';
  }
  if ('dial' in order) return dial(order.dial, order.port);
  const { listen: ip, port, name } = order;
  const open = (conn: Conn<undefined>): void => {
    const target = conn.originalDst();
    conn.write(Buffer.from(`${name} ${target?.ip} ${target?.port}`));
    conn.end();
  };
  await driver.listen({ ip, port }, { open, data() {}, end() {}, drain() {}, close() {} }, () => undefined);
  return 'ok';
}

function dial(host: string, port: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect({ host, port });
  let answer = '';
  socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
  socket.on('end', () => {
    socket.destroy();
    resolve(answer);
  });
  socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
  socket.setTimeout(DIAL_TIMEOUT_MS, () => {
    socket.destroy();
    resolve('timeout');
  });
  return promise;
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await obey(JSON.parse(line) as AgentOrder).catch((error: unknown) => String(error));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0);
