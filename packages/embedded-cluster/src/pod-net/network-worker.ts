/**
 * The network thread of a cluster: DNS and Service proxy. A thread of its own, so that traffic does not wait while
 * the API server and its users are busy, as it would not on a real node.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { createLogger, messageOf } from '@mesh/runtime';
import { ClusterNames } from './cluster-names.ts';
import type { DnsAnswer } from './dns-message.ts';
import { DnsServer } from './dns-server.ts';
import { hostNames } from './host-names.ts';
import type { FromNetwork, NetworkOptions, ToNetwork } from './network-messages.ts';
import { ServiceProxy } from './service-proxy.ts';

async function run(port: MessagePort, options: NetworkOptions): Promise<void> {
  const post = (message: FromNetwork): void => port.postMessage(message);
  const log = createLogger({ control: { level: 'warn' }, format: 'json', sink: (line) => post({ kind: 'log', line }) });
  const names = new ClusterNames(options.clusterDomain, hostNames);
  const dns = new DnsServer({ address: options.dnsIp, port: options.dnsPort }, { names, log });
  const proxy = new ServiceProxy(options, log);
  const zones = new RemoteZones(names, post);
  port.on('message', (message: ToNetwork) => {
    if (message.kind === 'stop') void stop();
    else if (message.kind === 'settle') post({ kind: 'settled', id: message.id });
    else apply(message, names, proxy, zones);
  });
  const stop = async (): Promise<void> => {
    await proxy[Symbol.asyncDispose]();
    await dns[Symbol.asyncDispose]();
    port.close();
  };
  await proxy.start();
  await dns.start();
  post({ kind: 'ready', dnsPort: dns.port });
}

/** Zones whose answers come from the cluster's thread. */
class RemoteZones {
  readonly #names: ClusterNames;
  readonly #post: (message: FromNetwork) => void;
  readonly #removers = new Map<string, () => void>();
  readonly #waiting = new Map<number, (answer: DnsAnswer) => void>();
  #id = 0;

  constructor(names: ClusterNames, post: (message: FromNetwork) => void) {
    this.#names = names;
    this.#post = post;
  }

  set(suffix: string, present: boolean): void {
    this.#removers.get(suffix)?.();
    this.#removers.delete(suffix);
    if (!present) return;
    const answer = (name: string, type: number): Promise<DnsAnswer> => {
      this.#id += 1;
      const id = this.#id;
      this.#post({ kind: 'ask', id, suffix, name, type });
      return new Promise((resolve) => this.#waiting.set(id, resolve));
    };
    this.#removers.set(suffix, this.#names.addZone(suffix, { answer }));
  }

  answered(id: number, answer: DnsAnswer): void {
    this.#waiting.get(id)?.(answer);
    this.#waiting.delete(id);
  }
}

function apply(
  message: Exclude<ToNetwork, { kind: 'stop' | 'settle' }>,
  names: ClusterNames,
  proxy: ServiceProxy,
  zones: RemoteZones,
): void {
  switch (message.kind) {
    case 'service':
      names.applyService(message.service);
      proxy.applyService(message.service);
      return;
    case 'service-gone':
      names.removeService(message.key);
      proxy.removeService(message.key);
      return;
    case 'slice':
      names.applySlice(message.slice);
      proxy.applySlice(message.slice);
      return;
    case 'slice-gone':
      names.removeSlice(message.slice);
      proxy.removeSlice(message.slice);
      return;
    case 'namespaces':
      names.setNamespaces(message.names);
      return;
    case 'zone':
      zones.set(message.suffix, message.present);
      return;
    case 'answer':
      zones.answered(message.id, message.answer);
  }
}

if (parentPort !== null) {
  const port = parentPort;
  run(port, workerData as NetworkOptions).catch((error: unknown) => {
    port.postMessage({ kind: 'failed', message: messageOf(error) } satisfies FromNetwork);
    port.close();
  });
}
