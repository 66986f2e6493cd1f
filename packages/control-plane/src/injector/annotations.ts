/** Every annotation that changes how one pod is injected: its form and what it sets. The documentation lists the same. */
import { DEFAULT_POLICIES } from '@mesh/model';
import type { InjectionResources, InjectionValues, ProxyInitValues, ProxyValues } from './values.ts';
import {
  DURATION,
  ENABLED,
  integer,
  LISTED_PORTS,
  LOG_FILTER,
  NETWORKS,
  oneOf,
  PORT,
  PORTS,
  QUANTITY,
  RATIO,
  SECONDS,
  SWITCH,
  TEXT,
  VARIABLES,
} from './forms.ts';
import type { Form } from './forms.ts';

/** How one pod is injected: the cluster's values with what its annotations change, and what only annotations can ask for. */
export interface PodConfig {
  readonly values: InjectionValues;
  /** The pod is a multi-cluster gateway of Linkerd's kind. */
  readonly gateway: boolean;
  readonly debugSidecar: boolean;
}

export interface AnnotationRule {
  /** What it takes; follows "give". */
  readonly words: string;
  /** With a value that cannot be used the pod is refused: without it the pod would be open to more clients than its owner wants. */
  readonly guards: boolean;
  /** Undefined when the text cannot be used. */
  readonly apply: (config: PodConfig, text: string) => PodConfig | undefined;
}

const PULL_POLICY = oneOf('Always', 'IfNotPresent', 'Never');

/** By name without its prefix. `opaque-ports` is not among them: it may name ports of the pod's containers. */
export const ANNOTATION_RULES: Readonly<Record<string, AnnotationRule>> = {
  // An image that is named for one pod is taken as it is, whatever runtime the others use.
  'proxy-image': rule(TEXT, (config, name) =>
    proxy(config, { image: { ...config.values.proxy.image, name }, runtime: 'bun' }),
  ),
  'proxy-version': rule(TEXT, (config, version) => proxy(config, { image: { ...config.values.proxy.image, version } })),
  'image-pull-policy': rule(PULL_POLICY, (config, pullPolicy) =>
    proxy(config, { image: { ...config.values.proxy.image, pullPolicy } }),
  ),
  'enable-debug-sidecar': rule(SWITCH, (config, debugSidecar) => ({ ...config, debugSidecar })),
  'debug-image': rule(TEXT, (config, name) => debugImage(config, { name })),
  'debug-image-version': rule(TEXT, (config, version) => debugImage(config, { version })),
  'debug-image-pull-policy': rule(PULL_POLICY, (config, pullPolicy) => debugImage(config, { pullPolicy })),
  'admin-port': port('admin'),
  'control-port': port('control'),
  'inbound-port': port('inbound'),
  'outbound-port': port('outbound'),
  'pod-inbound-ports': proxyValue('podInboundPorts', LISTED_PORTS),
  'skip-inbound-ports': init('ignoreInboundPorts', PORTS),
  'skip-outbound-ports': init('ignoreOutboundPorts', PORTS),
  'skip-subnets': init('skipSubnets', NETWORKS),
  'close-wait-timeout': init('closeWaitTimeoutSecs', SECONDS),
  'proxy-cpu-request': resource('cpu', 'request'),
  'proxy-cpu-limit': resource('cpu', 'limit'),
  'proxy-cpu-ratio-limit': proxyValue('cpuRatioLimit', RATIO),
  'proxy-memory-request': resource('memory', 'request'),
  'proxy-memory-limit': resource('memory', 'limit'),
  'proxy-ephemeral-storage-request': resource('ephemeral-storage', 'request'),
  'proxy-ephemeral-storage-limit': resource('ephemeral-storage', 'limit'),
  // 0 would let everything that runs as root pass around the sidecar.
  'proxy-uid': proxyValue('uid', integer(1, 0x7fff_ffff)),
  'proxy-gid': proxyValue('gid', integer(0, 0x7fff_ffff)),
  'proxy-admin-shutdown': proxyValue('enableShutdownEndpoint', ENABLED),
  'proxy-log-level': proxyValue('logLevel', LOG_FILTER),
  'proxy-log-format': proxyValue('logFormat', oneOf('plain', 'json')),
  'proxy-log-http-headers': proxyValue('logHTTPHeaders', oneOf('off', 'insecure')),
  'access-log': rule(oneOf('apache', 'json', 'none'), (config, word) =>
    proxy(config, { accessLog: word === 'none' ? '' : word }),
  ),
  'enable-external-profiles': proxyValue('enableExternalProfiles', SWITCH),
  'proxy-require-identity-inbound-ports': guard(proxyValue('requireIdentityOnInboundPorts', PORTS)),
  'default-inbound-policy': guard(proxyValue('defaultInboundPolicy', oneOf(...DEFAULT_POLICIES))),
  'proxy-metrics-hostname-labels': rule(SWITCH, (config, hostnameLabels) =>
    proxy(config, { metrics: { hostnameLabels } }),
  ),
  'proxy-outbound-connect-timeout': proxyValue('outboundConnectTimeout', DURATION),
  'proxy-inbound-connect-timeout': proxyValue('inboundConnectTimeout', DURATION),
  'proxy-outbound-discovery-cache-unused-timeout': proxyValue('outboundDiscoveryCacheUnusedTimeout', DURATION),
  'proxy-inbound-discovery-cache-unused-timeout': proxyValue('inboundDiscoveryCacheUnusedTimeout', DURATION),
  'proxy-disable-outbound-protocol-detect-timeout': proxyValue('disableOutboundProtocolDetectTimeout', SWITCH),
  'proxy-disable-inbound-protocol-detect-timeout': proxyValue('disableInboundProtocolDetectTimeout', SWITCH),
  'enable-gateway': rule(SWITCH, (config, gateway) => ({ ...config, gateway })),
  'proxy-await': proxyValue('await', ENABLED),
  'shutdown-grace-period': proxyValue('shutdownGracePeriod', DURATION),
  'proxy-additional-env': rule(VARIABLES, (config, added) =>
    proxy(config, { additionalEnv: [...config.values.proxy.additionalEnv, ...added] }),
  ),
  'proxy-enable-native-sidecar': proxyValue('nativeSidecar', SWITCH),
  'proxy-wait-before-exit-seconds': proxyValue('waitBeforeExitSeconds', integer(0, 3_600)),
};

