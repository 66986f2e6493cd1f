/** The sidecar's environment. Names and defaults are those of Linkerd's proxy, which reads the same. */
import type { EnvVar } from '@mesh/kube';

import type { PodConfig } from './annotations.ts';
import { isVariable, quantityOf } from './forms.ts';
import type { InjectionValues } from './values.ts';

export interface ProxyEnvContext {
  readonly config: PodConfig;
  readonly controlPlaneNamespace: string;
  readonly trustAnchorsPem: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** Ports of the application's containers and probes. */
  readonly inboundPorts: readonly number[];
  /** Numbers and ranges. */
  readonly opaquePorts: string;
  readonly ingress: boolean;
}

type Pairs = readonly (readonly [name: string, value: string])[];

export const END_ENTITY_DIR = '/var/run/linkerd/identity/end-entity';
export const TOKEN_DIR = '/var/run/secrets/tokens';
export const TOKEN_NAME = 'linkerd-identity-token';

const RESOURCE_PREFIX = 'resource.opentelemetry.io/';
/** The gateway of this cluster under the names that the multi-cluster extension is installed with. */
const OWN_GATEWAY = 'linkerd-gateway.linkerd-multicluster.serviceaccount.identity.$(_l5d_ns).$(_l5d_trustdomain)';
/** As good as never. */
const NO_DETECT_TIMEOUT = '365d';

export function proxyEnv(context: ProxyEnvContext): readonly EnvVar[] {
  const { values } = context.config;
  const trustDomain = values.identityTrustDomain === '' ? values.clusterDomain : values.identityTrustDomain;
  const pairs: Pairs = [
    ...processEnv(values),
    ...policyEnv(context),
    ...timeoutEnv(values),
    ...listenerEnv(context),
    ...keepAliveEnv(),
    ...identityEnv(context),
  ];
  return [
    field('_pod_name', 'metadata.name'),
    field('_pod_ns', 'metadata.namespace'),
    field('_pod_uid', 'metadata.uid'),
    field('_pod_ip', 'status.podIP'),
    field('_pod_nodeName', 'spec.nodeName'),
    { name: '_pod_containerName', value: 'linkerd-proxy' },
    field('_pod_sa', 'spec.serviceAccountName'),
    { name: '_l5d_ns', value: context.controlPlaneNamespace },
    { name: '_l5d_trustdomain', value: trustDomain },
    field('LINKERD2_PROXY_INBOUND_IPS', 'status.podIPs'),
    ...pairs.map(([name, value]) => ({ name: `LINKERD2_PROXY_${name}`, value })),
    { name: 'MESH_GATEWAY_IDENTITIES', value: values.proxy.gatewayIdentities || OWN_GATEWAY },
    ...openTelemetryEnv(context.annotations),
    ...values.proxy.additionalEnv.filter(isVariable),
  ];
}

function processEnv({ proxy }: InjectionValues): Pairs {
  const limit = quantityOf(proxy.resources.cpu.limit);
  // A limit of processor time is best used by as many threads as it pays for.
  const cores = limit === undefined ? Math.max(1, Math.ceil(proxy.cores)) : Math.max(1, Math.ceil(limit));
  return [
    ['CORES', String(cores)],
    ...(limit === undefined ? [] : [['CORES_MAX', String(cores)] as const]),
    ['CORES_MIN', '1'],
    ...(proxy.cpuRatioLimit === '' ? [] : [['CORES_MAX_RATIO', proxy.cpuRatioLimit] as const]),
    ['SHUTDOWN_ENDPOINT_ENABLED', String(proxy.enableShutdownEndpoint)],
    // Headers of requests may hold secrets.
    ['LOG', proxy.logHTTPHeaders === 'insecure' ? proxy.logLevel : `${proxy.logLevel},[{headers}]=off,[{request}]=off`],
    ['LOG_FORMAT', proxy.logFormat],
    ...(proxy.accessLog === '' ? [] : [['ACCESS_LOG', proxy.accessLog] as const]),
    ...(proxy.shutdownGracePeriod === '' ? [] : [['SHUTDOWN_GRACE_PERIOD', proxy.shutdownGracePeriod] as const]),
    ['OUTBOUND_METRICS_HOSTNAME_LABELS', String(proxy.metrics.hostnameLabels)],
  ];
}

function policyEnv({ config, controlPlaneNamespace: ns }: ProxyEnvContext): Pairs {
  const { proxy, clusterDomain, clusterNetworks } = config.values;
  return [
    ['DESTINATION_SVC_ADDR', `linkerd-dst-headless.${ns}.svc.${clusterDomain}.:8086`],
    ['DESTINATION_PROFILE_NETWORKS', clusterNetworks],
    ['POLICY_SVC_ADDR', `linkerd-policy.${ns}.svc.${clusterDomain}.:8090`],
    ['POLICY_WORKLOAD', '{"ns":"$(_pod_ns)", "pod":"$(_pod_name)"}\n'],
    ['INBOUND_DEFAULT_POLICY', proxy.defaultInboundPolicy],
    ['POLICY_CLUSTER_NETWORKS', clusterNetworks],
    ['CONTROL_STREAM_INITIAL_TIMEOUT', proxy.control.streams.initialTimeout],
    ['CONTROL_STREAM_IDLE_TIMEOUT', proxy.control.streams.idleTimeout],
    ['CONTROL_STREAM_LIFETIME', proxy.control.streams.lifetime],
  ];
}

