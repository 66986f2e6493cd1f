/** The arguments of `proxy-init`, as Linkerd's injector gives them to `linkerd-init`. Pure: all problems come back at once. */
import { parseCidr, parsePortSet, PortSet } from '@mesh/model';
import type { Cidr } from '@mesh/model';
import { ConfigError } from '@mesh/runtime';
import { FlagReader, parseFlags } from './flags.ts';
import type { FlagSpec } from './flags.ts';
import { LOG_FLAGS, readLogOptions } from './log-flags.ts';
import type { LogOptions } from './log-flags.ts';

export interface ProxyInitConfig {
  readonly incomingProxyPort: number;
  readonly outgoingProxyPort: number;
  /** Connections of this user are the proxy's own; 0 or less: nobody is exempt. */
  readonly proxyUid: number;
  /** The same for a group; negative: none. */
  readonly proxyGid: number;
  /** Only these inbound ports are redirected; empty: all. */
  readonly portsToRedirect: PortSet;
  readonly inboundPortsToIgnore: PortSet;
  readonly outboundPortsToIgnore: PortSet;
  /** Inbound connections from these networks are left alone. */
  readonly subnetsToIgnore: readonly Cidr[];
  /** Print what would be done. */
  readonly simulate: boolean;
  /** How long the kernel remembers a connection that one side closed, seconds; 0: its own value. */
  readonly timeoutCloseWaitSecs: number;
  readonly ipv6: boolean;
  readonly firewall: Firewall;
  readonly log: LogOptions;
}

/** Names or paths of the programs for IPv4; those for IPv6 follow from them. */
export interface Firewall {
  readonly save: string;
  readonly restore: string;
}

/** The proxy's defaults in Linkerd's charts. */
const DEFAULTS = { incomingProxyPort: 4143, outgoingProxyPort: 4140, proxyUid: 2102 };
const ID_MAX = 0x7fff_fffe;
const PORTS: readonly [number, number] = [1, 65_535];
/** As in Linkerd's charts: `plain` is whatever the image has under the bare name. */
const MODES = { nft: 'iptables-nft', legacy: 'iptables-legacy', plain: 'iptables' } as const;

export const PROXY_INIT_FLAGS = {
  'incoming-proxy-port': { kind: 'text', short: 'p', about: 'port of the proxy for inbound connections (4143)' },
  'outgoing-proxy-port': { kind: 'text', short: 'o', about: 'port of the proxy for outbound connections (4140)' },
  'proxy-uid': { kind: 'text', short: 'u', about: 'user whose connections are left alone (2102)' },
  'proxy-gid': { kind: 'text', short: 'g', about: 'group whose connections are left alone (none)' },
  'ports-to-redirect': { kind: 'text', short: 'r', about: 'the only inbound ports to redirect (all)' },
  'inbound-ports-to-ignore': { kind: 'text', about: 'inbound ports and ranges to leave alone' },
  'outbound-ports-to-ignore': { kind: 'text', about: 'outbound ports and ranges to leave alone' },
  'subnets-to-ignore': { kind: 'text', about: 'networks whose inbound connections are left alone' },
  simulate: { kind: 'boolean', about: 'print what would be done' },
  'use-wait-flag': { kind: 'boolean', short: 'w', about: 'accepted from old manifests: the lock is always waited for' },
  'timeout-close-wait-secs': { kind: 'text', about: 'how long the kernel remembers half-closed connections' },
  ipv6: { kind: 'boolean', about: 'redirect IPv6, too (true)' },
  'iptables-mode': { kind: 'text', about: 'nft (default), legacy or plain' },
  'firewall-bin-path': { kind: 'text', about: 'iptables program, instead of a mode' },
  'firewall-save-bin-path': { kind: 'text', about: 'its program that prints the rules' },
  ...LOG_FLAGS,
} as const satisfies Record<string, FlagSpec>;

/** @throws ConfigError with a sentence per problem */
export function parseProxyInitConfig(args: readonly string[]): ProxyInitConfig {
  const reader = new FlagReader(parseFlags(args, PROXY_INIT_FLAGS));
  const config: ProxyInitConfig = {
    incomingProxyPort: reader.integer('incoming-proxy-port', DEFAULTS.incomingProxyPort, PORTS),
    outgoingProxyPort: reader.integer('outgoing-proxy-port', DEFAULTS.outgoingProxyPort, PORTS),
    proxyUid: reader.integer('proxy-uid', DEFAULTS.proxyUid, [-1, ID_MAX]),
    proxyGid: reader.integer('proxy-gid', -1, [-1, ID_MAX]),
    portsToRedirect: readPorts(reader, 'ports-to-redirect'),
    inboundPortsToIgnore: readPorts(reader, 'inbound-ports-to-ignore'),
    outboundPortsToIgnore: readPorts(reader, 'outbound-ports-to-ignore'),
    subnetsToIgnore: readSubnets(reader),
    simulate: reader.boolean('simulate', false),
    timeoutCloseWaitSecs: reader.integer('timeout-close-wait-secs', 0, [0, ID_MAX]),
    ipv6: reader.boolean('ipv6', true),
    firewall: readFirewall(reader),
    log: readLogOptions(reader),
  };
  reader.boolean('use-wait-flag', true);
  if (config.incomingProxyPort === config.outgoingProxyPort)
    reader.problem('outgoing-proxy-port', String(config.outgoingProxyPort), 'another port than --incoming-proxy-port');
  if (reader.problems.length > 0) throw new ConfigError(reader.problems);
  return config;
}

function readPorts(reader: FlagReader, name: string): PortSet {
  const ports = parsePortSet(reader.list(name));
  if (ports instanceof PortSet) return ports;
  reader.problem(name, ports.invalid, 'a port (1 to 65535) or an ascending range of ports such as 8000-8010');
  return PortSet.EMPTY;
}

function readSubnets(reader: FlagReader): Cidr[] {
  const items = reader
    .list('subnets-to-ignore')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
  return items.flatMap((item) => {
    const subnet = parseCidr(item);
    if (subnet !== undefined) return [subnet];
    reader.problem('subnets-to-ignore', item, 'a network such as 10.0.0.0/8 or fd00::/8');
    return [];
  });
}

/** A path that was given wins over the mode. The program that restores has the name of the one that changes single rules. */
function readFirewall(reader: FlagReader): Firewall {
  const mode = reader.oneOf<string>('iptables-mode', MODES.nft, MODES);
  const bin = reader.text('firewall-bin-path') || mode;
  const save = reader.text('firewall-save-bin-path') || `${bin}-save`;
  for (const [name, path] of [
    ['firewall-bin-path', bin],
    ['firewall-save-bin-path', save],
  ] as const)
    if (!baseName(path).startsWith('iptables')) reader.problem(name, path, 'a program whose name begins with iptables');
  return { save, restore: `${bin}-restore` };
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