/** Known names that somebody else reads, or that mean nothing any more: no reason for a warning. */
export const OTHER_ANNOTATIONS: ReadonlySet<string> = new Set([
  'admission-webhooks',
  'disable-identity',
  'disable-tap',
  'init-image',
  'init-image-version',
  'opaque-ports',
]);

function rule<T>(form: Form<T>, set: (config: PodConfig, value: T) => PodConfig): AnnotationRule {
  return {
    words: form.words,
    guards: false,
    apply: (config, text) => {
      const value = form.parse(text);
      return value === undefined ? undefined : set(config, value);
    },
  };
}

function guard(unguarded: AnnotationRule): AnnotationRule {
  return { ...unguarded, guards: true };
}

function proxyValue<K extends keyof ProxyValues>(field: K, form: Form<ProxyValues[K]>): AnnotationRule {
  return rule(form, (config, value) => proxy(config, { [field]: value }));
}

function init<K extends keyof ProxyInitValues>(field: K, form: Form<ProxyInitValues[K]>): AnnotationRule {
  return rule(form, (config, value) => {
    const { values } = config;
    return { ...config, values: { ...values, proxyInit: { ...values.proxyInit, [field]: value } } };
  });
}

function port(field: keyof ProxyValues['ports']): AnnotationRule {
  return rule(PORT, (config, value) => proxy(config, { ports: { ...config.values.proxy.ports, [field]: value } }));
}

function resource(kind: keyof InjectionResources, bound: 'request' | 'limit'): AnnotationRule {
  return rule(QUANTITY, (config, value) => {
    const { resources } = config.values.proxy;
    const before = resources[kind] ?? { request: '', limit: '' };
    return proxy(config, { resources: { ...resources, [kind]: { ...before, [bound]: value } } });
  });
}

function proxy(config: PodConfig, change: Partial<ProxyValues>): PodConfig {
  const { values } = config;
  return { ...config, values: { ...values, proxy: { ...values.proxy, ...change } } };
}

function debugImage(config: PodConfig, change: Partial<InjectionValues['debugContainer']['image']>): PodConfig {
  const { values } = config;
  const image = { ...values.debugContainer.image, ...change };
  return { ...config, values: { ...values, debugContainer: { ...values.debugContainer, image } } };
}
