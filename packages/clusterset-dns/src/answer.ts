/**
 * What the zone says to a question: the table of KEP-1645's DNS specification. Pure.
 *
 *   dns-version                              TXT "1.0.0"
 *   <service>.<namespace>.svc                A, AAAA, SRV
 *   _<port>._<protocol>.<service>.<ns>.svc   SRV
 *   <host>.<cluster>.<service>.<ns>.svc      A, AAAA (headless Services)
 */
import { CLASS_IN, RCODE, TYPE } from './message.ts';
import type { Question, Reply, ResourceRecord } from './message.ts';
import { RECORD_TTL } from './service-records.ts';
import type { AddressRecords, PortRecords, ServiceRecords } from './service-records.ts';
import type { ZoneData } from './zone.ts';

/** Of the schema that this answers by. */
const SCHEMA_VERSION = '1.0.0';
const NONE: readonly ResourceRecord[] = [];
const REFUSED: Reply = { code: RCODE.refused, authoritative: false, answers: NONE, authority: NONE, additional: NONE };

/** @param turn Which of several records comes first: clients tend to take that one. Any whole number, not negative. */
export function answer({ labels, type, class: asked }: Question, zone: ZoneData, turn = 0): Reply {
  const depth = labels.length - zone.labels.length;
  if (asked !== CLASS_IN || depth < 0 || !zone.labels.every((label, index) => labels[depth + index] === label))
    return REFUSED;
  // Transfers are for secondaries, which this zone does not have.
  if (type === TYPE.AXFR || type === TYPE.IXFR) return REFUSED;
  if (depth === 0) return apex(type, zone);
  const below = labels.slice(0, depth);
  if (below.at(-1) === 'svc') return serviceName(below.slice(0, -1), type, zone, turn);
  return ownName(below, type, zone);
}

function apex(type: number, zone: ZoneData): Reply {
  const { v4, v6 } = zone.nameServer;
  if (type === TYPE.SOA) return found([zone.soa]);
  if (type === TYPE.NS || type === TYPE.ANY) return found([zone.ns], [...v4, ...v6]);
  return noData(zone);
}

/** Names that are there whatever is imported. */
function ownName(below: readonly string[], type: number, zone: ZoneData): Reply {
  const name = below.join('.');
  if (below.length === 1 && name === 'dns') return noData(zone);
  if (below.length === 2 && name === 'ns.dns') return addresses(zone, zone.nameServer, type, 0);
  if (below.length !== 1 || name !== 'dns-version') return noName(zone);
  if (type !== TYPE.TXT && type !== TYPE.ANY) return noData(zone);
  return found([{ type: TYPE.TXT, name: `dns-version.${zone.name}`, ttl: RECORD_TTL, text: SCHEMA_VERSION }]);
}

/** @param path without `svc`, such as `web`, `shop` */
function serviceName(path: readonly string[], type: number, zone: ZoneData, turn: number): Reply {
  const [namespace, name] = [path.at(-1), path.at(-2)];
  if (namespace === undefined) return noData(zone);
  if (name === undefined) return zone.hasNamespace(namespace) ? noData(zone) : noName(zone);
  const service = zone.service(namespace, name);
  if (service?.exists !== true) return noName(zone);
  const prefix = path.slice(0, -2);
  if (prefix.length === 0) {
    if (type === TYPE.SRV) return ports(zone, service.allPorts, turn);
    return addresses(zone, service.addresses, type, turn);
  }
  return belowService(prefix, service, type, zone, turn);
}

function belowService(
  prefix: readonly string[],
  service: ServiceRecords,
  type: number,
  zone: ZoneData,
  turn: number,
): Reply {
  // A cluster has no record, but its hosts are below it: "no such name" would deny them, too (RFC 8020).
  if (prefix.length === 1) return service.parents.has(prefix[0] ?? '') ? noData(zone) : noName(zone);
  if (prefix.length > 2) return noName(zone);
  const key = prefix.join('.');
  const port = service.ports.get(key);
  if (port !== undefined) return type === TYPE.SRV || type === TYPE.ANY ? ports(zone, port, turn) : noData(zone);
  const host = service.hosts.get(key);
  return host === undefined ? noName(zone) : addresses(zone, host, type, turn);
}

/** To ANY with one set of records only (RFC 8482 §4.1). */
function addresses(zone: ZoneData, { v4, v6 }: AddressRecords, type: number, turn: number): Reply {
  const any = v4.length > 0 ? v4 : v6;
  const records = type === TYPE.A ? v4 : type === TYPE.AAAA ? v6 : type === TYPE.ANY ? any : NONE;
  return records.length === 0 ? noData(zone) : found(rotated(records, turn));
}

function ports(zone: ZoneData, { records, targets }: PortRecords, turn: number): Reply {
  return records.length === 0 ? noData(zone) : found(rotated(records, turn), targets);
}

function rotated<T>(records: readonly T[], turn: number): readonly T[] {
  const first = turn % records.length;
  return first === 0 ? records : [...records.slice(first), ...records.slice(0, first)];
}

function found(answers: readonly ResourceRecord[], additional: readonly ResourceRecord[] = NONE): Reply {
  return { code: RCODE.noError, authoritative: true, answers, authority: NONE, additional };
}

/** The name exists, not so the type. */
function noData(zone: ZoneData): Reply {
  return { code: RCODE.noError, authoritative: true, answers: NONE, authority: [zone.soa], additional: NONE };
}

function noName(zone: ZoneData): Reply {
  return { code: RCODE.noSuchName, authoritative: true, answers: NONE, authority: [zone.soa], additional: NONE };
}
