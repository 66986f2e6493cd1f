/** The containers and volumes that make a pod meshed. */
import type { Container, Pod, Probe, Volume } from '@mesh/kube';

import type { PodConfig } from './annotations.ts';
import { END_ENTITY_DIR, proxyEnv, TOKEN_DIR, TOKEN_NAME } from './proxy-env.ts';
import type { ProxyEnvContext } from './proxy-env.ts';
import type { InjectionImage, InjectionResources, InjectionValues } from './values.ts';

/** As the controllers have it; Linkerd waits for one second. */
const PROBE_TIMEOUT_S = 5;

export type ContainerContext = ProxyEnvContext;

/** Programs of the image, at Linkerd's paths. */
const INIT_PROGRAM = '/usr/lib/linkerd/linkerd2-proxy-init';
const VALIDATOR_PROGRAM = '/usr/lib/linkerd/linkerd2-network-validator';
const AWAIT_PROGRAM = '/usr/lib/linkerd/linkerd-await';

const XTABLES_LOCK = 'linkerd-proxy-init-xtables-lock';

/** Names of everything that injection puts into a pod. */
export const OWN_CONTAINERS: ReadonlySet<string> = new Set([
  'linkerd-proxy',
  'linkerd-init',
  'linkerd-network-validator',
  'linkerd-debug',
]);

