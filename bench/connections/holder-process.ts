/** The process that holds connections (holder.ts), as the benchmark sees it. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { LOAD_CPU, pinned } from '../lib/programs.ts';

export class Holder implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  #waiting: { resolve(line: string): void; reject(error: Error): void } | undefined;
  #trouble = '';

  /** @param plan File with a `HolderPlan`. @param command Before it, such as what raises the limit of descriptors. */
  constructor(plan: string, command: (program: readonly string[]) => readonly string[] = (program) => program) {
    const program = fileURLToPath(new URL('holder.ts', import.meta.url));
    const [file = '', ...args] = pinned(LOAD_CPU, command([process.execPath, program, plan]));
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (line) => this.#waiting?.resolve(line));
    child.stderr.on('data', (chunk: Buffer) => (this.#trouble += chunk.toString('utf8')));
    this.#exited = new Promise((resolve) => {
      child.once('close', () => {
        this.#waiting?.reject(new Error(`the connections' client ended: ${this.#trouble}`));
        resolve();
      });
    });
  }

  /** Opens that many more connections, uses each once and keeps it. */
  async open(count: number): Promise<void> {
    await this.#tell(`open ${count}`);
  }

  /** Closes all. */
  async close(): Promise<void> {
    await this.#tell('close');
  }

  /** How many are open. */
  async count(): Promise<number> {
    return Number((await this.#tell('count')).replace('done ', ''));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin?.end();
    await this.#exited;
  }

  #tell(line: string): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#child.stdin?.write(`${line}\n`);
    });
  }
}
