/** The cluster's side of its network thread: passes on Services, slices and namespaces as they change. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type Component, type Logger, MeshError } from '@mesh/runtime';
import type { ForwardZone } from './forward-zones.ts';
import type { FromNetwork, NetworkOptions, ToNetwork } from './network-messages.ts';
import type { EndpointSlice, Service } from './service-types.ts';

export class ClusterNetwork implements Component {
  readonly name = 'network';
  readonly #options: NetworkOptions;
  readonly #log: Logger;
  readonly #settling = new Map<number, () => void>();
  #worker: Worker | undefined;
  #dnsPort = 0;
  #settleId = 0;

  constructor(options: NetworkOptions, log: Logger) {
    this.#options = options;
    this.#log = log;
  }

  /** The port of the DNS server, once started. */
  get dnsPort(): number {
    return this.#dnsPort;
  }

  /** @throws MeshError `network_failed`, when an address of the cluster is taken */
  async start(): Promise<void> {
    const worker = new Worker(new URL('./network-worker.ts', import.meta.url), { workerData: this.#options });
    this.#worker = worker;
    const ready = Promise.withResolvers<void>();
    worker.on('message', (message: FromNetwork) => {
      if (message.kind === 'ready') {
        this.#dnsPort = message.dnsPort;
        ready.resolve();
      } else if (message.kind === 'failed') {
        ready.reject(
          new MeshError({ code: 'network_failed' }, `DNS and Service proxy did not start: ${message.message}`),
        );
      } else if (message.kind === 'settled') {
        this.#settling.get(message.id)?.();
        this.#settling.delete(message.id);
      } else this.#log.warn('network', { line: message.line });
    });
    worker.once('error', (error) => {
      this.#log.error('network thread failed', { error });
      ready.reject(error);
    });
    await ready.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    for (const resolve of this.#settling.values()) resolve();
    this.#settling.clear();
    if (worker === undefined || worker.threadId === -1) return;
    const gone = once(worker, 'exit');
    worker.postMessage({ kind: 'stop' } satisfies ToNetwork);
    await gone;
  }

  applyService({ metadata, spec, status }: Service): void {
    const { name, namespace } = metadata;
    const loadBalancer = status?.loadBalancer;
    this.#post({
      kind: 'service',
      service: { metadata: { name, namespace }, spec, ...(loadBalancer ? { status: { loadBalancer } } : {}) },
    });
  }

  removeService(key: string): void {
    this.#post({ kind: 'service-gone', key });
  }

  applySlice(slice: EndpointSlice): void {
    this.#post({ kind: 'slice', slice: trim(slice) });
  }

  removeSlice(slice: EndpointSlice): void {
    this.#post({ kind: 'slice-gone', slice: trim(slice) });
  }

  setNamespaces(names: readonly string[]): void {
    this.#post({ kind: 'namespaces', names });
  }

  /** Resolves when everything that was passed on before is in effect; when the thread has ended, at once. */
  settled(): Promise<void> {
    if (this.#worker === undefined) return Promise.resolve();
    this.#settleId += 1;
    const id = this.#settleId;
    const settled = new Promise<void>((resolve) => this.#settling.set(id, resolve));
    this.#post({ kind: 'settle', id });
    return settled;
  }

  /** Zones that other name servers answer for. */
  setForwards(zones: readonly ForwardZone[]): void {
    this.#post({ kind: 'forwards', zones });
  }

  #post(message: ToNetwork): void {
    this.#worker?.postMessage(message);
  }
}

/** What the network thread reads of a slice. */
function trim({ metadata, addressType, endpoints, ports }: EndpointSlice): EndpointSlice {
  const { name, namespace, labels } = metadata;
  return { metadata: { name, namespace, labels }, addressType, endpoints, ports };
}