function timeoutEnv({ proxy }: InjectionValues): Pairs {
  return [
    ['INBOUND_CONNECT_TIMEOUT', proxy.inboundConnectTimeout],
    ['OUTBOUND_CONNECT_TIMEOUT', proxy.outboundConnectTimeout],
    ['OUTBOUND_DISCOVERY_IDLE_TIMEOUT', proxy.outboundDiscoveryCacheUnusedTimeout],
    ['INBOUND_DISCOVERY_IDLE_TIMEOUT', proxy.inboundDiscoveryCacheUnusedTimeout],
    ...(proxy.disableOutboundProtocolDetectTimeout ? [['OUTBOUND_DETECT_TIMEOUT', NO_DETECT_TIMEOUT] as const] : []),
    ...(proxy.disableInboundProtocolDetectTimeout ? [['INBOUND_DETECT_TIMEOUT', NO_DETECT_TIMEOUT] as const] : []),
  ];
}

function listenerEnv({ config, inboundPorts, opaquePorts, ingress }: ProxyEnvContext): Pairs {
  const { proxy, clusterDomain, disableIPv6 } = config.values;
  const any = disableIPv6 ? '0.0.0.0' : '[::]';
  const outbound = `127.0.0.1:${proxy.ports.outbound}`;
  return [
    ['CONTROL_LISTEN_ADDR', `${any}:${proxy.ports.control}`],
    ['ADMIN_LISTEN_ADDR', `${any}:${proxy.ports.admin}`],
    ['OUTBOUND_LISTEN_ADDR', outbound],
    ['OUTBOUND_LISTEN_ADDRS', disableIPv6 ? outbound : `${outbound},[::1]:${proxy.ports.outbound}`],
    ['INBOUND_LISTEN_ADDR', `${any}:${proxy.ports.inbound}`],
    ['INBOUND_PORTS', inboundPorts.join(',')],
    ['INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION', opaquePorts],
    ...(proxy.requireIdentityOnInboundPorts === ''
      ? []
      : [['INBOUND_PORTS_REQUIRE_IDENTITY', proxy.requireIdentityOnInboundPorts] as const]),
    ...(ingress ? [['INGRESS_MODE', 'true'] as const] : []),
    ...(config.gateway ? [['INBOUND_GATEWAY_SUFFIXES', `svc.${clusterDomain}.`] as const] : []),
    ['DESTINATION_PROFILE_SUFFIXES', proxy.enableExternalProfiles ? '.' : `svc.${clusterDomain}.`],
  ];
}

function keepAliveEnv(): Pairs {
  return [
    ['INBOUND_ACCEPT_KEEPALIVE', '10000ms'],
    ['OUTBOUND_CONNECT_KEEPALIVE', '10000ms'],
    ['INBOUND_ACCEPT_USER_TIMEOUT', '30s'],
    ['OUTBOUND_CONNECT_USER_TIMEOUT', '30s'],
    ['INBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL', '10s'],
    ['INBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT', '3s'],
    ['OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL', '10s'],
    ['OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT', '3s'],
  ];
}

function identityEnv({ config, controlPlaneNamespace: ns, trustAnchorsPem }: ProxyEnvContext): Pairs {
  const { clusterDomain } = config.values;
  const suffix = 'serviceaccount.identity.$(_l5d_ns).$(_l5d_trustdomain)';
  const destination = `linkerd-destination.$(_l5d_ns).${suffix}`;
  return [
    ['DESTINATION_CONTEXT', '{"ns":"$(_pod_ns)", "nodeName":"$(_pod_nodeName)", "pod":"$(_pod_name)"}\n'],
    ['IDENTITY_DIR', END_ENTITY_DIR],
    ['IDENTITY_TRUST_ANCHORS', trustAnchorsPem],
    ['IDENTITY_TOKEN_FILE', `${TOKEN_DIR}/${TOKEN_NAME}`],
    ['IDENTITY_SVC_ADDR', `linkerd-identity-headless.${ns}.svc.${clusterDomain}.:8080`],
    ['IDENTITY_LOCAL_NAME', `$(_pod_sa).$(_pod_ns).${suffix}`],
    ['IDENTITY_SVC_NAME', `linkerd-identity.$(_l5d_ns).${suffix}`],
    ['DESTINATION_SVC_NAME', destination],
    ['POLICY_SVC_NAME', destination],
  ];
}

/** `resource.opentelemetry.io/KEY: VALUE` describes the workload to tracing (OpenTelemetry's resource variable, percent-encoded). */
function openTelemetryEnv(annotations: Readonly<Record<string, string>>): readonly EnvVar[] {
  const attributes = Object.entries(annotations)
    .filter(([key]) => key.startsWith(RESOURCE_PREFIX) && key.length > RESOURCE_PREFIX.length)
    .map(([key, value]) => `${key.slice(RESOURCE_PREFIX.length)}=${encodeURIComponent(value)}`)
    .toSorted();
  return attributes.length === 0 ? [] : [{ name: 'OTEL_RESOURCE_ATTRIBUTES', value: attributes.join(',') }];
}

function field(name: string, fieldPath: string): EnvVar {
  return { name, valueFrom: { fieldRef: { fieldPath } } };
}
