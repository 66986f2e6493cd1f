/**
 * What kube-proxy does, in user space: a listener per Service port on its ClusterIP, LoadBalancer and
 * node addresses, round robin over ready endpoints. For clients outside of the mesh, webhooks, and people.
 *
 * A port without ready endpoints has no listener, so that connections are refused as by a real cluster.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Component, Logger } from '@mesh/runtime';
import type { EndpointSlice, Service } from './service-types.ts';

const RETRY_MS = 50;

interface Target {
  readonly address: string;
  readonly port: number;
}

/** One listening address: fixed by the Service; its targets follow the slices. */
class Frontend {
  readonly key: string;
  readonly #address: string;
  readonly #port: number;
  readonly #options: ServiceProxyOptions;
  readonly #log: Logger;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #targets: readonly Target[] = [];
  #next = 0;
  #closed = false;
  #retry: NodeJS.Timeout | undefined;

  constructor(address: string, port: number, options: ServiceProxyOptions, log: Logger) {
    this.key = `${address}:${port}`;
    this.#address = address;
    this.#port = port;
    this.#options = options;
    this.#log = log;
  }

  setTargets(targets: readonly Target[]): void {
    this.#targets = targets;
    this.#apply();
  }

  close(): void {
    this.#closed = true;
    this.#targets = [];
    clearTimeout(this.#retry);
    this.#server?.close();
    this.#server = undefined;
    for (const socket of this.#sockets) socket.destroy();
  }

  #apply(): void {
    if (this.#targets.length === 0) {
      this.#server?.close();
      this.#server = undefined;
      return;
    }
    if (this.#server !== undefined || this.#closed) return;
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#forward(socket));
    this.#server = server;
    server.on('error', (error) => {
      if (this.#server !== server) return;
      this.#server = undefined;
      this.#log.debug('service address is not free', { address: this.key, error });
      this.#retry = setTimeout(() => this.#apply(), RETRY_MS);
      this.#retry.unref();
    });
    server.listen({ host: this.#address, port: shift(this.#port, this.#options.privilegedOffset), exclusive: true });
  }

  /** The endpoint sees the client's address, as behind a kube-proxy that does not masquerade. */
  #source(client: Socket): string {
    const address = client.remoteAddress ?? '';
    return address.startsWith('127.') && address !== '127.0.0.1' ? address : this.#options.nodeIp;
  }

  #forward(client: Socket): void {
    const target = this.#targets[this.#next % Math.max(1, this.#targets.length)];
    this.#next += 1;
    if (target === undefined) return void client.resetAndDestroy();
    this.#sockets.add(client);
    const port = shift(target.port, this.#options.privilegedOffset);
    const upstream = connect({
      host: target.address,
      port,
      allowHalfOpen: true,
      noDelay: true,
      localAddress: this.#source(client),
    });
    this.#sockets.add(upstream);
    tie(client, upstream);
    tie(upstream, client);
    client.once('close', () => this.#sockets.delete(client));
    upstream.once('close', () => this.#sockets.delete(upstream));
  }
}

/** Bytes, end and reset of one side become the other's. */
function tie(from: Socket, to: Socket): void {
  from.pipe(to);
  from.on('error', () => {
    if (!to.destroyed) to.resetAndDestroy();
  });
  from.once('close', () => {
    if (!from.readableEnded && !to.destroyed) to.resetAndDestroy();
  });
}

function shift(port: number, offset: number): number {
  return port < 1024 ? port + offset : port;
}

export interface ServiceProxyOptions {
  readonly nodeIp: string;
  readonly privilegedOffset: number;
}

export class ServiceProxy implements Component {
  readonly name = 'service-proxy';
  readonly #options: ServiceProxyOptions;
  readonly #log: Logger;
  readonly #services = new Map<string, Service>();
  readonly #slices = new Map<string, Map<string, EndpointSlice>>();
  readonly #frontends = new Map<string, Map<string, Frontend>>();
  #started = false;

  constructor(options: ServiceProxyOptions, log: Logger) {
    this.#options = options;
    this.#log = log;
  }

  start(): Promise<void> {
    this.#started = true;
    for (const key of this.#services.keys()) this.#sync(key);
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#started = false;
    for (const frontends of this.#frontends.values()) for (const frontend of frontends.values()) frontend.close();
    this.#frontends.clear();
    return Promise.resolve();
  }

  applyService(service: Service): void {
    const key = `${service.metadata.namespace}/${service.metadata.name}`;
    this.#services.set(key, service);
    this.#sync(key);
  }

  removeService(key: string): void {
    this.#services.delete(key);
    this.#sync(key);
  }

  applySlice(slice: EndpointSlice): void {
    const key = serviceKey(slice);
    if (key === undefined) return;
    const slices = this.#slices.get(key) ?? new Map<string, EndpointSlice>();
    slices.set(slice.metadata.name, slice);
    this.#slices.set(key, slices);
    this.#sync(key);
  }

  removeSlice(slice: EndpointSlice): void {
    const key = serviceKey(slice);
    if (key === undefined) return;
    const slices = this.#slices.get(key);
    slices?.delete(slice.metadata.name);
    if (slices?.size === 0) this.#slices.delete(key);
    this.#sync(key);
  }

  #sync(key: string): void {
    if (!this.#started) return;
    const service = this.#services.get(key);
    const wanted = new Map<string, { address: string; port: number; targets: Target[] }>();
    for (const port of service?.spec?.ports ?? []) {
      if ((port.protocol ?? 'TCP') !== 'TCP') continue;
      const targets = this.#targets(key, port.name ?? '');
      for (const address of addressesOf(service)) {
        wanted.set(`${address}:${port.port}`, { address, port: port.port, targets });
      }
      if (port.nodePort !== undefined && port.nodePort > 0) {
        const { nodeIp } = this.#options;
        wanted.set(`${nodeIp}:${port.nodePort}`, { address: nodeIp, port: port.nodePort, targets });
      }
    }
    const frontends = this.#frontends.get(key) ?? new Map<string, Frontend>();
    for (const [at, frontend] of frontends) {
      if (wanted.has(at)) continue;
      frontend.close();
      frontends.delete(at);
    }
    for (const [at, { address, port, targets }] of wanted) {
      const frontend = frontends.get(at) ?? new Frontend(address, port, this.#options, this.#log);
      frontends.set(at, frontend);
      frontend.setTargets(targets);
    }
    if (frontends.size > 0) this.#frontends.set(key, frontends);
    else this.#frontends.delete(key);
  }

  #targets(key: string, portName: string): Target[] {
    const ready: Target[] = [];
    const serving: Target[] = [];
    for (const slice of this.#slices.get(key)?.values() ?? []) {
      if (slice.addressType === 'FQDN') continue;
      const port = slice.ports?.find((each) => (each.name ?? '') === portName)?.port;
      if (port === undefined) continue;
      for (const { addresses, conditions } of slice.endpoints ?? []) {
        const into =
          conditions?.ready !== false ? ready : conditions.serving && conditions.terminating ? serving : undefined;
        for (const address of addresses) into?.push({ address, port });
      }
    }
    // As kube-proxy (KEP-1669): endpoints that finish take traffic only when no other is left.
    return ready.length > 0 ? ready : serving;
  }
}

function addressesOf(service: Service | undefined): string[] {
  const balancers = service?.status?.loadBalancer?.ingress?.flatMap(({ ip }) => (ip === undefined ? [] : [ip])) ?? [];
  const own = service?.spec?.clusterIPs ?? [service?.spec?.clusterIP ?? ''];
  return [...own.filter((address) => address !== '' && address !== 'None'), ...balancers];
}

function serviceKey(slice: EndpointSlice): string | undefined {
  const service = slice.metadata.labels?.['kubernetes.io/service-name'];
  return service === undefined ? undefined : `${slice.metadata.namespace}/${service}`;
}
