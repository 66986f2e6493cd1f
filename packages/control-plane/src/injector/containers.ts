/** The containers and volumes that make a pod meshed. */
import type { Container, EnvVar, Pod, Volume } from '@mesh/kube';

import type { InjectionResources, InjectionValues } from './values.ts';

export interface ContainerContext {
  readonly values: InjectionValues;
  readonly controlPlaneNamespace: string;
  readonly trustAnchorsPem: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** Ports of the application's containers and probes. */
  readonly inboundPorts: readonly number[];
  readonly opaquePorts: string;
  readonly ingress: boolean;
}

const END_ENTITY_DIR = '/var/run/linkerd/identity/end-entity';
const TOKEN_DIR = '/var/run/secrets/tokens';
const TOKEN_NAME = 'linkerd-identity-token';

export function proxyContainer(context: ContainerContext): Container {
  const { proxy } = context.values;
  const resources = resourceRequirements(proxy.resources);
  const wait = proxy.nativeSidecar && proxy.await;
  return {
    name: 'linkerd-proxy',
    image: imageOf(context.values),
    imagePullPolicy: pullPolicyOf(context.values),
    args: ['proxy'],
    ...(proxy.nativeSidecar ? { restartPolicy: 'Always' as const } : {}),
    env: proxyEnv(context),
    ports: [
      { name: 'linkerd-proxy', containerPort: proxy.ports.inbound, protocol: 'TCP' },
      { name: 'linkerd-admin', containerPort: proxy.ports.admin, protocol: 'TCP' },
    ],
    livenessProbe: { httpGet: { path: '/live', port: proxy.ports.admin }, initialDelaySeconds: 10, timeoutSeconds: 1 },
    readinessProbe: { httpGet: { path: '/ready', port: proxy.ports.admin }, initialDelaySeconds: 2, timeoutSeconds: 1 },
    ...(wait
      ? {
          startupProbe: {
            httpGet: { path: '/ready', port: proxy.ports.admin },
            periodSeconds: 1,
            failureThreshold: 120,
          },
        }
      : {}),
    ...(proxy.waitBeforeExitSeconds > 0
      ? { lifecycle: { preStop: { sleep: { seconds: proxy.waitBeforeExitSeconds } } } }
      : {}),
    ...(resources === undefined ? {} : { resources }),
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      runAsUser: proxy.uid,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: [
      { name: 'linkerd-identity-end-entity', mountPath: END_ENTITY_DIR },
      { name: TOKEN_NAME, mountPath: TOKEN_DIR },
    ],
  };
}

export function initContainer(context: ContainerContext): Container {
  const { proxy, proxyInit, disableIPv6 = true } = context.values;
  const ownPorts = `${proxy.ports.control},${proxy.ports.admin}`;
  const firewall =
    proxyInit.iptablesMode === 'nft'
      ? 'iptables-nft'
      : proxyInit.iptablesMode === 'legacy'
        ? 'iptables-legacy'
        : 'iptables';
  const list = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join(',');
  const outbound = list(proxyInit.ignoreOutboundPorts);
  return {
    name: 'linkerd-init',
    image: imageOf(context.values),
    imagePullPolicy: pullPolicyOf(context.values),
    args: [
      'proxy-init',
      '--firewall-bin-path',
      firewall,
      '--firewall-save-bin-path',
      `${firewall}-save`,
      `--ipv6=${String(!disableIPv6)}`,
      '--incoming-proxy-port',
      String(proxy.ports.inbound),
      '--outgoing-proxy-port',
      String(proxy.ports.outbound),
      '--proxy-uid',
      String(proxy.uid),
      '--inbound-ports-to-ignore',
      list(ownPorts, proxyInit.ignoreInboundPorts),
      ...(outbound === '' ? [] : ['--outbound-ports-to-ignore', outbound]),
      ...(proxyInit.skipSubnets === '' ? [] : ['--subnets-to-ignore', proxyInit.skipSubnets]),
    ],
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { add: ['NET_ADMIN', 'NET_RAW'] },
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsGroup: proxyInit.runAsGroup,
      runAsNonRoot: true,
      runAsUser: proxyInit.runAsUser,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: [{ name: 'linkerd-proxy-init-xtables-lock', mountPath: '/run' }],
  };
}

export function meshVolumes(): readonly Volume[] {
  return [
    { name: 'linkerd-proxy-init-xtables-lock', emptyDir: {} },
    { name: 'linkerd-identity-end-entity', emptyDir: { medium: 'Memory' } },
    {
      name: TOKEN_NAME,
      projected: {
        sources: [
          { serviceAccountToken: { path: TOKEN_NAME, expirationSeconds: 86_400, audience: 'identity.l5d.io' } },
        ],
      },
    },
  ];
}

