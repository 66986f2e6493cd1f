/**
 * A pod and a machine beside it, as two network namespaces with a cable between them:
 *
 *      pod 10.9.0.2, fd09::2 ◄────────► peer 10.9.0.1, fd09::1
 *
 * The namespaces have no name: they end with the processes in them. Needs root.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { AgentOrder } from './agent-main.ts';

export const POD = { ipv4: '10.9.0.2', ipv6: 'fd09::2' } as const;
export const PEER = { ipv4: '10.9.0.1', ipv6: 'fd09::1' } as const;

const AGENT = fileURLToPath(new URL('agent-main.ts', import.meta.url));
const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };

export interface ProgramResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Why there can be no such network here, or false. */
export function networkMissing(backend: 'nft' | 'legacy'): string | false {
  if (spawnSync('unshare', ['--net', 'true'], { env }).status !== 0)
    return 'needs root: no network namespace can be made';
  for (const program of [`iptables-${backend}`, `ip6tables-${backend}`])
    if (spawnSync('unshare', ['--net', program, '-t', 'nat', '-L', '-n'], { env }).status !== 0)
      return `${program} is not installed, or the kernel has no NAT table for it`;
  const veth = spawnSync('unshare', ['--net', 'ip', 'link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', 'veth1'], {
    env,
  });
  return veth.status === 0 ? false : 'the kernel has no veth devices';
}

/** One program in a namespace that takes orders. */
export class Agent {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor(namespaceArgs: readonly string[]) {
    const [program = '', ...args] = namespaceArgs;
    this.#child = spawn(program, [...args, process.execPath, AGENT], { env, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#answers = createInterface({ input: this.#child.stdout ?? process.stdin })[Symbol.asyncIterator]();
  }

  /** Of the program itself: both ways into a namespace end as it. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async order(order: AgentOrder): Promise<string> {
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`);
    const { value, done } = await this.#answers.next();
    return done === true ? 'agent ended' : (JSON.parse(value) as string);
  }

  dial(ip: string, port: number): Promise<string> {
    return this.order({ dial: ip, port });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }
}

export class PodNetwork {
  /** The application's user: root. */
  readonly pod = new Agent(['unshare', '--net', '--']);
  readonly peer = new Agent(['unshare', '--net', '--']);
  readonly #others: Agent[] = [];

  async open(): Promise<void> {
    // Their first answers show that both are in their namespaces.
    for (const agent of [this.pod, this.peer]) await agent.order({ become: 0 });
    const podNet = ['nsenter', `--net=/proc/${this.pod.pid}/ns/net`, '--'];
    const peerNet = ['nsenter', `--net=/proc/${this.peer.pid}/ns/net`, '--'];
    run([
      ...podNet,
      'ip',
      'link',
      'add',
      'eth0',
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      String(this.peer.pid),
    ]);
    for (const [net, { ipv4, ipv6 }, other] of [
      [podNet, POD, PEER],
      [peerNet, PEER, POD],
    ] as const) {
      run([...net, 'ip', 'address', 'add', `${ipv4}/24`, 'dev', 'eth0']);
      run([...net, 'ip', 'address', 'add', `${ipv6}/64`, 'dev', 'eth0', 'nodad']);
      run([...net, 'ip', 'link', 'set', 'lo', 'up']);
      run([...net, 'ip', 'link', 'set', 'eth0', 'up']);
      run([...net, 'ip', 'route', 'add', 'default', 'via', other.ipv4]);
      run([...net, 'ip', '-6', 'route', 'add', 'default', 'via', other.ipv6]);
    }
  }

  /** Another program of the pod, as this user. */
  async podUser(uid: number): Promise<Agent> {
    const agent = new Agent(['nsenter', `--net=/proc/${this.pod.pid}/ns/net`, '--']);
    this.#others.push(agent);
    await agent.order({ become: uid });
    return agent;
  }

  /** Runs a program of the pod to its end. */
  async inPod(command: readonly string[]): Promise<ProgramResult> {
    const args = [`--net=/proc/${this.pod.pid}/ns/net`, '--', ...command];
    const child = spawn('nsenter', args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, stdout, stderr };
  }

  async close(): Promise<void> {
    for (const agent of [...this.#others, this.pod, this.peer]) await agent.stop();
  }
}

function run([program = '', ...args]: readonly string[]): void {
  const { status, stderr } = spawnSync(program, args, { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
}
