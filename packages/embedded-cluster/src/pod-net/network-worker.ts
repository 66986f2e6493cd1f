/**
 * The network thread of a cluster: DNS and Service proxy. A thread of its own, so that traffic does not wait while
 * the API server and its users are busy, as it would not on a real node.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { createLogger, messageOf } from '@mesh/runtime';
import { ClusterNames } from './cluster-names.ts';
import { DnsServer } from './dns-server.ts';
import type { ForwardZone } from './forward-zones.ts';
import { hostNames } from './host-names.ts';
import type { FromNetwork, NetworkOptions, ToNetwork } from './network-messages.ts';
import { ServiceProxy } from './service-proxy.ts';

async function run(port: MessagePort, options: NetworkOptions): Promise<void> {
  const post = (message: FromNetwork): void => port.postMessage(message);
  const log = createLogger({ control: { level: 'warn' }, format: 'json', sink: (line) => post({ kind: 'log', line }) });
  const names = new ClusterNames(options.clusterDomain, hostNames);
  const dns = new DnsServer({ address: options.dnsIp, port: options.dnsPort }, { names, log });
  const proxy = new ServiceProxy(options, log);
  port.on('message', (message: ToNetwork) => {
    if (message.kind === 'stop') void stop();
    else if (message.kind === 'settle') post({ kind: 'settled', id: message.id });
    else apply(message, names, proxy, options);
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

function apply(
  message: Exclude<ToNetwork, { kind: 'stop' | 'settle' }>,
  names: ClusterNames,
  proxy: ServiceProxy,
  options: NetworkOptions,
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
    case 'forwards':
      names.setForwards(message.zones.map((each) => reachable(each, options.privilegedOffset)));
  }
}

/** Ports below 1024 of cluster addresses may be elsewhere. */
function reachable({ zone, upstreams }: ForwardZone, privilegedOffset: number): ForwardZone {
  const shifted = upstreams.map(({ address, port }) => ({
    address,
    port: address.startsWith('127.') && port < 1024 ? port + privilegedOffset : port,
  }));
  return { zone, upstreams: shifted };
}

if (parentPort !== null) {
  const port = parentPort;
  run(port, workerData as NetworkOptions).catch((error: unknown) => {
    port.postMessage({ kind: 'failed', message: messageOf(error) } satisfies FromNetwork);
    port.close();
  });
}
