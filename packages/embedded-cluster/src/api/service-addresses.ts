/**
 * Gives Services their ClusterIP, node ports and address families, and refuses addresses that another Service has.
 *
 * What is taken is known from the store's events. An address given to an object that isn't stored yet is reserved
 * for a moment, as webhooks may be asked in between.
 */
import { asArray, asNumber, asObject, asString, type JsonObject } from './json.ts';
import type { Resource } from './resources.ts';
import { internalError, invalid } from './status-error.ts';
import { objectId, type Store } from './store.ts';
import type { KubeObject } from './types.ts';

const NODE_PORT_FIRST = 30_000;
const NODE_PORT_LAST = 32_767;
const RESERVATION_MS = 15_000;

interface Ipv4Range {
  readonly first: number;
  readonly size: number;
}

export class ServiceAddresses {
  readonly #range: Ipv4Range;
  readonly #cidr: string;
  readonly #ips = new Map<string, string>();
  readonly #ports = new Map<number, string>();
  readonly #reserved = new Map<string, number>();

  /** @param cidr IPv4, at least 8 addresses: the network, the API server's and some for others. */
  constructor(store: Store, cidr: string) {
    this.#cidr = cidr;
    this.#range = parseRange(cidr);
    for (const [, service] of store.iterate('/services')) this.#take(service);
    store.subscribe('/services', (event) => {
      if (event.previous !== undefined) this.#release(event.previous);
      if (event.type !== 'DELETED') this.#take(event.object);
    });
  }

