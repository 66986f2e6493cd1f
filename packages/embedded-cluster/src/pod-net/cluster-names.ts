/**
 * The names of a cluster, after the Kubernetes DNS-based service discovery specification: Services,
 * headless Services with a name per pod, external names, named ports, pods and reverse names.
 */
import { DNS_CODE, DNS_TYPE, type DnsAnswer, type DnsRecord } from './dns-message.ts';
import { relay } from './dns-relay.ts';
import type { NameSource } from './dns-server.ts';
import type { ForwardZone } from './forward-zones.ts';
import type { EndpointSlice, Service } from './service-types.ts';

/** Seconds; CoreDNS' default for cluster records. */
const TTL = 5;

interface Host {
  readonly hostname: string;
  readonly address: string;
}

export class ClusterNames implements NameSource {
  readonly #domain: string;
  readonly #upstream: NameSource;
  #forwards: readonly ForwardZone[] = [];
  #turn = 0;
  readonly #services = new Map<string, Service>();
  readonly #slices = new Map<string, Map<string, EndpointSlice>>();
  readonly #reverse = new Map<string, string>();
  #namespaces = new Set<string>();

  /** @param domain such as `cluster.local` */
  constructor(domain: string, upstream: NameSource) {
    this.#domain = domain;
    this.#upstream = upstream;
  }

  /** Zones that other servers answer for; the longest that fits a name counts. */
  setForwards(zones: readonly ForwardZone[]): void {
    this.#forwards = zones.toSorted((a, b) => b.zone.length - a.zone.length);
  }

  relay(name: string): ((message: Uint8Array) => Promise<Buffer>) | undefined {
    const forward = this.#forwards.find(({ zone }) => name === zone || name.endsWith(`.${zone}`));
    if (forward === undefined) return undefined;
    this.#turn += 1;
    const turn = this.#turn;
    return (message) => relay(message, forward.upstreams, turn);
  }

  setNamespaces(names: Iterable<string>): void {
    this.#namespaces = new Set(names);
  }

  applyService(service: Service): void {
    const key = `${service.metadata.namespace}/${service.metadata.name}`;
    this.removeService(key);
    this.#services.set(key, service);
    for (const address of clusterIps(service)) this.#reverse.set(address, this.#serviceName(key));
  }

  removeService(key: string): void {
    const service = this.#services.get(key);
    if (service === undefined) return;
    for (const address of clusterIps(service)) this.#reverse.delete(address);
    this.#services.delete(key);
  }

  applySlice(slice: EndpointSlice): void {
    const service = serviceKey(slice);
    if (service === undefined) return;
    const slices = this.#slices.get(service) ?? new Map<string, EndpointSlice>();
    slices.set(slice.metadata.name, slice);
    this.#slices.set(service, slices);
  }

  removeSlice(slice: EndpointSlice): void {
    const service = serviceKey(slice);
    if (service === undefined) return;
    const slices = this.#slices.get(service);
    slices?.delete(slice.metadata.name);
    if (slices?.size === 0) this.#slices.delete(service);
  }

  answer(name: string, type: number): DnsAnswer | Promise<DnsAnswer> {
    if (name === this.#domain || name.endsWith(`.${this.#domain}`)) return this.#clusterName(name, type);
    if (name.endsWith('.in-addr.arpa')) return this.#reverseName(name, type);
    return this.#upstream.answer(name, type);
  }

  #clusterName(name: string, type: number): DnsAnswer | Promise<DnsAnswer> {
    const labels = name === this.#domain ? [] : name.slice(0, -this.#domain.length - 1).split('.');
    const kind = labels.at(-1);
    const namespace = labels.at(-2);
    if (labels.length === 0 || (labels.length === 1 && (kind === 'svc' || kind === 'pod'))) return this.#noData();
    if (namespace === undefined || !this.#namespaces.has(namespace)) return this.#noName();
    if (labels.length === 2) return kind === 'svc' || kind === 'pod' ? this.#noData() : this.#noName();
    if (kind === 'pod') return this.#podName(name, labels, type);
    if (kind !== 'svc') return this.#noName();
    const service = this.#services.get(`${namespace}/${labels.at(-3) ?? ''}`);
    if (service === undefined) return this.#noName();
    return this.#serviceAnswer(service, labels.slice(0, -3), name, type);
  }

  #serviceAnswer(
    service: Service,
    prefix: readonly string[],
    name: string,
    type: number,
  ): DnsAnswer | Promise<DnsAnswer> {
    if (service.spec?.type === 'ExternalName') return this.#external(service, name, type);
    const headless = service.spec?.clusterIP === 'None';
    const addresses = headless
      ? this.#hosts(service)
      : clusterIps(service).map((address) => ({ hostname: '', address }));
    if (prefix.length === 0) {
      const existing = addresses.length > 0 ? this.#found(addressRecords(name, type, addresses)) : this.#noName();
      return type === DNS_TYPE.SRV ? this.#found(this.#ports(service, name, undefined, addresses)) : existing;
    }
    if (prefix.length === 1) {
      const hosts = headless ? addresses.filter((host) => host.hostname === prefix[0]) : [];
      return hosts.length === 0 ? this.#noName() : this.#found(addressRecords(name, type, hosts));
    }
    const [port = '', protocol = ''] = prefix;
    const named = prefix.length === 2 && port.startsWith('_') && protocol.startsWith('_');
    const records = named
      ? this.#ports(service, name, { port: port.slice(1), protocol: protocol.slice(1) }, addresses)
      : [];
    if (records.length === 0) return this.#noName();
    if (type !== DNS_TYPE.SRV && type !== DNS_TYPE.ANY) return this.#noData();
    const glue = addresses.flatMap((host) => addressRecords(this.#target(service, host), DNS_TYPE.A, [host]));
    return { ...this.#found(records), additional: glue };
  }

  #ports(
    service: Service,
    name: string,
    wanted: { port: string; protocol: string } | undefined,
    hosts: readonly Host[],
  ): DnsRecord[] {
    const matches = (port: { name?: string | undefined; protocol?: string | undefined }): boolean =>
      wanted === undefined ||
      ((port.name ?? '') === wanted.port && (port.protocol ?? 'TCP').toLowerCase() === wanted.protocol);
    const srv = (port: number, host: Host): DnsRecord => ({
      type: 'SRV',
      name,
      ttl: TTL,
      priority: 0,
      weight: Math.max(1, Math.floor(100 / Math.max(1, hosts.length))),
      port,
      target: this.#target(service, host),
    });
    if (service.spec?.clusterIP !== 'None') {
      return (service.spec?.ports ?? []).filter(matches).flatMap((port) => hosts.map((host) => srv(port.port, host)));
    }
    return this.#slicesOf(service).flatMap((slice) =>
      (slice.ports ?? []).filter(matches).flatMap((port) => readyHosts(slice).map((host) => srv(port.port ?? 0, host))),
    );
  }

  #target(service: Service, host: Host): string {
    const name = this.#serviceName(`${service.metadata.namespace}/${service.metadata.name}`);
    return host.hostname === '' ? name : `${host.hostname}.${name}`;
  }