export function proxyContainer(context: ContainerContext): Container {
  const { values } = context.config;
  const { proxy } = values;
  const probe = (path: string, rest: Omit<Probe, 'httpGet'>): Probe => ({
    httpGet: { path, port: proxy.ports.admin },
    ...rest,
  });
  const native = proxy.nativeSidecar;
  const awaited = native && proxy.await;
  return {
    name: 'linkerd-proxy',
    image: proxyImage(values),
    imagePullPolicy: pullPolicyOf(values, proxy.image),
    args: ['proxy'],
    ...(native ? { restartPolicy: 'Always' as const } : {}),
    env: proxyEnv(context),
    ports: [
      { name: 'linkerd-proxy', containerPort: proxy.ports.inbound, protocol: 'TCP' },
      { name: 'linkerd-admin', containerPort: proxy.ports.admin, protocol: 'TCP' },
    ],
    // On a node without CPU to spare, ending proxies that are slow to answer would only make more work.
    livenessProbe: probe('/live', { initialDelaySeconds: 10, timeoutSeconds: PROBE_TIMEOUT_S }),
    // After the startup probe the sidecar is ready: a delay would only make the pod ready later.
    readinessProbe: probe('/ready', {
      ...(awaited ? {} : { initialDelaySeconds: 2 }),
      timeoutSeconds: PROBE_TIMEOUT_S,
    }),
    ...(awaited ? { startupProbe: probe('/ready', { periodSeconds: 1, failureThreshold: 120 }) } : {}),
    ...lifecycle(values),
    ...resourceRequirements(proxy.resources),
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      ...(proxy.gid >= 0 ? { runAsGroup: proxy.gid } : {}),
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

/** Sends the pod's traffic to the sidecar; in a cluster with a CNI plugin, checks that it goes there. */
export function initContainer(context: ContainerContext): Container {
  return context.config.values.cniEnabled ? networkValidator(context) : proxyInit(context);
}

/** Looks at the pod's traffic with whoever opens a shell in it. */
export function debugContainer({ values }: PodConfig): Container {
  const { image } = values.debugContainer;
  return {
    name: 'linkerd-debug',
    image: imageRef(image),
    imagePullPolicy: pullPolicyOf(values, image),
    securityContext: { capabilities: { add: ['NET_ADMIN', 'NET_RAW'] } },
    terminationMessagePolicy: 'FallbackToLogsOnError',
  };
}

export function meshVolumes({ values }: PodConfig): readonly Volume[] {
  return [
    ...(values.cniEnabled ? [] : [{ name: XTABLES_LOCK, emptyDir: {} }]),
    { name: 'linkerd-identity-end-entity', emptyDir: { medium: 'Memory' } },
    // Apart from the pod's own token: a pod may have turned that off.
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

/** Ports that the application listens on: those of its containers, and those of its HTTP and gRPC probes. */
export function inboundPortsOf(pod: Pick<Pod, 'spec'>): readonly number[] {
  const ports = new Set<number>();
  for (const container of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) {
    if (OWN_CONTAINERS.has(container.name)) continue;
    const declared = container.ports ?? [];
    for (const port of declared) if ((port.protocol ?? 'TCP') === 'TCP') ports.add(port.containerPort);
    for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) {
      const port = probe?.httpGet?.port ?? probe?.grpc?.port;
      const number =
        typeof port === 'string' ? (declared.find((one) => one.name === port)?.containerPort ?? Number(port)) : port;
      if (number !== undefined && Number.isInteger(number)) ports.add(number);
    }
  }
  return [...ports].toSorted((a, b) => a - b);
}

/** The sidecar's image: each runtime has its own, and `proxy.image.name` is that of the default one (or already the other's). */
export function proxyImage({ proxy }: Pick<InjectionValues, 'proxy'>): string {
  const { name } = proxy.image;
  const other = proxy.runtime === 'node' && !name.endsWith('-node');
  return imageRef({ ...proxy.image, name: other ? `${name}-node` : name });
}

/** The sidecar is waited for by a startup probe when it is native, and by a hook that holds up the next container when it is not. */
function lifecycle({ proxy }: InjectionValues): Pick<Container, 'lifecycle'> {
  const hooks = {
    ...(proxy.await && !proxy.nativeSidecar
      ? { postStart: { exec: { command: [AWAIT_PROGRAM, '--timeout=2m', `--port=${proxy.ports.admin}`] } } }
      : {}),
    // The image has no shell and no sleep(1).
    ...(proxy.waitBeforeExitSeconds > 0 ? { preStop: { sleep: { seconds: proxy.waitBeforeExitSeconds } } } : {}),
  };
  return Object.keys(hooks).length === 0 ? {} : { lifecycle: hooks };
}

function proxyInit({ config: { values } }: ContainerContext): Container {
  const { proxy, proxyInit: init, disableIPv6 } = values;
  const firewall =
    init.iptablesMode === 'nft' ? 'iptables-nft' : init.iptablesMode === 'legacy' ? 'iptables-legacy' : 'iptables';
  const inbound = [`${proxy.ports.control},${proxy.ports.admin}`, init.ignoreInboundPorts].filter((one) => one !== '');
  const option = (name: string, value: string): readonly string[] => (value === '' ? [] : [`--${name}`, value]);
  return {
    ...initBase(values, 'linkerd-init', INIT_PROGRAM),
    args: [
      ...option('firewall-bin-path', firewall),
      ...option('firewall-save-bin-path', `${firewall}-save`),
      `--ipv6=${String(!disableIPv6)}`,
      ...option('incoming-proxy-port', String(proxy.ports.inbound)),
      ...option('outgoing-proxy-port', String(proxy.ports.outbound)),
      ...option('proxy-uid', String(proxy.uid)),
      ...option('proxy-gid', proxy.gid >= 0 ? String(proxy.gid) : ''),
      ...option('inbound-ports-to-ignore', inbound.join(',')),
      ...option('outbound-ports-to-ignore', init.ignoreOutboundPorts),
      ...option('subnets-to-ignore', init.skipSubnets),
      ...option('timeout-close-wait-secs', init.closeWaitTimeoutSecs > 0 ? String(init.closeWaitTimeoutSecs) : ''),
      ...option('log-format', init.logFormat === 'plain' ? '' : init.logFormat),
      ...option('log-level', init.logLevel === 'info' ? '' : init.logLevel),
    ],
    securityContext: initSecurity(init),
    volumeMounts: [{ name: XTABLES_LOCK, mountPath: '/run' }],
  };
}

/** Kernel settings such as the close-wait timeout can only be written by a privileged container. */
function initSecurity(init: InjectionValues['proxyInit']): Readonly<Record<string, unknown>> {
  const privileged = init.privileged || init.closeWaitTimeoutSecs > 0;
  const root = init.runAsRoot || init.closeWaitTimeoutSecs > 0;
  return {
    allowPrivilegeEscalation: privileged,
    capabilities: { add: ['NET_ADMIN', 'NET_RAW'] },
    privileged,
    readOnlyRootFilesystem: true,
    runAsGroup: root ? 0 : init.runAsGroup,
    runAsNonRoot: !root,
    runAsUser: root ? 0 : init.runAsUser,
    seccompProfile: { type: 'RuntimeDefault' },
  };
}

function networkValidator({ config: { values } }: ContainerContext): Container {
  const { networkValidator: validator, proxy, proxyInit: init, disableIPv6 } = values;
  const orElse = (text: string, otherwise: string): string => (text === '' ? otherwise : text);
  return {
    ...initBase(values, 'linkerd-network-validator', VALIDATOR_PROGRAM),
    args: [
      '--log-format',
      validator.logFormat,
      '--log-level',
      validator.logLevel,
      '--connect-addr',
      // Nobody answers there: only a redirect makes the connection succeed.
      orElse(validator.connectAddr, disableIPv6 ? '1.1.1.1:20001' : '[fd00::1]:20001'),
      '--listen-addr',
      orElse(validator.listenAddr, `${disableIPv6 ? '0.0.0.0' : '[::]'}:${proxy.ports.outbound}`),
      '--timeout',
      validator.timeout,
    ],
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
      runAsGroup: init.runAsGroup,
      runAsNonRoot: true,
      runAsUser: init.runAsUser,
      seccompProfile: { type: 'RuntimeDefault' },
    },
  };
}

/** Resources as the sidecar's: they cost nothing more, since it has not started then, and a pod's class of service counts them too. */
function initBase(values: InjectionValues, name: string, program: string): Container {
  return {
    name,
    image: proxyImage(values),
    imagePullPolicy: pullPolicyOf(values, values.proxy.image),
    command: [program],
    ...resourceRequirements(values.proxy.resources),
    terminationMessagePolicy: 'FallbackToLogsOnError',
  };
}

function imageRef({ name, version }: Pick<InjectionImage, 'name' | 'version'>): string {
  return version === '' ? name : `${name}:${version}`;
}

function pullPolicyOf(values: InjectionValues, image: InjectionImage): string {
  return image.pullPolicy === '' ? values.imagePullPolicy : image.pullPolicy;
}

function resourceRequirements(resources: InjectionResources): Pick<Container, 'resources'> {
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
  return Object.keys(parts).length === 0 ? {} : { resources: parts };
}