/** Ports that the application listens on: those of its containers, and those of its HTTP probes. */
export function inboundPortsOf(pod: Pick<Pod, 'spec'>): readonly number[] {
  const ports = new Set<number>();
  for (const container of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) {
    const declared = container.ports ?? [];
    for (const port of declared) if ((port.protocol ?? 'TCP') === 'TCP') ports.add(port.containerPort);
    for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) {
      const port = probe?.httpGet?.port;
      const number =
        typeof port === 'string' ? (declared.find((one) => one.name === port)?.containerPort ?? Number(port)) : port;
      if (number !== undefined && Number.isInteger(number)) ports.add(number);
    }
  }
  return [...ports].toSorted((a, b) => a - b);
}

function proxyEnv(context: ContainerContext): readonly EnvVar[] {
  const { values, controlPlaneNamespace: ns, inboundPorts, opaquePorts, ingress } = context;
  const { proxy, clusterDomain, clusterNetworks } = values;
  const suffix = proxy.enableExternalProfiles ? '.' : `svc.${clusterDomain}.`;
  const trustDomain = values.identityTrustDomain === '' ? clusterDomain : values.identityTrustDomain;
  const workload = 'serviceaccount.identity.$(_l5d_ns).$(_l5d_trustdomain)';
  const destination = `linkerd-destination.$(_l5d_ns).${workload}`;
  const has = (name: string): boolean => isEnabled(context.annotations[`config.linkerd.io/${name}`]);
  const cores = Math.max(1, Math.ceil(proxy.cores));
  const pairs: readonly (readonly [string, string])[] = [
    ['CORES', String(cores)],
    ['CORES_MIN', '1'],
    ['SHUTDOWN_ENDPOINT_ENABLED', String(proxy.enableShutdownEndpoint)],
    ['LOG', proxy.logLevel],
    ['LOG_FORMAT', proxy.logFormat],
    ['DESTINATION_SVC_ADDR', `linkerd-dst-headless.${ns}.svc.${clusterDomain}.:8086`],
    ['DESTINATION_PROFILE_NETWORKS', clusterNetworks],
    ['POLICY_SVC_ADDR', `linkerd-policy.${ns}.svc.${clusterDomain}.:8090`],
    ['POLICY_WORKLOAD', '{"ns":"$(_pod_ns)", "pod":"$(_pod_name)"}\n'],
    ['INBOUND_DEFAULT_POLICY', proxy.defaultInboundPolicy],
    ['POLICY_CLUSTER_NETWORKS', clusterNetworks],
    ['CONTROL_STREAM_INITIAL_TIMEOUT', proxy.control.streams.initialTimeout],
    ['CONTROL_STREAM_IDLE_TIMEOUT', proxy.control.streams.idleTimeout],
    ['CONTROL_STREAM_LIFETIME', proxy.control.streams.lifetime],
    ['INBOUND_CONNECT_TIMEOUT', proxy.inboundConnectTimeout],
    ['OUTBOUND_CONNECT_TIMEOUT', proxy.outboundConnectTimeout],
    ['OUTBOUND_DISCOVERY_IDLE_TIMEOUT', proxy.outboundDiscoveryCacheUnusedTimeout],
    ['INBOUND_DISCOVERY_IDLE_TIMEOUT', proxy.inboundDiscoveryCacheUnusedTimeout],
    ...(has('proxy-disable-outbound-protocol-detect-timeout') ? [['OUTBOUND_DETECT_TIMEOUT', '365d'] as const] : []),
    ...(has('proxy-disable-inbound-protocol-detect-timeout') ? [['INBOUND_DETECT_TIMEOUT', '365d'] as const] : []),
    ['CONTROL_LISTEN_ADDR', `0.0.0.0:${proxy.ports.control}`],
    ['ADMIN_LISTEN_ADDR', `0.0.0.0:${proxy.ports.admin}`],
    ['OUTBOUND_LISTEN_ADDR', `127.0.0.1:${proxy.ports.outbound}`],
    [
      'OUTBOUND_LISTEN_ADDRS',
      `127.0.0.1:${proxy.ports.outbound}${values.disableIPv6 === false ? `,[::1]:${proxy.ports.outbound}` : ''}`,
    ],
    ['INBOUND_LISTEN_ADDR', `${values.disableIPv6 === false ? '[::]' : '0.0.0.0'}:${proxy.ports.inbound}`],
    ['INBOUND_PORTS', inboundPorts.join(',')],
    ...(ingress ? [['INGRESS_MODE', 'true'] as const] : []),
    ...(has('enable-gateway') ? [['INBOUND_GATEWAY_SUFFIXES', `svc.${clusterDomain}.`] as const] : []),
    ['DESTINATION_PROFILE_SUFFIXES', suffix],
    ['INBOUND_ACCEPT_KEEPALIVE', '10000ms'],
    ['OUTBOUND_CONNECT_KEEPALIVE', '10000ms'],
    ['INBOUND_ACCEPT_USER_TIMEOUT', '30s'],
    ['OUTBOUND_CONNECT_USER_TIMEOUT', '30s'],
    ['INBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL', '10s'],
    ['INBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT', '3s'],
    ['OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL', '10s'],
    ['OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT', '3s'],
    ['INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION', opaquePorts],
    ...accessLog(context.annotations),
    ...shutdownGrace(context.annotations),
    ...(proxy.requireIdentityOnInboundPorts === ''
      ? []
      : [['INBOUND_PORTS_REQUIRE_IDENTITY', proxy.requireIdentityOnInboundPorts] as const]),
    ['DESTINATION_CONTEXT', '{"ns":"$(_pod_ns)", "nodeName":"$(_pod_nodeName)", "pod":"$(_pod_name)"}\n'],
    ['IDENTITY_DIR', END_ENTITY_DIR],
    ['IDENTITY_TRUST_ANCHORS', context.trustAnchorsPem],
    ['IDENTITY_TOKEN_FILE', `${TOKEN_DIR}/${TOKEN_NAME}`],
    ['IDENTITY_SVC_ADDR', `linkerd-identity-headless.${ns}.svc.${clusterDomain}.:8080`],
    ['IDENTITY_LOCAL_NAME', `$(_pod_sa).$(_pod_ns).${workload}`],
    ['IDENTITY_SVC_NAME', `linkerd-identity.$(_l5d_ns).${workload}`],
    ['DESTINATION_SVC_NAME', destination],
    ['POLICY_SVC_NAME', destination],
  ];
  return [
    field('_pod_name', 'metadata.name'),
    field('_pod_ns', 'metadata.namespace'),
    field('_pod_uid', 'metadata.uid'),
    field('_pod_ip', 'status.podIP'),
    field('_pod_nodeName', 'spec.nodeName'),
    { name: '_pod_containerName', value: 'linkerd-proxy' },
    field('_pod_sa', 'spec.serviceAccountName'),
    { name: '_l5d_ns', value: ns },
    { name: '_l5d_trustdomain', value: trustDomain },
    field('LINKERD2_PROXY_INBOUND_IPS', 'status.podIPs'),
    ...pairs.map(([name, value]) => ({ name: `LINKERD2_PROXY_${name}`, value })),
    ...additionalEnv(context.annotations),
  ];
}

