/**
 * Which zones the cluster's DNS passes on, and to whom: read from a Corefile, the configuration of CoreDNS, whose server blocks for other
 * zones than `.` may have a `forward` line. Everything else of it is left to CoreDNS.
 *
 *     clusterset.local:53 {
 *         forward . 127.9.128.7
 *     }
 */
import { isIP } from 'node:net';

export interface Upstream {
  readonly address: string;
  readonly port: number;
}

export interface ForwardZone {
  /** Lower case, without the last dot. */
  readonly zone: string;
  readonly upstreams: readonly Upstream[];
}

const DNS_PORT = 53;

export function parseForwards(corefile: string): readonly ForwardZone[] {
  const zones = new Map<string, Upstream[]>();
  let depth = 0;
  let keys: readonly string[] = [];
  for (const line of corefile.split('\n')) {
    const words = line
      .replace(/#.*$/, '')
      .trim()
      .split(/\s+/)
      .filter((word) => word !== '');
    const opens = words.at(-1) === '{';
    if (depth === 0 && opens) keys = words.slice(0, -1).flatMap(zoneOf);
    else if (depth === 1 && words[0] === 'forward') {
      const upstreams = words.slice(2).flatMap(upstreamOf);
      for (const key of keys) zones.set(key, [...(zones.get(key) ?? []), ...upstreams]);
    }
    if (opens) depth += 1;
    else if (words[0] === '}') depth = Math.max(0, depth - 1);
  }
  return [...zones].filter(([, upstreams]) => upstreams.length > 0).map(([zone, upstreams]) => ({ zone, upstreams }));
}

/** `dns://clusterset.local.:53,` and the like; the root is not passed on, but asked of this machine. */
function zoneOf(key: string): readonly string[] {
  const zone = key
    .replace(/,$/, '')
    .replace(/^dns:\/\//, '')
    .replace(/:\d+$/, '')
    .replace(/\.$/, '')
    .toLowerCase();
  return zone === '' || zone.includes('/') ? [] : [zone];
}

function upstreamOf(text: string): readonly Upstream[] {
  const plain = text.replace(/^dns:\/\//, '');
  const [, address = plain, port = String(DNS_PORT)] = /^(\d+\.\d+\.\d+\.\d+):(\d+)$/.exec(plain) ?? [];
  return isIP(address) === 4 ? [{ address, port: Number(port) }] : [];
}
