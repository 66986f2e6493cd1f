/**
 * `proxy-init` here: instead of iptables rules, the same arguments become the redirect of the pod's
 * network state, which containers that start later read.
 */
import { isIP } from 'node:net';
import { parseArgs } from 'node:util';
import { MeshError } from '@mesh/runtime';
import type { PortRange, Redirect } from '../pod-net/pod-environment.ts';

const OPTIONS = {
  'incoming-proxy-port': { type: 'string', short: 'p', default: '4143' },
  'outgoing-proxy-port': { type: 'string', short: 'o', default: '4140' },
  'proxy-uid': { type: 'string', short: 'u', default: '2102' },
  'inbound-ports-to-ignore': { type: 'string', default: '' },
  'outbound-ports-to-ignore': { type: 'string', default: '' },
  'subnets-to-ignore': { type: 'string', default: '' },
} as const;

/**
 * Arguments without a meaning here (iptables mode, log level, timeouts) are accepted and ignored, as are IPv6 networks: no pod here has
 * an IPv6 address.
 *
 * @throws MeshError `bad_argument`
 */
export function parseProxyInit(args: readonly string[]): Redirect {
  const { values } = parseArgs({ args: [...args], options: OPTIONS, strict: false, allowPositionals: true });
  const text = (name: keyof typeof OPTIONS): string => String(values[name] ?? '');
  const sources = parseSubnets('subnets-to-ignore', text('subnets-to-ignore'));
  return {
    inboundPort: parsePort('incoming-proxy-port', text('incoming-proxy-port')),
    outboundPort: parsePort('outgoing-proxy-port', text('outgoing-proxy-port')),
    proxyUid: parseNumber('proxy-uid', text('proxy-uid'), 0x7fff_ffff),
    inboundIgnore: parseRanges('inbound-ports-to-ignore', text('inbound-ports-to-ignore')),
    outboundIgnore: parseRanges('outbound-ports-to-ignore', text('outbound-ports-to-ignore')),
    ...(sources.length === 0 ? {} : { sourcesIgnore: sources }),
  };
}

function parseRanges(name: string, text: string): PortRange[] {
  const parts = text.split(',').map((part) => part.trim());
  return parts
    .filter((part) => part !== '')
    .map((part): PortRange => {
      const [from = '', to = from] = part.split('-');
      return [parsePort(name, from), parsePort(name, to)];
    });
}

/** Addresses count as networks of one. */
function parseSubnets(name: string, text: string): string[] {
  const parts = text.split(',').map((part) => part.trim());
  return parts
    .filter((part) => part !== '')
    .map((part) => {
      const [address = '', bits, ...rest] = part.split('/');
      const version = isIP(address);
      const length = bits === undefined ? (version === 6 ? 128 : 32) : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
      if (version !== 0 && rest.length === 0 && length >= 0 && length <= (version === 6 ? 128 : 32))
        return { version, network: `${address}/${length}` };
      const message = `--${name}: ${JSON.stringify(part)} is not a network such as 10.0.0.0/8`;
      throw new MeshError({ code: 'bad_argument', argument: name, value: part }, message);
    })
    .filter(({ version }) => version === 4)
    .map(({ network }) => network);
}

function parsePort(name: string, text: string): number {
  return parseNumber(name, text, 65_535);
}

function parseNumber(name: string, text: string, max: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 0 && value <= max) return value;
  const message = `--${name}: ${JSON.stringify(text)} is not a number from 0 to ${max}`;
  throw new MeshError({ code: 'bad_argument', argument: name, value: text }, message);
}
