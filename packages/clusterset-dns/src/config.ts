/** Configuration of the name server from the environment. Pure; all problems at once. */
import { parseIp } from '@mesh/model';
import { ConfigReader } from '@mesh/runtime';
import type { Env, LogFormat, LogLevel } from '@mesh/runtime';
import { DEFAULT_ZONE } from './zone.ts';

export interface ClustersetDnsConfig {
  readonly zone: string;
  readonly address: { readonly host: string; readonly port: number };
  readonly adminAddress: { readonly host: string; readonly port: number };
  /** Of this server, as the zone names it; empty: the zone's name server has no address. */
  readonly serverAddresses: readonly Uint8Array[];
  readonly lingerMs: number;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

/** Multicast DNS has the number, too, but nobody else is in the pod; 53 would need a capability. */
export const DEFAULT_PORT = 5353;
export const DEFAULT_ADMIN_PORT = 9993;
/** Nodes and resolvers go on sending to a pod that ends until they have heard of it; the gateway waits as long. */
const DEFAULT_LINGER_MS = 3_000;

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'off'] as const;
const ZONE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$/;
/** Leaves room for the longest names of endpoints: host, cluster, Service and namespace. */
const ZONE_LENGTH_MAX = 100;

/** @throws ConfigError naming every key that is wrong. */
export function parseClustersetDnsConfig(env: Env): ClustersetDnsConfig {
  const reader = new ConfigReader(env);
  const serverAddresses = reader.list('_pod_ips', []).flatMap((text) => parseIp(text) ?? []);
  // All addresses of the pod's families; a node without IPv6 has no `::`.
  const host = serverAddresses.some((address) => address.length === 16) ? '::' : '0.0.0.0';
  const config: ClustersetDnsConfig = {
    zone: reader.custom('MESH_DNS_ZONE', DEFAULT_ZONE, 'a domain such as clusterset.local', zone),
    address: reader.socketAddress('MESH_DNS_ADDRESS', { host, port: DEFAULT_PORT }),
    adminAddress: reader.socketAddress('MESH_ADMIN_ADDRESS', { host, port: DEFAULT_ADMIN_PORT }),
    serverAddresses,
    lingerMs: reader.durationMs('MESH_SHUTDOWN_LINGER', DEFAULT_LINGER_MS),
    logLevel: reader.oneOf<LogLevel>('MESH_LOG_LEVEL', 'info', LOG_LEVELS),
    logFormat: reader.oneOf<LogFormat>('MESH_LOG_FORMAT', 'plain', ['plain', 'json']),
  };
  reader.check();
  return config;
}

function zone(text: string): string | undefined {
  const name = text.toLowerCase().replace(/\.$/, '');
  return ZONE.test(name) && name.length <= ZONE_LENGTH_MAX ? name : undefined;
}
