/** A worker as its supervisor sees it: a process that is started, spoken to, and started again when it ends. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { Backoff } from '@mesh/runtime';
import type { Clock, Logger, Timer } from '@mesh/runtime';
import type { FromWorker, ToWorker } from './messages.ts';

export interface WorkerProcessOptions {
  readonly index: number;
  /** This program, and the arguments that make a worker of it. */
  readonly program: string;
  readonly args: readonly string[];
}

export interface WorkerProcessDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told to every process of this worker as it starts. */
  readonly greeting: () => ToWorker | undefined;
  /** A process ended that should not have; its last page of metrics. */
  readonly onLost: (lastPage: string) => void;
}

/** A worker that dies at once is not started in a busy loop. */
const RESTART = { minMs: 100, maxMs: 10_000, jitterRatio: 0.1 };
/** One that served for so long was healthy. */
const HEALTHY_MS = 30_000;
const METRICS_TIMEOUT_MS = 5_000;

export class WorkerProcess {
  readonly #options: WorkerProcessOptions;
  readonly #deps: WorkerProcessDeps;
  readonly #backoff = new Backoff(RESTART);
  readonly #asked = new Map<number, (page: string) => void>();
  #child: ChildProcess | undefined;
  #isReady = false;
  #isEnding = false;
  #lastPage = '';
  #lastRequest = 0;
  #restart: Timer | undefined;
  #ended = Promise.withResolvers<void>();

  constructor(options: WorkerProcessOptions, deps: WorkerProcessDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Takes connections. */
  get isReady(): boolean {
    return this.#isReady;
  }

  start(): void {
    const { program, args, index } = this.#options;
    const { logger, clock, greeting, onLost } = this.#deps;
    const child = fork(program, [...args], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child = child;
    const startedMs = clock.monotonic();
    child.on('message', (message: FromWorker) => this.#hear(message));
    child.on('error', (error) => logger.error('worker cannot be spoken to', { worker: index, error }));
    child.once('exit', (exitCode, signal) => {
      this.#isReady = false;
      this.#child = undefined;
      for (const answer of this.#asked.values()) answer(this.#lastPage);
      this.#asked.clear();
      if (this.#isEnding) {
        this.#ended.resolve();
        return;
      }
      onLost(this.#lastPage);
      this.#lastPage = '';
      if (clock.monotonic() - startedMs > HEALTHY_MS) this.#backoff.reset();
      const delayMs = this.#backoff.next();
      logger.error('worker ended, another is started', { worker: index, exitCode, signal, delayMs });
      this.#restart = clock.after(delayMs, () => this.start());
    });
    const first = greeting();
    if (first !== undefined) this.tell(first);
  }

  tell(message: ToWorker): void {
    if (this.#child?.connected === true) this.#child.send(message, () => undefined);
  }

  /** Its page of metrics; the last one that it gave when it does not answer in time. */
  metrics(): Promise<string> {
    if (!this.#isReady) return Promise.resolve(this.#lastPage);
    this.#lastRequest += 1;
    const request = this.#lastRequest;
    const { promise, resolve } = Promise.withResolvers<string>();
    const timer = this.#deps.clock.after(METRICS_TIMEOUT_MS, () => answer(this.#lastPage));
    const answer = (page: string): void => {
      timer.cancel();
      this.#asked.delete(request);
      resolve(page);
    };
    this.#asked.set(request, answer);
    this.tell({ kind: 'metrics', request });
    return promise;
  }

  /** Lets it finish what it has. Resolves when its process has ended. */
  async drain(): Promise<void> {
    this.#isEnding = true;
    this.#restart?.cancel();
    if (this.#child === undefined) return;
    this.tell({ kind: 'drain' });
    await this.#ended.promise;
  }

  kill(): void {
    this.#isEnding = true;
    this.#restart?.cancel();
    this.#child?.kill('SIGKILL');
  }

  #hear(message: FromWorker): void {
    switch (message.kind) {
      case 'ready':
        this.#isReady = true;
        return;
      case 'metrics':
        this.#lastPage = message.page;
        this.#asked.get(message.request)?.(message.page);
    }
  }
}
