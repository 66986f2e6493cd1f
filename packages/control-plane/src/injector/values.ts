/** The values that injection reads, by the names of Linkerd's chart, and their defaults. */

export interface InjectionResources {
  readonly cpu: { readonly request: string; readonly limit: string };
  readonly memory: { readonly request: string; readonly limit: string };
  readonly 'ephemeral-storage'?: { readonly request: string; readonly limit: string };
}

export interface InjectionValues {
  readonly cliVersion: string;
  readonly linkerdVersion: string;
  readonly clusterDomain: string;
  readonly clusterNetworks: string;
  /** Empty: the cluster domain. */
  readonly identityTrustDomain: string;
  readonly imagePullPolicy: string;
  readonly disableIPv6?: boolean;
  readonly proxy: {
    readonly image: { readonly name: string; readonly version: string; readonly pullPolicy: string };
    readonly logLevel: string;
    readonly logFormat: string;
    readonly nativeSidecar: boolean;
    readonly await: boolean;
    readonly uid: number;
    readonly cores: number;
    readonly opaquePorts: string;
    readonly defaultInboundPolicy: string;
    readonly inboundConnectTimeout: string;
    readonly outboundConnectTimeout: string;
    readonly outboundDiscoveryCacheUnusedTimeout: string;
    readonly inboundDiscoveryCacheUnusedTimeout: string;
    readonly enableExternalProfiles: boolean;
    readonly enableShutdownEndpoint: boolean;
    readonly requireIdentityOnInboundPorts: string;
    readonly waitBeforeExitSeconds: number;
    readonly ports: {
      readonly admin: number;
      readonly control: number;
      readonly inbound: number;
      readonly outbound: number;
    };
    readonly control: {
      readonly streams: { readonly initialTimeout: string; readonly idleTimeout: string; readonly lifetime: string };
    };
    readonly resources: InjectionResources;
  };
  readonly proxyInit: {
    readonly ignoreInboundPorts: string;
    readonly ignoreOutboundPorts: string;
    readonly skipSubnets: string;
    readonly iptablesMode: string;
    readonly runAsUser: number;
    readonly runAsGroup: number;
  };
}

export const DEFAULT_INJECTION_VALUES: InjectionValues = {
  cliVersion: '',
  linkerdVersion: '',
  clusterDomain: 'cluster.local',
  clusterNetworks: '10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16,fd00::/8',
  identityTrustDomain: '',
  imagePullPolicy: 'IfNotPresent',
  proxy: {
    image: { name: 'mesh-proxy', version: '', pullPolicy: '' },
    logLevel: 'warn,linkerd=info,hickory=error',
    logFormat: 'plain',
    nativeSidecar: true,
    await: true,
    uid: 2102,
    cores: 0,
    opaquePorts: '25,587,3306,4444,5432,6379,9300,11211',
    defaultInboundPolicy: 'all-unauthenticated',
    inboundConnectTimeout: '100ms',
    outboundConnectTimeout: '1000ms',
    outboundDiscoveryCacheUnusedTimeout: '5s',
    inboundDiscoveryCacheUnusedTimeout: '90s',
    enableExternalProfiles: false,
    enableShutdownEndpoint: false,
    requireIdentityOnInboundPorts: '',
    waitBeforeExitSeconds: 0,
    ports: { admin: 4191, control: 4190, inbound: 4143, outbound: 4140 },
    control: { streams: { initialTimeout: '3s', idleTimeout: '5m', lifetime: '1h' } },
    resources: { cpu: { request: '', limit: '' }, memory: { request: '', limit: '' } },
  },
  proxyInit: {
    ignoreInboundPorts: '4567,4568',
    ignoreOutboundPorts: '4567,4568',
    skipSubnets: '',
    iptablesMode: 'nft',
    runAsUser: 65_534,
    runAsGroup: 65_534,
  },
};

/** Values that someone wrote, over the defaults; fields of another type than the default's are left at the default. */
export function injectionValues(written: unknown): InjectionValues {
  return overlay(DEFAULT_INJECTION_VALUES, written) as InjectionValues;
}

function overlay(base: unknown, over: unknown): unknown {
  if (over === undefined || over === null) return base;
  if (typeof base === 'object' && base !== null) {
    if (typeof over !== 'object' || Array.isArray(over)) return base;
    const merged: Record<string, unknown> = { ...over };
    for (const [key, value] of Object.entries(base))
      merged[key] = overlay(value, (over as Record<string, unknown>)[key]);
    return merged;
  }
  if (typeof base === 'string' && typeof over === 'number') return String(over);
  return base === undefined || typeof over === typeof base ? over : base;
}