  async #external(service: Service, name: string, type: number): Promise<DnsAnswer> {
    const target = (service.spec?.externalName ?? '').replace(/\.$/, '').toLowerCase();
    const alias: DnsRecord = { type: 'CNAME', name, ttl: TTL, target };
    if (type === DNS_TYPE.CNAME) return this.#found([alias]);
    const rest = await this.answer(target, type);
    return { code: DNS_CODE.ok, answers: [alias, ...rest.answers] };
  }

  #podName(name: string, labels: readonly string[], type: number): DnsAnswer {
    const address = labels.length === 3 ? (labels[0] ?? '').replaceAll('-', '.') : '';
    if (!/^\d+\.\d+\.\d+\.\d+$/.test(address)) return this.#noName();
    return this.#found(addressRecords(name, type, [{ hostname: '', address }]));
  }

  #reverseName(name: string, type: number): DnsAnswer | Promise<DnsAnswer> {
    const address = name.slice(0, -'.in-addr.arpa'.length).split('.').toReversed().join('.');
    const target = this.#reverse.get(address) ?? this.#reverseHost(address);
    if (target === undefined) return this.#noName();
    return type === DNS_TYPE.PTR ? this.#found([{ type: 'PTR', name, ttl: TTL, target }]) : this.#noData();
  }

  #reverseHost(address: string): string | undefined {
    for (const service of this.#services.values()) {
      if (service.spec?.clusterIP !== 'None') continue;
      const host = this.#hosts(service).find((each) => each.address === address);
      if (host !== undefined) return this.#target(service, host);
    }
    return undefined;
  }

  #hosts(service: Service): Host[] {
    return this.#slicesOf(service).flatMap(readyHosts);
  }

  #slicesOf(service: Service): EndpointSlice[] {
    return [...(this.#slices.get(`${service.metadata.namespace}/${service.metadata.name}`)?.values() ?? [])];
  }

  #serviceName(key: string): string {
    const [namespace = '', name = ''] = key.split('/');
    return `${name}.${namespace}.svc.${this.#domain}`;
  }

  #found(answers: readonly DnsRecord[]): DnsAnswer {
    return { code: DNS_CODE.ok, answers, zone: this.#domain };
  }

  #noData(): DnsAnswer {
    return { code: DNS_CODE.ok, answers: [], zone: this.#domain };
  }

  #noName(): DnsAnswer {
    return { code: DNS_CODE.noSuchName, answers: [], zone: this.#domain };
  }
}

function clusterIps(service: Service): string[] {
  const addresses = service.spec?.clusterIPs ?? [service.spec?.clusterIP ?? ''];
  return addresses.filter((address) => address !== '' && address !== 'None');
}

function readyHosts(slice: EndpointSlice): Host[] {
  return (slice.endpoints ?? [])
    .filter((endpoint) => endpoint.conditions?.ready !== false)
    .flatMap((endpoint) =>
      endpoint.addresses.map((address) => ({
        address,
        hostname: endpoint.hostname ?? address.replaceAll(/[.:]/g, '-'),
      })),
    );
}

function addressRecords(name: string, type: number, hosts: readonly Host[]): DnsRecord[] {
  const wanted = (address: string): boolean =>
    type === DNS_TYPE.ANY || (address.includes(':') ? type === DNS_TYPE.AAAA : type === DNS_TYPE.A);
  return [...new Set(hosts.map((host) => host.address))]
    .filter(wanted)
    .map((address) => ({ type: address.includes(':') ? 'AAAA' : 'A', name, ttl: TTL, address }));
}

function serviceKey(slice: EndpointSlice): string | undefined {
  const service = slice.metadata.labels?.['kubernetes.io/service-name'];
  return service === undefined ? undefined : `${slice.metadata.namespace}/${service}`;
}