function accessLog(annotations: Readonly<Record<string, string>>): readonly (readonly [string, string])[] {
  const value = annotations['config.linkerd.io/access-log'];
  return value === 'apache' || value === 'json' ? [['ACCESS_LOG', value]] : [];
}

function shutdownGrace(annotations: Readonly<Record<string, string>>): readonly (readonly [string, string])[] {
  const value = annotations['config.linkerd.io/shutdown-grace-period'] ?? '';
  return /^\d+(ms|s|m|h|d)$/.test(value) ? [['SHUTDOWN_GRACE_PERIOD', value]] : [];
}

/** `config.linkerd.io/proxy-additional-env`: a JSON list of `{ name, value }`. */
function additionalEnv(annotations: Readonly<Record<string, string>>): readonly EnvVar[] {
  const text = annotations['config.linkerd.io/proxy-additional-env'];
  if (text === undefined) return [];
  try {
    const parsed: unknown = JSON.parse(text);
    if (!Array.isArray(parsed)) return [];
    return parsed.flatMap((one: unknown) => {
      const { name, value } = (typeof one === 'object' && one !== null ? one : {}) as {
        readonly name?: unknown;
        readonly value?: unknown;
      };
      return typeof name === 'string' && typeof value === 'string' && name !== '' ? [{ name, value }] : [];
    });
  } catch {
    return [];
  }
}

function field(name: string, fieldPath: string): EnvVar {
  return { name, valueFrom: { fieldRef: { fieldPath } } };
}

function isEnabled(text: string | undefined): boolean {
  return text === 'true' || text === 'enabled';
}

function imageOf(values: InjectionValues): string {
  const { name, version } = values.proxy.image;
  return version === '' ? name : `${name}:${version}`;
}

function pullPolicyOf(values: InjectionValues): string {
  return values.proxy.image.pullPolicy === '' ? values.imagePullPolicy : values.proxy.image.pullPolicy;
}

function resourceRequirements(resources: InjectionResources): Readonly<Record<string, unknown>> | undefined {
  const of = (bound: 'request' | 'limit'): Record<string, string> =>
    Object.fromEntries(
      (['cpu', 'memory', 'ephemeral-storage'] as const).flatMap((kind) => {
        const value = resources[kind]?.[bound] ?? '';
        return value === '' ? [] : [[kind, value]];
      }),
    );
  const requests = of('request');
  const limits = of('limit');
  const parts = {
    ...(Object.keys(limits).length > 0 ? { limits } : {}),
    ...(Object.keys(requests).length > 0 ? { requests } : {}),
  };
  return Object.keys(parts).length === 0 ? undefined : parts;
}
