/** The destination service's own process, for its memory. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { treeMemory } from '../lib/process-cost.ts';
import type { Memory } from '../lib/process-cost.ts';

const MAIN = fileURLToPath(new URL('../../packages/control-plane/src/main.ts', import.meta.url));
const READY_TIMEOUT_MS = 60_000;

export class DestinationProcess implements AsyncDisposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when it has seen its cluster. */
  static async start(kubeconfig: string): Promise<DestinationProcess> {
    const env = {
      PATH: process.env['PATH'],
      HOME: '/nonexistent',
      MESH_GRPC_PLAINTEXT: 'true',
      MESH_GRPC_ADDRESS: '127.0.0.1:0',
      MESH_ADMIN_ADDRESS: '127.0.0.1:0',
    };
    const child = spawn(process.execPath, [MAIN, 'destination', '--kubeconfig', kubeconfig], {
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const started = new DestinationProcess(child);
    try {
      await isReady(child);
      return started;
    } catch (error) {
      await started[Symbol.asyncDispose]();
      throw error;
    }
  }

  get memory(): Memory {
    return treeMemory(this.#child.pid ?? 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await exited;
  }
}

async function isReady(child: ChildProcess): Promise<void> {
  if (child.stderr === null) throw new Error('the process has no standard error');
  const lines = createInterface({ input: child.stderr });
  const ready = Promise.withResolvers<void>();
  const timer = setTimeout(() => ready.reject(new Error('destination is not ready in time')), READY_TIMEOUT_MS);
  lines.on('line', (line) => {
    if (line.includes('"message":"ready"')) ready.resolve();
  });
  child.once('exit', (code) => ready.reject(new Error(`destination ended with code ${code}`)));
  await ready.promise.finally(() => clearTimeout(timer));
}