  /** The first address of the range, which the Service `default/kubernetes` has. */
  get apiServerIp(): string {
    return formatIp(this.#range.first + 1);
  }

  /** Completes a Service before it is stored; other kinds pass. Throws 422 for an address that can't be had. */
  assign(resource: Resource, object: KubeObject, live: KubeObject | undefined): void {
    if (resource.bucket !== '/services') return;
    const spec = asObject(object['spec']);
    if (spec === undefined) return;
    const before = asObject(live?.['spec']);
    if (spec['type'] === 'ExternalName') {
      for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'internalTrafficPolicy'])
        delete spec[field];
    } else this.#assignIp(resource, object, spec, before);
    if (spec['type'] === 'NodePort' || spec['type'] === 'LoadBalancer') {
      if (spec['type'] === 'LoadBalancer') spec['allocateLoadBalancerNodePorts'] ??= true;
      this.#assignPorts(resource, object, spec, before);
    } else {
      for (const port of asArray(spec['ports']))
        if (asObject(port) !== undefined) delete (port as JsonObject)['nodePort'];
      delete spec['allocateLoadBalancerNodePorts'];
      delete spec['healthCheckNodePort'];
      delete spec['externalTrafficPolicy'];
    }
  }

  #assignIp(resource: Resource, object: KubeObject, spec: JsonObject, before: JsonObject | undefined): void {
    const owner = objectId(object);
    const old = before?.['type'] === 'ExternalName' ? undefined : asString(before?.['clusterIP']);
    let ip = asString(spec['clusterIP']) ?? '';
    if (ip === '') ip = asString(asArray(spec['clusterIPs'])[0]) ?? '';
    if (ip === '' && old !== undefined) ip = old;
    if (ip === '') ip = this.#freeIp(owner);
    else if (ip !== 'None' && ip !== old) this.#checkIp(resource, object, ip, owner);
    spec['clusterIP'] = ip;
    spec['clusterIPs'] = [ip];
    spec['ipFamilies'] ??= before?.['ipFamilies'] ?? ['IPv4'];
    spec['ipFamilyPolicy'] ??= before?.['ipFamilyPolicy'] ?? 'SingleStack';
  }

  #assignPorts(resource: Resource, object: KubeObject, spec: JsonObject, before: JsonObject | undefined): void {
    const owner = objectId(object);
    spec['externalTrafficPolicy'] ??= before?.['externalTrafficPolicy'] ?? 'Cluster';
    const old = asArray(before?.['ports']).map((one) => asObject(one) ?? {});
    const wanted = spec['allocateLoadBalancerNodePorts'] !== false || spec['type'] === 'NodePort';
    for (const [index, entry] of asArray(spec['ports']).entries()) {
      const port = asObject(entry);
      if (port === undefined) continue;
      const same = old.find(
        (one) => one['port'] === port['port'] && (one['protocol'] ?? 'TCP') === (port['protocol'] ?? 'TCP'),
      );
      let number = asNumber(port['nodePort']) ?? 0;
      if (number === 0) number = asNumber(same?.['nodePort']) ?? 0;
      if (number === 0) {
        if (wanted) number = this.#freePort(owner);
        else continue;
      } else if (number !== asNumber(same?.['nodePort'])) this.#checkPort(resource, object, number, index, owner);
      port['nodePort'] = number;
    }
    if (spec['type'] === 'LoadBalancer' && spec['externalTrafficPolicy'] === 'Local') {
      spec['healthCheckNodePort'] =
        asNumber(before?.['healthCheckNodePort']) ?? asNumber(spec['healthCheckNodePort']) ?? this.#freePort(owner);
    }
  }

  #checkIp(resource: Resource, object: KubeObject, ip: string, owner: string): void {
    const number = parseIp(ip);
    const problem =
      number === undefined
        ? "must be empty, 'None', or a valid IP address"
        : number <= this.#range.first || number >= this.#range.first + this.#range.size - 1
          ? `failed to allocate IP ${ip}: the provided IP (${ip}) is not in the valid range. The range of valid IPs is ${this.#cidr}`
          : (this.#ips.get(ip) ?? owner) !== owner
            ? `failed to allocate IP ${ip}: provided IP is already allocated`
            : undefined;
    if (problem === undefined) return;
    throw invalid(resource, object.metadata.name ?? '', [
      { reason: 'FieldValueInvalid', field: 'spec.clusterIPs', message: `Invalid value: ["${ip}"]: ${problem}` },
    ]);
  }

  #checkPort(resource: Resource, object: KubeObject, port: number, index: number, owner: string): void {
    const inRange = port >= NODE_PORT_FIRST && port <= NODE_PORT_LAST;
    if (inRange && (this.#ports.get(port) ?? owner) === owner) return;
    const why = inRange
      ? 'provided port is already allocated'
      : `provided port is not in the valid range. The range of valid ports is ${NODE_PORT_FIRST}-${NODE_PORT_LAST}`;
    throw invalid(resource, object.metadata.name ?? '', [
      {
        reason: 'FieldValueInvalid',
        field: `spec.ports[${index}].nodePort`,
        message: `Invalid value: ${port}: ${why}`,
      },
    ]);
  }

  #freeIp(owner: string): string {
    const { first, size } = this.#range;
    // Network, API server and broadcast are never given. Start at random so that a deleted Service's address rests.
    const usable = size - 3;
    const start = Math.floor(Math.random() * usable);
    for (let step = 0; step < usable; step += 1) {
      const ip = formatIp(first + 2 + ((start + step) % usable));
      if (!this.#ips.has(ip) && this.#reserve(`ip ${ip}`)) return ip;
    }
    throw internalError(`failed to allocate a serviceIP for ${owner}: range ${this.#cidr} is full`);
  }

  #freePort(owner: string): number {
    const count = NODE_PORT_LAST - NODE_PORT_FIRST + 1;
    const start = Math.floor(Math.random() * count);
    for (let step = 0; step < count; step += 1) {
      const port = NODE_PORT_FIRST + ((start + step) % count);
      if (!this.#ports.has(port) && this.#reserve(`port ${port}`)) return port;
    }
    throw internalError(
      `failed to allocate a nodePort for ${owner}: range ${NODE_PORT_FIRST}-${NODE_PORT_LAST} is full`,
    );
  }

  #reserve(key: string): boolean {
    const now = Date.now();
    for (const [known, until] of this.#reserved) {
      if (until > now) break;
      this.#reserved.delete(known);
    }
    if (this.#reserved.has(key)) return false;
    this.#reserved.set(key, now + RESERVATION_MS);
    return true;
  }

  #take(service: KubeObject): void {
    const owner = objectId(service);
    for (const ip of addressesOf(service)) this.#ips.set(ip, owner);
    for (const port of nodePortsOf(service)) this.#ports.set(port, owner);
  }

  #release(service: KubeObject): void {
    for (const ip of addressesOf(service)) {
      this.#ips.delete(ip);
      this.#reserved.delete(`ip ${ip}`);
    }
    for (const port of nodePortsOf(service)) {
      this.#ports.delete(port);
      this.#reserved.delete(`port ${port}`);
    }
  }
}

function addressesOf(service: KubeObject): readonly string[] {
  return asArray(asObject(service['spec'])?.['clusterIPs']).filter(
    (ip) => typeof ip === 'string' && ip !== 'None' && ip !== '',
  ) as string[];
}

function nodePortsOf(service: KubeObject): readonly number[] {
  const spec = asObject(service['spec']);
  const ports = asArray(spec?.['ports']).map((port) => asNumber(asObject(port)?.['nodePort']) ?? 0);
  return [...ports, asNumber(spec?.['healthCheckNodePort']) ?? 0].filter((port) => port > 0);
}

function parseRange(cidr: string): Ipv4Range {
  const [address = '', bitsText = ''] = cidr.split('/');
  const ip = parseIp(address);
  const bits = Number(bitsText);
  if (ip === undefined || !Number.isInteger(bits) || bits < 8 || bits > 29) {
    throw new RangeError(
      `serviceCidr ${JSON.stringify(cidr)}: expected an IPv4 range of /8 to /29, such as 10.96.0.0/16`,
    );
  }
  const size = 2 ** (32 - bits);
  return { first: Math.floor(ip / size) * size, size };
}

function parseIp(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0);
}

function formatIp(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}
