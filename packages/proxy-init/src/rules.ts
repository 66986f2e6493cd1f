/**
 * The rules that send a pod's TCP connections to its sidecar, as values. Pure.
 *
 *   PREROUTING ──► PROXY_INIT_REDIRECT   ignored ports, ignored sources: leave; else to the inbound port
 *   OUTPUT ──────► PROXY_INIT_OUTPUT     the proxy's own, loopback, ignored ports: leave; else to the outbound port
 *
 * Chain names, order and comments are those that Linkerd documents for `linkerd-init`: people look for them.
 */
import { formatCidr } from '@mesh/model';
import type { PortSet } from '@mesh/model';
import type { ProxyInitConfig } from './config.ts';

export type Family = 'ipv4' | 'ipv6';

/** Arguments of one rule, after `-A CHAIN`. */
export type Rule = readonly string[];

export interface Chain {
  readonly name: string;
  /** The built-in chain that leads to it. */
  readonly hook: 'PREROUTING' | 'OUTPUT';
  readonly jump: Rule;
  readonly rules: readonly Rule[];
}

/** `multiport` takes so many port numbers; a range counts as two. */
const PORTS_PER_RULE_MAX = 15;
const LEAVE = words('-j RETURN');

/** Both chains of the NAT table for one version of IP. */
export function redirectChains(config: ProxyInitConfig, family: Family): readonly Chain[] {
  return [inboundChain(config, family), outboundChain(config)];
}

function inboundChain(config: ProxyInitConfig, family: Family): Chain {
  const toProxy = words(`-j REDIRECT --to-ports ${config.incomingProxyPort}`);
  const sources = config.subnetsToIgnore.filter(({ bytes }) => (bytes.length === 4) === (family === 'ipv4'));
  const redirect = config.portsToRedirect.isEmpty
    ? [[...words('-p tcp'), ...comment('redirect-all-incoming-to-proxy-port'), ...toProxy]]
    : portRules(config.portsToRedirect, 'redirect-port-to-proxy-port', toProxy);
  return {
    name: 'PROXY_INIT_REDIRECT',
    hook: 'PREROUTING',
    jump: [...comment('install-proxy-init-prerouting'), ...words('-j PROXY_INIT_REDIRECT')],
    rules: [
      ...portRules(config.inboundPortsToIgnore, 'ignore-port', LEAVE),
      ...sources.map((subnet) => [...words(`-s ${formatCidr(subnet)}`), ...comment('ignore-subnet'), ...LEAVE]),
      ...redirect,
    ],
  };
}

function outboundChain({ proxyUid, proxyGid, outgoingProxyPort, outboundPortsToIgnore }: ProxyInitConfig): Chain {
  const toProxy = words(`-j REDIRECT --to-ports ${outgoingProxyPort}`);
  const leave = (match: string, about: string): Rule => [...words(match), ...comment(about), ...LEAVE];
  return {
    name: 'PROXY_INIT_OUTPUT',
    hook: 'OUTPUT',
    jump: [...comment('install-proxy-init-output'), ...words('-j PROXY_INIT_OUTPUT')],
    rules: [
      ...(proxyUid > 0 ? [leave(`-m owner --uid-owner ${proxyUid}`, 'ignore-proxy-user-id')] : []),
      ...(proxyGid >= 0 ? [leave(`-m owner --gid-owner ${proxyGid}`, 'ignore-proxy-group-id')] : []),
      leave('-o lo', 'ignore-loopback'),
      ...portRules(outboundPortsToIgnore, 'ignore-port', LEAVE),
      [...words('-p tcp'), ...comment('redirect-all-outgoing-to-proxy-port'), ...toProxy],
    ],
  };
}

/** As many rules as the ports need. */
function portRules(ports: PortSet, about: string, action: Rule): Rule[] {
  return groupPorts(ports).map((list) => [
    ...words(`-p tcp -m multiport --dports ${list}`),
    ...comment(about),
    ...action,
  ]);
}

function groupPorts({ ranges }: PortSet): string[] {
  const groups: string[][] = [];
  let room = 0;
  for (const [first, last] of ranges) {
    const size = first === last ? 1 : 2;
    if (size > room) {
      groups.push([]);
      room = PORTS_PER_RULE_MAX;
    }
    groups.at(-1)?.push(first === last ? String(first) : `${first}:${last}`);
    room -= size;
  }
  return groups.map((group) => group.join(','));
}

function comment(about: string): Rule {
  return words(`-m comment --comment proxy-init/${about}`);
}

function words(text: string): Rule {
  return text.split(' ');
}
