/**
 * The values that injection reads, by the names of Linkerd's chart, and their defaults. They are `mesh install`'s values as ConfigMap
 * `linkerd-config` keeps them; the CLI, which describes and checks them, is tested to have the same names and defaults.
 */

export interface ResourceBounds {
  readonly request: string;
  readonly limit: string;
}

export interface InjectionResources {
  readonly cpu: ResourceBounds;
  readonly memory: ResourceBounds;
  readonly 'ephemeral-storage'?: ResourceBounds;
}

export interface InjectionImage {
  readonly name: string;
  /** Tag; empty for none. */
  readonly version: string;
  /** Empty: `imagePullPolicy`. */
  readonly pullPolicy: string;
}

export interface ProxyValues {
  readonly image: InjectionImage;
  /** `bun` or `node`: what runs the sidecar. Each has an image of its own. */
  readonly runtime: string;
  readonly logLevel: string;
  /** `plain` or `json`. */
  readonly logFormat: string;
  /** `off` or `insecure`: whether headers of requests may be logged. */
  readonly logHTTPHeaders: string;
  /** `apache`, `json`, or empty for none. */
  readonly accessLog: string;
  readonly nativeSidecar: boolean;
  /** The application starts only when the sidecar is ready. */
  readonly await: boolean;
  readonly uid: number;
  /** Negative: the image's. */
  readonly gid: number;
  readonly cores: number;
  /** Share of the node's processors that the sidecar may use, 0 to 1; empty for no bound. */
  readonly cpuRatioLimit: string;
  readonly opaquePorts: string;
  /** Ports of the application beyond those that its containers declare. */
  readonly podInboundPorts: string;
  readonly defaultInboundPolicy: string;
  readonly inboundConnectTimeout: string;
  readonly outboundConnectTimeout: string;
  readonly outboundDiscoveryCacheUnusedTimeout: string;
  readonly inboundDiscoveryCacheUnusedTimeout: string;
  readonly disableOutboundProtocolDetectTimeout: boolean;
  readonly disableInboundProtocolDetectTimeout: boolean;
  readonly enableExternalProfiles: boolean;
  readonly enableShutdownEndpoint: boolean;
  readonly requireIdentityOnInboundPorts: string;
  /** Identities, separated by commas, of gateways that sidecars believe when they say who their clients are; empty: this cluster's own gateway. */
  readonly gatewayIdentities: string;
  /** Empty: the sidecar's own default, two minutes. */
  readonly shutdownGracePeriod: string;
  readonly waitBeforeExitSeconds: number;
  readonly metrics: { readonly hostnameLabels: boolean };
  /** Environment variables as containers list them; anything else is left out. */
  readonly additionalEnv: readonly unknown[];
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
}

export interface ProxyInitValues {
  readonly ignoreInboundPorts: string;
  readonly ignoreOutboundPorts: string;
  readonly skipSubnets: string;
  /** `nft`, `legacy` or `plain`. */
  readonly iptablesMode: string;
  readonly logFormat: string;
  readonly logLevel: string;
  /** 0: the kernel's default stays. */
  readonly closeWaitTimeoutSecs: number;
  readonly privileged: boolean;
  readonly runAsRoot: boolean;
  readonly runAsUser: number;
  readonly runAsGroup: number;
}

export interface InjectionValues {
  readonly cliVersion: string;
  readonly linkerdVersion: string;
  readonly clusterDomain: string;
  readonly clusterNetworks: string;
  /** Empty: the cluster domain. */
  readonly identityTrustDomain: string;
  readonly imagePullPolicy: string;
  readonly disableIPv6: boolean;
  /** A CNI plugin redirects traffic; the pod only checks that it did. */
  readonly cniEnabled: boolean;
  readonly debugContainer: { readonly image: InjectionImage };
  readonly networkValidator: {
    readonly logLevel: string;
    readonly logFormat: string;
    /** Empty: an address that nobody has, port 20001, of the family in use. */
    readonly connectAddr: string;
    /** Empty: the sidecar's outbound port. */
    readonly listenAddr: string;
    readonly timeout: string;
  };
  readonly proxy: ProxyValues;
  readonly proxyInit: ProxyInitValues;
}

export const DEFAULT_INJECTION_VALUES: InjectionValues = {
  cliVersion: '',
  linkerdVersion: '',
  clusterDomain: 'cluster.local',
  // Private networks (RFC 1918, RFC 6598, RFC 4193).
  clusterNetworks: '10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16,fd00::/8',
  identityTrustDomain: '',
  imagePullPolicy: 'IfNotPresent',
  disableIPv6: true,
  cniEnabled: false,
  debugContainer: { image: { name: 'cr.l5d.io/linkerd/debug', version: 'stable-2.14.10', pullPolicy: '' } },
  networkValidator: { logLevel: 'debug', logFormat: 'plain', connectAddr: '', listenAddr: '', timeout: '10s' },
  proxy: {
    image: { name: 'mesh-proxy', version: '', pullPolicy: '' },
    runtime: 'bun',
    logLevel: 'warn,linkerd=info,hickory=error',
    logFormat: 'plain',
    logHTTPHeaders: 'off',
    accessLog: '',
    nativeSidecar: true,
    await: true,
    uid: 2102,
    gid: -1,
    cores: 0,
    cpuRatioLimit: '',
    opaquePorts: '25,587,3306,4444,5432,6379,9300,11211',
    podInboundPorts: '',
    defaultInboundPolicy: 'all-unauthenticated',
    inboundConnectTimeout: '100ms',
    outboundConnectTimeout: '1000ms',
    outboundDiscoveryCacheUnusedTimeout: '5s',
    inboundDiscoveryCacheUnusedTimeout: '90s',
    disableOutboundProtocolDetectTimeout: false,
    disableInboundProtocolDetectTimeout: false,
    enableExternalProfiles: false,
    enableShutdownEndpoint: false,
    requireIdentityOnInboundPorts: '',
    gatewayIdentities: '',
    shutdownGracePeriod: '',
    waitBeforeExitSeconds: 0,
    metrics: { hostnameLabels: false },
    additionalEnv: [],
    ports: { admin: 4191, control: 4190, inbound: 4143, outbound: 4140 },
    control: { streams: { initialTimeout: '3s', idleTimeout: '5m', lifetime: '1h' } },
    resources: { cpu: { request: '', limit: '' }, memory: { request: '', limit: '' } },
  },
  proxyInit: {
    ignoreInboundPorts: '4567,4568',
    ignoreOutboundPorts: '4567,4568',
    skipSubnets: '',
    iptablesMode: 'nft',
    logFormat: 'plain',
    logLevel: 'info',
    closeWaitTimeoutSecs: 0,
    privileged: false,
    runAsRoot: false,
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
  if (Array.isArray(base) || Array.isArray(over)) {
    return base === undefined || (Array.isArray(base) && Array.isArray(over)) ? over : base;
  }
  if (typeof base === 'object' && base !== null) {
    if (typeof over !== 'object') return base;
    const merged: Record<string, unknown> = { ...over };
    for (const [key, value] of Object.entries(base))
      merged[key] = overlay(value, (over as Record<string, unknown>)[key]);
    return merged;
  }
  if (typeof base === 'string' && typeof over === 'number') return String(over);
  return base === undefined || typeof over === typeof base ? over : base;
}
