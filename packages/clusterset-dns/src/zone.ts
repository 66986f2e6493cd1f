/** The zone's contents: imported Services and the slices of their endpoints, as the caches report them. */
import type { ServiceImport } from '@mesh/kube';
import { RECORD_TTL, serviceRecords } from './service-records.ts';
import type { ClustersetSlice, ServiceRecords } from './service-records.ts';
import { TYPE } from './message.ts';
import type { ResourceRecord } from './message.ts';

export const DEFAULT_ZONE = 'clusterset.local';
export const SERVICE_NAME_LABEL = 'multicluster.kubernetes.io/service-name';

/** What answers are made from. Names are lower case. */
export interface ZoneData {
  /** Labels of the zone, such as `clusterset`, `local`. */
  readonly labels: readonly string[];
  readonly name: string;
  readonly soa: ResourceRecord;
  readonly ns: ResourceRecord;
  /** Addresses of the name server that the zone names. */
  readonly nameServer: {
    readonly name: string;
    readonly v4: readonly ResourceRecord[];
    readonly v6: readonly ResourceRecord[];
  };
  service(namespace: string, name: string): ServiceRecords | undefined;
  /** Some Service of the namespace is imported. */
  hasNamespace(namespace: string): boolean;
}

export interface ZoneOptions {
  readonly name: string;
  /** Of this server, 4 or 16 bytes each. */
  readonly serverAddresses: readonly Uint8Array[];
  /** RFC 1035 §3.3.13: grows with each change; the time at the start, in seconds, keeps it growing over restarts. */
  readonly firstSerial: number;
}

interface Entry {
  imported: ServiceImport['spec'] | undefined;
  readonly slices: Map<string, ClustersetSlice>;
  /** Made when first asked for after a change, so that a burst of changes costs nothing. */
  records: ServiceRecords | undefined;
}

export class ClustersetZone implements ZoneData {
  readonly name: string;
  readonly labels: readonly string[];
  readonly ns: ResourceRecord;
  readonly nameServer: ZoneData['nameServer'];
  readonly #entries = new Map<string, Map<string, Entry>>();
  readonly #imports = new Map<string, number>();
  #serial: number;
  #soa: ResourceRecord | undefined;

  constructor({ name, serverAddresses, firstSerial }: ZoneOptions) {
    this.name = name;
    this.labels = name.split('.');
    this.#serial = firstSerial;
    const server = `ns.dns.${name}`;
    const of = (type: typeof TYPE.A | typeof TYPE.AAAA, bytes: number): readonly ResourceRecord[] =>
      serverAddresses
        .filter((address) => address.length === bytes)
        .map((address) => ({ type, name: server, ttl: RECORD_TTL, address }));
    this.nameServer = { name: server, v4: of(TYPE.A, 4), v6: of(TYPE.AAAA, 16) };
    this.ns = { type: TYPE.NS, name, ttl: RECORD_TTL, target: server };
  }

  /** Its minimum is how long resolvers keep a negative answer. */
  get soa(): ResourceRecord {
    this.#soa ??= {
      type: TYPE.SOA,
      name: this.name,
      ttl: RECORD_TTL,
      primary: this.nameServer.name,
      mailbox: `hostmaster.${this.name}`,
      serial: this.#serial,
      refresh: 7200,
      retry: 1800,
      expire: 86_400,
      minimum: RECORD_TTL,
    };
    return this.#soa;
  }

  service(namespace: string, name: string): ServiceRecords | undefined {
    const entry = this.#entries.get(namespace)?.get(name);
    if (entry?.imported === undefined) return undefined;
    entry.records ??= serviceRecords(`${name}.${namespace}.svc.${this.name}`, entry.imported, [
      ...entry.slices.values(),
    ]);
    return entry.records;
  }

  hasNamespace(namespace: string): boolean {
    return this.#imports.has(namespace);
  }

  /** How many Services are imported. */
  get importCount(): number {
    let count = 0;
    for (const inNamespace of this.#imports.values()) count += inNamespace;
    return count;
  }

  applyImport({ metadata, spec }: ServiceImport): void {
    const { namespace = '', name } = metadata;
    const entry = this.#entry(namespace, name);
    if (entry.imported === undefined) this.#imports.set(namespace, (this.#imports.get(namespace) ?? 0) + 1);
    entry.imported = spec;
    this.#changed(entry);
  }

  removeImport({ metadata }: Pick<ServiceImport, 'metadata'>): void {
    const { namespace = '', name } = metadata;
    const entry = this.#entries.get(namespace)?.get(name);
    if (entry?.imported === undefined) return;
    entry.imported = undefined;
    const left = (this.#imports.get(namespace) ?? 1) - 1;
    if (left === 0) this.#imports.delete(namespace);
    else this.#imports.set(namespace, left);
    this.#changed(entry);
    this.#forgetEmpty(namespace, name, entry);
  }

  /** @param slice of the label's Service; one without the label is passed over */
  applySlice(slice: ClustersetSlice): void {
    const { namespace = '', labels } = slice.metadata;
    const service = labels?.[SERVICE_NAME_LABEL];
    if (service === undefined) return;
    const entry = this.#entry(namespace, service);
    entry.slices.set(slice.metadata.name, slice);
    this.#changed(entry);
  }

  /** @param slice as it was applied */
  removeSlice({ metadata }: Pick<ClustersetSlice, 'metadata'>): void {
    const { namespace = '', labels } = metadata;
    const service = labels?.[SERVICE_NAME_LABEL] ?? '';
    const entry = this.#entries.get(namespace)?.get(service);
    if (entry === undefined || !entry.slices.delete(metadata.name)) return;
    this.#changed(entry);
    this.#forgetEmpty(namespace, service, entry);
  }

  #entry(namespace: string, name: string): Entry {
    const entries = this.#entries.get(namespace) ?? new Map<string, Entry>();
    this.#entries.set(namespace, entries);
    const entry = entries.get(name) ?? { imported: undefined, slices: new Map(), records: undefined };
    entries.set(name, entry);
    return entry;
  }

  #forgetEmpty(namespace: string, name: string, entry: Entry): void {
    if (entry.imported !== undefined || entry.slices.size > 0) return;
    const entries = this.#entries.get(namespace);
    entries?.delete(name);
    if (entries?.size === 0) this.#entries.delete(namespace);
  }

  #changed(entry: Entry): void {
    entry.records = undefined;
    this.#soa = undefined;
    this.#serial = (this.#serial + 1) >>> 0;
  }
}
