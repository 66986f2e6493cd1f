/**
 * What a container's process needs to live in its pod's network: the environment variables that
 * preload the shim, and the facts that the shim reads.
 */
import { fileURLToPath } from 'node:url';

/** Inclusive. */
export type PortRange = readonly [from: number, to: number];

/** How a pod's traffic passes its proxy; what `proxy-init` was asked for. */
export interface Redirect {
  readonly inboundPort: number;
  readonly outboundPort: number;
  readonly proxyUid: number;
  readonly inboundIgnore: readonly PortRange[];
  readonly outboundIgnore: readonly PortRange[];
  /** IPv4 networks whose connections to the pod go around the proxy. */
  readonly sourcesIgnore?: readonly string[];
}

/** One pod's network as the shim sees it. */
export interface PodNetwork {
  readonly hostname: string;
  readonly ip: string;
  /** Stands for 127.0.0.1 of the pod. */
  readonly loopback: string;
  readonly dns: { readonly address: string; readonly port: number };
  readonly searches: readonly string[];
  readonly ndots: number;
  /** Where programs announce the ports that they listen on. */
  readonly announceFolder: string;
  /** Ports that the pod declares; they are intercepted before a program announces them. */
  readonly ports: readonly number[];
  /** Added to ports below 1024, where this user may not bind those; else 0. */
  readonly privilegedOffset: number;
  readonly redirect?: Redirect;
}

const SHIM = fileURLToPath(new URL('./shim/main.cjs', import.meta.url));

/**
 * @param exempt true for a process that runs as the proxy's user: its connections are never redirected
 * @param files pairs of mount path and real folder
 */
export function podEnvironment(
  network: PodNetwork,
  exempt: boolean,
  files: readonly (readonly [from: string, to: string])[],
  own: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const sorted = files.toSorted((a, b) => b[0].length - a[0].length);
  return {
    HOSTNAME: network.hostname,
    EMBEDDED_POD: JSON.stringify({ ...network, exempt, files: sorted }),
    NODE_OPTIONS: join(`--require=${quote(SHIM)}`, own['NODE_OPTIONS']),
    BUN_OPTIONS: join(`--preload=${quote(SHIM)}`, own['BUN_OPTIONS']),
  };
}

function join(first: string, second: string | undefined): string {
  return second === undefined || second === '' ? first : `${first} ${second}`;
}

function quote(path: string): string {
  return /[\s"\\]/.test(path) ? `"${path.replaceAll(/["\\]/g, String.raw`\$&`)}"` : path;
}
