/**
 * Several workers that look like one gateway: each takes connections from the same port (SO_REUSEPORT: the kernel spreads them), the
 * supervisor has the identity, answers probes, adds up metrics, and starts a worker anew when it ends.
 *
 *                   ┌──identity, drain──► worker 1 ◄──┐
 *   supervisor ─────┤                                 ├── 4143, bridges
 *    4191, admin    └───────────────────► worker N ◄──┘
 */
import type { WorkloadIdentity } from '@mesh/control-client';
import type { Driver } from '@mesh/net';
import type { Clock, Component, Logger, MetricRegistry } from '@mesh/runtime';
import { Ports } from '../ports.ts';
import type { PortsOptions } from '../ports.ts';
import type { ToWorker } from './messages.ts';
import { MetricSum } from './metric-sum.ts';
import { WorkerProcess } from './worker-process.ts';

export interface SupervisorOptions {
  readonly workers: number;
  /** This program, and the arguments that make a worker of it. */
  readonly program: string;
  readonly args: readonly string[];
  readonly ports: PortsOptions;
}

export interface SupervisorDeps {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly registry: MetricRegistry;
  readonly identity: WorkloadIdentity;
}

export class Supervisor implements Component {
  readonly name = 'gateway supervisor';
  readonly #deps: SupervisorDeps;
  readonly #ports: Ports;
  readonly #workers: readonly WorkerProcess[];
  readonly #stack = new AsyncDisposableStack();
  /** What processes that are gone have counted. */
  readonly #left = new MetricSum();
  #isDraining = false;

  constructor(options: SupervisorOptions, deps: SupervisorDeps) {
    const { registry, identity } = deps;
    this.#deps = deps;
    this.#ports = new Ports(options.ports, {
      ...deps,
      tls: () => identity.current()?.tls,
      isServing: () => !this.#isDraining && this.#workers.some(({ isReady }) => isReady),
      waitingFor: () => [this.#isDraining ? 'draining' : 'a worker'],
      exposeMetrics: () => this.#metrics(),
    });
    const restarts = registry
      .counter({ name: 'mesh_gateway_worker_restarts_total', help: 'Workers that ended by themselves.' })
      .bind();
    this.#workers = Array.from(
      { length: options.workers },
      (_, index) =>
        new WorkerProcess(
          { ...options, index },
          {
            ...deps,
            greeting: () => this.#identityMessage(),
            onLost: (page) => {
              restarts.add(1);
              this.#left.add(page, true);
            },
          },
        ),
    );
    const ready = registry.gauge({ name: 'mesh_gateway_workers_ready', help: 'Workers that take connections.' }).bind();
    registry.beforeScrape(() => ready.set(this.#workers.filter(({ isReady }) => isReady).length));
  }

  /** Resolves once there is a certificate to hand out; workers become ready by themselves. */
  async start(signal: AbortSignal): Promise<void> {
    const { identity } = this.#deps;
    await this.#stack.use(this.#ports).start();
    this.#stack.defer(() => {
      for (const worker of this.#workers) worker.kill();
    });
    for (const worker of this.#workers) worker.start();
    identity.onChange(() => {
      const message = this.#identityMessage();
      if (message !== undefined) for (const worker of this.#workers) worker.tell(message);
    });
    this.#stack.use(identity);
    await identity.start(signal);
  }

  /** Workers finish what they have, each within the grace period. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    await Promise.all(this.#workers.map((worker) => worker.drain()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  #identityMessage(): ToWorker | undefined {
    const snapshot = this.#deps.identity.current();
    if (snapshot === undefined) return undefined;
    const { keyPem: key, chainPem: chain, trustPem: trust } = snapshot;
    return { kind: 'identity', material: { key, chain, trust } };
  }

  async #metrics(): Promise<string> {
    const pages = await Promise.all(this.#workers.map((worker) => worker.metrics()));
    const sum = new MetricSum().add(this.#deps.registry.expose()).add(this.#left.toString());
    for (const page of pages) sum.add(page);
    return sum.toString();
  }
}
