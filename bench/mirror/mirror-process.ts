/** The service mirror's own process, for benchmarks: what it costs, and when it has nothing to do. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { eventually } from '@mesh/kube/testing';
import { cpuTimeUs, treeMemory } from '../lib/process-cost.ts';
import type { Memory } from '../lib/process-cost.ts';

export const MIRROR_NAMESPACE = 'linkerd-multicluster';
export const MIRROR_DEADLINE_MS = 300_000;
const MAIN = fileURLToPath(new URL('../../packages/mirror/src/main.ts', import.meta.url));

export class MirrorProcess implements AsyncDisposable {
  readonly startedMs = performance.now();
  readonly #child: ChildProcess;
  readonly #adminPort = 40_000 + Math.floor(Math.random() * 20_000);

  constructor(kubeconfig: string) {
    const env = {
      PATH: process.env['PATH'],
      MESH_NAMESPACE: MIRROR_NAMESPACE,
      MESH_ADMIN_ADDRESS: `127.0.0.1:${this.#adminPort}`,
      MESH_LOG_LEVEL: 'warn',
      _pod_name: 'bench',
    };
    this.#child = spawn(process.execPath, [MAIN, '--kubeconfig', kubeconfig], {
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }

  get cpuMs(): number {
    return cpuTimeUs(this.#child.pid ?? 0) / 1000;
  }

  get memory(): Memory {
    return treeMemory(this.#child.pid ?? 0);
  }

  /** Resolves once it leads, knows its peers, and has nothing to do. */
  async quiet(): Promise<void> {
    await eventually(
      'quiet',
      async () => {
        // Seldom enough that asking costs nothing.
        await new Promise((resolve) => setTimeout(resolve, 100));
        const response = await fetch(`http://127.0.0.1:${this.#adminPort}/metrics`);
        const text = await response.text();
        const value = (name: string): number =>
          Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
        const isQuiet = value('mesh_mirror_queue_depth') === 0 && value('mesh_mirror_leading') === 1;
        return isQuiet && value('mesh_mirror_peer_reachable') === 1 && value('mesh_mirror_services') > 0;
      },
      MIRROR_DEADLINE_MS,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    await exited;
  }
}
