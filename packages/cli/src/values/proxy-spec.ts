/** What the values under `proxy` and `proxyInit` say: how pods are injected. */
import { DEFAULT_POLICIES } from '@mesh/model';
import { duration, flag, group, integer, list, map, oneOf, ports, resources, text } from './spec.ts';
import { MESH_VERSION } from '../version.ts';

const CIDRS = {
  source: '^[0-9a-fA-F.:]+(/[0-9]{1,3})?(,[0-9a-fA-F.:]+(/[0-9]{1,3})?)*$',
  words: 'networks in CIDR form, comma-separated, such as 10.0.0.0/8,fd00::/8',
} as const;

export const cidrs = (value: string, about: string) => text(value, about, { pattern: CIDRS });

export const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'] as const;

/** The sidecar; each is the default that an annotation of a namespace or a pod may replace. */
export const PROXY_SPEC = group('the sidecar', {
  image: group('image of sidecar and init container', {
    name: text('mesh-proxy', 'repository'),
    version: text(MESH_VERSION, 'tag; empty for a repository that names it'),
    pullPolicy: oneOf('', PULL_POLICIES, 'empty: imagePullPolicy'),
  }),
  runtime: oneOf('bun', ['bun', 'node'], 'what runs the sidecar'),
  logLevel: text('warn,linkerd=info,hickory=error', 'level of logs, in the notation of Linkerd'),
  logFormat: oneOf('plain', ['plain', 'json'], 'format of logs'),
  logHTTPHeaders: oneOf('off', ['off', 'insecure'], 'whether headers of requests may be in logs'),
  accessLog: oneOf('', ['apache', 'json'], 'access log of inbound HTTP; empty: none'),
  nativeSidecar: flag(true, 'inject as a restartable init container, which starts first and ends last'),
  await: flag(true, 'start the application only when the sidecar is ready'),
  uid: integer(2102, 'user of the sidecar; its own connections are not redirected'),
  gid: integer(-1, 'group of the sidecar; below 0: none set', -1),
  cores: integer(0, 'known to Linkerd’s charts; no effect, as the sidecar has one thread', 0, 256),
  cpuRatioLimit: text('', 'share of the processors of a node that a sidecar may use; empty: no bound', {
    mayBeNumber: true,
    pattern: { source: '^(0(\\.[0-9]+)?|1(\\.0+)?)$', words: 'a number from 0 to 1, such as 0.25' },
  }),
  opaquePorts: ports('25,587,3306,4444,5432,6379,9300,11211', 'ports of protocols where the server speaks first'),
  podInboundPorts: ports('', 'ports of the application beyond those that its containers declare'),
  defaultInboundPolicy: oneOf('all-unauthenticated', DEFAULT_POLICIES, 'who may connect where no policy says'),
  inboundConnectTimeout: duration('100ms', 'time to connect to the application'),
  outboundConnectTimeout: duration('1000ms', 'time to connect to other pods'),
  outboundDiscoveryCacheUnusedTimeout: duration('5s', 'how long an unused outbound target stays known'),
  inboundDiscoveryCacheUnusedTimeout: duration('90s', 'how long an unused inbound port stays known'),
  disableOutboundProtocolDetectTimeout: flag(false, 'wait without limit for the client to speak'),
  disableInboundProtocolDetectTimeout: flag(false, 'wait without limit for the client to speak'),
  enableExternalProfiles: flag(false, 'look up profiles of names outside of the cluster too'),
  enableShutdownEndpoint: flag(false, 'POST /shutdown of the admin port ends the sidecar'),
  requireIdentityOnInboundPorts: ports('', 'ports that refuse clients without identity'),
  gatewayIdentities: text(
    '',
    "identities of gateways, separated by commas, that sidecars believe when they say who their clients are; empty: linkerd-gateway of namespace linkerd-multicluster, `none`: nobody's",
  ),
  metrics: group('metrics of the sidecar', {
    hostnameLabels: flag(false, 'label outbound metrics with host names'),
  }),
  additionalEnv: list('more environment variables, each {name: …, value: …}'),
  waitBeforeExitSeconds: integer(0, 'pause before the sidecar ends', 0, 3600),
  shutdownGracePeriod: text('', 'how long open connections may take to end; empty: 120s', {
    pattern: { source: '^[0-9]+(ms|s|m|h|d)$', words: 'a duration such as 30s' },
  }),
  ports: group('ports of the sidecar', {
    admin: integer(4191, 'probes and metrics', 1, 65_535),
    control: integer(4190, 'tap', 1, 65_535),
    inbound: integer(4143, 'redirected inbound connections', 1, 65_535),
    outbound: integer(4140, 'redirected outbound connections', 1, 65_535),
  }),
  control: group('connections to the control plane', {
    streams: group('watches', {
      initialTimeout: duration('3s', 'time to the first message'),
      idleTimeout: duration('5m', 'time without a message until the watch is made anew'),
      lifetime: duration('1h', 'age at which the watch is made anew'),
    }),
  }),
  resources: resources('requests and limits of the sidecar'),
});

export const PROXY_INIT_SPEC = group('the init container that redirects the traffic of a pod', {
  iptablesMode: oneOf('nft', ['nft', 'legacy', 'plain'], 'which iptables program the kernel of the nodes needs'),
  ignoreInboundPorts: ports('4567,4568', 'ports whose inbound connections bypass the sidecar'),
  ignoreOutboundPorts: ports('4567,4568', 'ports whose outbound connections bypass the sidecar'),
  skipSubnets: cidrs('', 'networks whose connections bypass the sidecar'),
  closeWaitTimeoutSecs: integer(0, 'nf_conntrack_tcp_timeout_close_wait; 0: left as it is', 0, 86_400),
  logLevel: oneOf('info', ['debug', 'info', 'warn', 'error'], 'level of logs'),
  logFormat: oneOf('plain', ['plain', 'json'], 'format of logs'),
  privileged: flag(false, 'run privileged, for nodes whose policy needs that'),
  runAsRoot: flag(false, 'run as root, for programs that lack file capabilities'),
  runAsUser: integer(65_534, 'user'),
  runAsGroup: integer(65_534, 'group'),
});

export const NETWORK_VALIDATOR_SPEC = group('the init container that checks the redirection of a CNI plugin', {
  logLevel: oneOf('debug', ['debug', 'info', 'warn', 'error'], 'level of logs'),
  logFormat: oneOf('plain', ['plain', 'json'], 'format of logs'),
  connectAddr: text('', 'address to connect to; empty: one that nobody has'),
  listenAddr: text('', 'address to listen on; empty: the outbound port of the sidecar'),
  timeout: duration('10s', 'time for the connection to arrive'),
});

export const openMap = (about: string) => map({}, about, 'text');
