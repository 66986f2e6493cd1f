/** Listens on the network of a cluster's node, from a container beside it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { randomBytes } from 'node:crypto';
import { tryProgram } from '../../../scripts/home/program.ts';
import { imageOf } from './images.ts';
import { tcpSegments } from './pcap.ts';
import type { Segment } from './pcap.ts';

const INTERFACE = 'eth0';

/** What was captured so far. It comes a while after it passed. */
export type Seen = () => readonly Segment[];

/**
 * TCP segments that pass the node's interface to the Docker network and match `filter` (of pcap-filter) while `action` runs, which
 * waits for those that it expects.
 */
export async function capture(
  node: string,
  filter: string,
  action: (seen: Seen) => Promise<void>,
): Promise<readonly Segment[]> {
  const name = `mesh-e2e-capture-${randomBytes(4).toString('hex')}`;
  const beside = ['--rm', '--name', name, '--network', `container:${node}`, '--cap-add', 'NET_RAW', '--user', '0'];
  const listen = ['tcpdump', '--immediate-mode', '-i', INTERFACE, '-s', '0', '-U', '-w', '-', filter];
  const container = spawn('docker', ['run', ...beside, imageOf('tcpdump'), ...listen], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(container, 'close');
  const chunks: Buffer[] = [];
  container.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  try {
    await listening(container.stderr, ended);
    // The file's own header comes with the first packet at the latest.
    await action(() => (chunks.length === 0 ? [] : tcpSegments(Buffer.concat(chunks))));
  } finally {
    await tryProgram('docker', ['kill', '--signal', 'INT', name]);
    await ended;
  }
  return tcpSegments(Buffer.concat(chunks));
}

async function listening(said: NodeJS.ReadableStream, ended: Promise<unknown>): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const lines: string[] = [];
  createInterface({ input: said }).on('line', (line) => {
    lines.push(line);
    if (line.includes('listening on')) resolve();
  });
  void ended.then(() => reject(new Error(`tcpdump ended: ${lines.join('; ')}`)));
  return promise;
}
