/** What a client asks for: `host:port` paths of discovery, and its context token. */
import { isDnsName, parseIp } from '@mesh/model';

export type Target =
  | {
      readonly kind: 'service';
      readonly namespace: string;
      readonly service: string;
      /** Set for one pod of a headless Service. */
      readonly hostname: string | undefined;
      readonly port: number;
    }
  | { readonly kind: 'ip'; readonly ip: string; readonly port: number }
  | { readonly kind: 'invalid'; readonly message: string };

/** Used when a path names no port. */
const DEFAULT_PORT = 80;

/**
 * Reads `<svc>.<ns>.svc.<clusterDomain>[:port]`, the same with a hostname in front, or `<ip>[:port]`.
 */
export function parseTarget(path: string, clusterDomain: string): Target {
  const parts = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/.exec(path);
  const host = (parts?.[1] ?? parts?.[2] ?? '').toLowerCase().replace(/\.$/, '');
  const port = parts?.[3] === undefined ? DEFAULT_PORT : Number(parts[3]);
  if (parts === null || port < 1 || port > 65_535) {
    return { kind: 'invalid', message: `destination "${path}" is not host:port with a port in 1..65535` };
  }
  if (parseIp(host) !== undefined) return { kind: 'ip', ip: host, port };
  const suffix = `.svc.${clusterDomain}`;
  const labels = host.endsWith(suffix) ? host.slice(0, -suffix.length).split('.') : [];
  const [first, second, third] = labels;
  if (!isDnsName(host) || first === undefined || second === undefined || labels.length > 3) {
    return {
      kind: 'invalid',
      message: `destination "${path}" is not <service>.<namespace>${suffix}; names outside of the cluster are not discovered`,
    };
  }
  return third === undefined
    ? { kind: 'service', service: first, namespace: second, hostname: undefined, port }
    : { kind: 'service', hostname: first, service: second, namespace: third, port };
}

/** Where a client runs, as far as it says so. */
export interface ClientContext {
  readonly namespace: string;
  readonly nodeName: string;
  readonly pod: string;
}

const NOWHERE: ClientContext = { namespace: '', nodeName: '', pod: '' };

/** Reads `{"ns":…,"nodeName":…,"pod":…}` or the older `ns:<namespace>`; anything else tells nothing. */
export function parseContextToken(token: string): ClientContext {
  if (token.startsWith('ns:')) return { ...NOWHERE, namespace: token.slice(3) };
  try {
    const value: unknown = JSON.parse(token);
    if (typeof value !== 'object' || value === null) return NOWHERE;
    const field = (name: string): string => {
      const text: unknown = (value as Record<string, unknown>)[name];
      return typeof text === 'string' ? text : '';
    };
    return { namespace: field('ns'), nodeName: field('nodeName'), pod: field('pod') };
  } catch {
    return NOWHERE;
  }
}
